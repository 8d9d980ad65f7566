"""The page of `keras_ssc.app`: a film or two frames -> what genre, and why.

It needs Gradio: pip install "keras_ssc[app]".
"""

import base64
import contextlib
import dataclasses
import functools
import html
import os
import pathlib
import signal
import sys
import tempfile
import threading

# Gradio and the library of its hub send usage data, unless this is set before.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import cv2
import gradio
import numpy as np
from starlette.middleware import Middleware

from keras_ssc import sample_films
from keras_ssc.errors import OutsideError
from keras_ssc.films import black_bars
from keras_ssc.films import film_reader
from keras_ssc.films import frame_reading
from keras_ssc.films import image_files
from keras_ssc.films import image_limits
from keras_ssc.films import image_seen
from keras_ssc.genres import genre_words
from keras_ssc.page import page_limits
from keras_ssc.page.page_limits import Limits
from keras_ssc.prediction import verdict_pictures
from keras_ssc.prediction import words
from keras_ssc.serving import client as serving_client

# Gradio keeps what each of its last 10,000 visitors was shown, pictures and
# all, long after they have left. Nothing here is asked of a visitor's session
# but what the visitor sends anew.
_KEPT_SESSIONS = 32

# The frames of each shot of an example, and the frame whose pair is one.
_EXAMPLE_SHOTS, _EXAMPLE_FRAME = (48, 60, 36), 70

# No other sample film has it: a model has not learnt from the examples.
_EXAMPLE_SEED = 1_000

# Of hundreds of genres, the page lists these many, the highest first.
_MOST_SCORES = 21

# Pictures of a pair are drawn at most this wide or high.
_LONG_SIDE = 480

_DOING = {
    "film": "reading",
    "frames": "reading and judging",
    "pairs": "judging",
}

# Gradio gives a function that has it as a default the visitor's own.
_PROGRESS = gradio.Progress()

# Both are there without the internet.
_FONTS = {
    "font": ["system-ui", "sans-serif"],
    "font_mono": ["ui-monospace", "monospace"],
}


# What the two places of a pair are called.
_FRAMES = ("Frame", "The frame after it")

# The two pictures of a film, and what they are to those who do not see them.
_PICTURES = {
    "Scores and motion over time": "Stacked scores of each genre over the "
    "film's time, and below them how much moves",
    "Shots": "One frame of each shot, its genre below",
}


def _refusal(text, **settings):
    # A visitor's mistake is no bug: it leaves no traceback in the log.
    return gradio.Error(text, print_exception=False, **settings)


class Page:
    """The page; one in a process, since Gradio has one folder in it.

    Args:
        asked: A `predictor.Predictor`.
        folder: Path of a folder for this page alone: uploads and pictures
            lie there while they are needed.
        limits: A `Limits`.

    Attributes:
        blocks: The `gradio.Blocks`.
        visitors: The `page_limits.Visitors`.
    """

    def __init__(self, asked, folder, limits=None):
        self._asked = asked
        self._folder = pathlib.Path(folder)
        self._limits = limits or Limits()
        self.visitors = page_limits.Visitors(self._folder, self._limits)
        self._is_closed = threading.Event()
        self._model_lock = threading.Lock()
        self._example_lock = threading.Lock()
        # Where Gradio puts uploads and pictures; it reads that as it builds.
        os.environ["GRADIO_TEMP_DIR"] = str(self._folder / "gradio")
        self.blocks = self._build()

    def launch(self, host="127.0.0.1", port=7860):
        """Serves the page; returns at once.

        Args:
            host: String, the address to listen at.
            port: Integer; None for one that is free.

        Returns:
            String, the page's URL.

        Raises:
            OSError: If the port is taken.
        """
        self._start_sweeping()
        _, url, _ = self.blocks.launch(
            server_name=host,
            server_port=port,
            state_session_capacity=_KEPT_SESSIONS,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            **self._served,
        )
        return url

    def mount(self, app, path):
        """Makes the page a part of another server.

        Args:
            app: A `fastapi.FastAPI`.
            path: String, the page's address in it, such as `/single-film`.
        """
        self._start_sweeping()
        self.blocks.state_session_capacity = _KEPT_SESSIONS
        gradio.mount_gradio_app(
            app, self.blocks, path, show_error=False, **self._served
        )

    @property
    def _served(self):
        """Settings of a server, whether it is the page's own or not."""
        return {
            "max_file_size": self._limits.megabytes * 2**20,
            "ssr_mode": False,
            "app_kwargs": {"middleware": [Middleware(page_limits.Guard)]},
            "footer_links": [],
            "theme": gradio.themes.Default(**_FONTS),
        }

    def _start_sweeping(self):
        threading.Thread(
            target=self.visitors.sweep_until,
            args=(self._is_closed,),
            daemon=True,
        ).start()

    def close(self):
        """Stops what is under way, and the server."""
        self._is_closed.set()
        self.visitors.stop_all()
        self.blocks.close(verbose=False)

    def take_film(self, upload, request: gradio.Request):
        """Takes an uploaded film for the visitor who waits to be judged."""
        name = self.visitors.take(request.session_hash, upload)
        # What was said of another film goes, and there is room to drop more.
        return [*_answers(name), None]

    def judge_film(
        self, num_pairs, quick, request: gradio.Request, progress=_PROGRESS
    ):
        """Judges the film that was taken, and deletes it."""
        film, name = self.visitors.pop(request.session_hash)
        if film is None:
            raise _refusal("Drop a film first.")
        try:
            return self._judge(film, name, num_pairs, quick, request, progress)
        finally:
            film.unlink(missing_ok=True)

    def judge_pair(self, frame, next_frame):
        """Judges two frames."""
        if frame is None or next_frame is None:
            raise _refusal("Drop both frames first.")
        names = dict(zip((frame, next_frame), _FRAMES, strict=True))
        with self._model_lock, _named_errors(names):
            given = map(image_limits.read_image, (frame, next_frame))
            encoded, notes = zip(*map(image_seen.as_seen, given), strict=True)
            answer = self._asked.predict([encoded])[0]
            pair = [_decode(image) for image in encoded]
            pictures = self._evidence(*pair, _leading(answer))
        heading = words.named(answer)
        details = words.measured_lines(answer)
        details += [
            f"{label}: {note}"
            for label, note in zip(_FRAMES, notes, strict=True)
            if note
        ]
        return _answers(heading, details, answer.scores, pictures=pictures)

    def _judge_example(self, genre):
        """Returns the function that judges a drawn film of a genre."""

        # Not a `functools.partial`: Gradio does not see through it who asks.
        def judge(
            num_pairs, quick, request: gradio.Request, progress=_PROGRESS
        ):
            film = self._example(genre)
            name = f"drawn film, {genre_words(genre)}"
            return self._judge(film, name, num_pairs, quick, request, progress)

        return judge

    def _judge(self, film, name, num_pairs, quick, request, progress):
        """Judges a film; returns the answers' values."""
        plan = film_reader.Plan(
            int(num_pairs),
            quick=bool(quick),
            max_seconds=60 * self._limits.minutes,
        )
        try:
            # One at a time: what was cancelled may still be ending.
            with (
                self.visitors.working(request.session_hash, name) as check,
                self._model_lock,
                _named_errors({film: name}),
            ):

                def tell(what, done, total):
                    check()
                    progress((done, total), desc=_DOING[what], unit=what)

                verdict = self._asked.predict_film(
                    film, plan, progress=tell, pictures=True
                )
                verdict = dataclasses.replace(verdict, path=name)
                pair = verdict.strongest
                pictures = self._evidence(
                    pair.frame,
                    pair.next_frame,
                    _leading(verdict),
                    verdict.aspect,
                )
        except page_limits.StoppedError:
            return _answers("Stopped.")
        return _answers(
            words.headline(verdict),
            words.page_lines(verdict),
            verdict.scores,
            (
                verdict_pictures.timeline(verdict),
                verdict_pictures.contact_sheet(verdict),
            ),
            pictures,
        )

    def _evidence(self, frame, next_frame, genre, aspect=None):
        # What the model sees.
        frame, next_frame = black_bars.crop_pair(frame, next_frame)
        heat_maps = self._asked.heat_maps(frame, next_frame, genre)
        return verdict_pictures.evidence(
            frame, next_frame, heat_maps, genre, aspect
        )

    def _stop(self, request: gradio.Request):
        self.visitors.stop(request.session_hash)

    def _cancel(self, request: gradio.Request):
        self._stop(request)
        return _answers("Stopped.")

    def _example(self, genre):
        """Returns the path of a drawn film of a genre."""
        film = sample_films.Film(
            genre=genre,
            number=0,
            split="test",
            path=self._folder / f"example_{genre}.mp4",
            shots=_EXAMPLE_SHOTS,
            frame_rate=24,
            size=(480, 270),
            seed=_EXAMPLE_SEED,
        )
        with self._example_lock:
            sample_films.draw_film(film)
        return film.path

    def _example_pair(self, genre):
        """Returns two frames of a drawn film of a genre."""
        numbers = (_EXAMPLE_FRAME, _EXAMPLE_FRAME + 1)
        read = frame_reading.read_frames(self._example(genre), numbers)
        return [frame for _, _, frame in read]

    def _build(self):
        with gradio.Blocks(
            title="What genre is this film?",
            analytics_enabled=False,
        ) as blocks:
            gradio.Markdown(
                "# What genre is this film?\nDrop a film, or two consecutive "
                "frames of one. A neural network looks at pairs of frames and "
                "at the motion between them."
            )
            with gradio.Row():
                with gradio.Column(scale=2, min_width=300):
                    film, settings, film_buttons = self._build_film()
                    images, ask, pair_buttons = self._build_pair()
                    cancel = gradio.Button("Cancel", variant="stop")
                with gradio.Column(scale=3, min_width=300):
                    # A place of its own, or the bar would lie over words.
                    bar = gradio.HTML(min_height=40)
                    answers = _build_answers()
            shown = {"show_progress_on": bar, "concurrency_id": "model"}
            own = {"api_visibility": "private"}
            taking = film.upload(
                self.take_film,
                film,
                [*answers, film],
                queue=False,
                show_progress="hidden",
                api_name="take_film",
            )
            judging = [
                taking.success(
                    self.judge_film,
                    settings,
                    answers,
                    api_name="judge_film",
                    **shown,
                ),
                ask.click(
                    self.judge_pair,
                    images,
                    answers,
                    api_name="judge_pair",
                    **shown,
                ),
            ]
            for genre, button in film_buttons.items():
                judge = self._judge_example(genre)
                judging.append(
                    button.click(judge, settings, answers, **shown, **own)
                )
            for genre, button in pair_buttons.items():
                draw = functools.partial(self._example_pair, genre)
                judging.append(
                    button.click(draw, None, images, **own).then(
                        self.judge_pair, images, answers, **shown, **own
                    )
                )
            cancel.click(
                self._cancel,
                None,
                answers,
                cancels=judging,
                queue=False,
                **own,
            )
            blocks.unload(self._stop)
        return blocks.queue(max_size=self._limits.waiting)

    def _build_film(self):
        limits = self._limits
        with gradio.Tab("A film"):
            film = gradio.File(
                label=f"Film, {limits.of_film()}",
                height=150,
            )
            num_pairs = gradio.Slider(
                20,
                1000,
                300,
                step=20,
                label="Pairs of frames",
                info="spread over the film",
            )
            quick = gradio.Checkbox(
                label="Quick: do not search for shots, read only these pairs"
            )
            buttons = self._build_examples("Or try a drawn film:")
        return film, [num_pairs, quick], buttons

    def _build_pair(self):
        with gradio.Tab("Two frames"):
            with gradio.Row():
                images = [
                    gradio.Image(
                        label=label,
                        type="filepath",
                        format="png",
                        sources=["upload", "clipboard"],
                        height=180,
                        min_width=130,
                    )
                    for label in _FRAMES
                ]
            for image in images:
                # Gradio would open it, and of what it cannot read show
                # nothing but "Error". Not a class of ours: of each, Gradio
                # writes a file beside the module.
                image.preprocess = lambda payload: payload and payload.path
            ask = gradio.Button("Classify", variant="primary")
            buttons = self._build_examples("Or try two frames of a drawn film:")
        return images, ask, buttons

    def _build_examples(self, text):
        """Offers drawn films of the model's genres that there are."""
        found = self._example_genres()
        if found:
            gradio.Markdown(text)
        with gradio.Row():
            return {
                genre: gradio.Button(
                    genre_words(genre), size="sm", min_width=90
                )
                for genre in found
            }

    def _example_genres(self):
        known = sample_films.GENRES
        # A server may be started later; then it is asked for any.
        with contextlib.suppress(OutsideError):
            known = self._asked.task.genres
        return [genre for genre in sample_films.GENRES if genre in known]


def serve(asked, host, port, limits):
    """Serves the page until the process is interrupted or terminated.

    Args:
        asked: A `predictor.Predictor`.
        host: String, the address to listen at.
        port: Integer.
        limits: A `Limits`.
    """
    # Ended by a service's manager, it leaves no uploads behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="keras_ssc_") as folder:
        page = Page(asked, folder, limits)
        url = page.launch(host, port)
        print(f"{asked.name} at {url} - end it with Ctrl-C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            page.close()


def _leading(answer):
    """Returns the genre with the highest score, named or not."""
    return max(answer.scores, key=answer.scores.get)


def _build_answers():
    return [
        gradio.HTML(_heading("Nothing classified yet."), padding=False),
        gradio.Label(
            label="Scores",
            num_top_classes=_MOST_SCORES,
            visible=False,
            show_heading=False,
        ),
        *(
            gradio.Image(
                label=label,
                alt_text=alt_text,
                format="png",
                show_label=False,
                visible=False,
                buttons=["download", "fullscreen"],
            )
            for label, alt_text in _PICTURES.items()
        ),
        gradio.HTML(),
    ]


def _answers(heading, details=(), scores=None, pngs=(None, None), pictures=()):
    """Returns what the answers' places show; hides those without a value.

    Args:
        heading: String.
        details: Sequence of strings, lines below the heading.
        scores: Dict from genres to scores.
        pngs: The timeline and the contact sheet, bytes.
        pictures: What `verdict_pictures.evidence` returned.
    """
    named = scores and {genre_words(name): x for name, x in scores.items()}
    return [
        _heading(heading, details),
        gradio.Label(named, visible=named is not None),
        *(
            gradio.Image(
                png and image_files.decode_frame(png), visible=png is not None
            )
            for png in pngs
        ),
        _figures(pictures) if pictures else "",
    ]


def _heading(heading, details=()):
    # A film's name is a visitor's text: it must not become part of the page.
    lines = "".join(f"<p>{html.escape(each)}</p>" for each in details)
    return f'<div role="status"><h2>{html.escape(heading)}</h2>{lines}</div>'


def _figures(pictures):
    """Returns HTML: pictures with words below, side by side as they fit."""
    figures = []
    for picture, caption in pictures:
        png = image_files.encode_frame(picture)
        data = base64.b64encode(png).decode("ascii")
        figures.append(
            '<figure style="margin: 0">'
            f'<img src="data:image/png;base64,{data}" alt="" '
            'style="width: 100%; border: 1px solid #999">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    return (
        '<h3>What the model saw</h3><div style="display: grid; gap: 16px; '
        "grid-template-columns: "
        "repeat(auto-fill, minmax(min(260px, 100%), 1fr))"
        f'">{"".join(figures)}</div>'
    )


def _decode(image):
    """Decodes an image that the model has read; no larger than the page."""
    # As the model's decoder does: what is stored, and that is upright.
    way = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    frame = cv2.imdecode(np.frombuffer(image, np.uint8), way)
    scale = min(1.0, _LONG_SIDE / max(frame.shape[:2]))
    frame = cv2.resize(
        frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@contextlib.contextmanager
def _named_errors(names):
    """Shows a visitor what failed, by the names that the visitor knows.

    Args:
        names: Dict from paths to what they are called on the page.
    """
    try:
        yield
    except (OutsideError, ValueError, OSError) as error:
        text = str(error)
        if isinstance(error, serving_client.ImageError):
            text = error.named(*_FRAMES)
        for path, name in names.items():
            text = text.replace(str(path), name)
        raise _refusal(html.escape(text), duration=None) from error
