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
import sys
import threading
import time
import traceback
import types
import uuid

# Gradio and the library of its hub call home, unless told so before.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import cv2
import gradio
import numpy as np
from starlette.middleware import Middleware

from keras_ssc import checks
from keras_ssc import film_list
from keras_ssc import film_reader
from keras_ssc import frame_reading
from keras_ssc import image_files
from keras_ssc import report
from keras_ssc import sample_films
from keras_ssc import verdict_pictures
from keras_ssc.errors import OutsideError
from keras_ssc.errors import VideoError
from keras_ssc.genres import GENRES

# Uploads and pictures are deleted after this time; judged films at once.
_LEFT_OVER_SECONDS = 600

# Gradio keeps what each of its last 10,000 visitors was shown, pictures and
# all, long after they have left. Nothing here is asked of a visitor's session
# but what the visitor sends anew.
_KEPT_SESSIONS = 32

# The frames of each shot of an example, and the frame whose pair is one.
_EXAMPLE_SHOTS, _EXAMPLE_FRAME = (48, 60, 36), 70

# No other sample film has it: a model has not learnt from the examples.
_EXAMPLE_SEED = 1_000

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


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a visitor may ask for.

    Attributes:
        megabytes: Integer, the size of an upload.
        minutes: Float, the length of a film.
        seconds: Float, how long a film may be worked on.
        waiting: Integer, how many requests wait for their turn; the next one
            is told that the page is busy.
    """

    megabytes: int = 4096
    minutes: float = 240.0
    seconds: float = 1800.0
    waiting: int = 16

    def __post_init__(self):
        for field in dataclasses.fields(self):
            checks.above_zero(field.name, getattr(self, field.name))


class _Refusing:
    """Answers a request that breaks its server's own code with one line.

    Args:
        app: The ASGI application that is asked first.
    """

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        """Passes a request on."""
        has_begun = False

        async def watched(message):
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if _is_ours(sys.exc_info()[2]) or scope["type"] != "http":
                raise
            _print_exception()
            if not has_begun:
                head = {"type": "http.response.start", "status": 400}
                await send({**head, "headers": []})
                await send({"type": "http.response.body", "body": b"refused"})


def _is_ours(frames):
    """Says whether an error comes from this project's own code."""
    return any(
        frame.f_globals.get("__name__", "").startswith("keras_ssc")
        and frame.f_code.co_name not in ("__call__", "watched")
        for frame, _ in traceback.walk_tb(frames)
    )


def _print_exception():
    """Prints the error that is handled: a stranger's as a line, ours whole."""
    kind, error, frames = sys.exc_info()
    if _is_ours(frames):
        traceback.print_exc()
    else:
        text = " ".join(f"{kind.__name__}: {error}".split())[:200]
        print(f"request refused: {text!a}", file=sys.stderr, flush=True)


# Gradio prints a traceback of each request that is none: anyone could fill the
# log with them, and what is a bug would be lost in it.
for _module in (gradio.queueing, gradio.routes, gradio.utils):
    _module.traceback = types.SimpleNamespace(
        **{**vars(traceback), "print_exc": _print_exception}
    )


def _refusal(text, **settings):
    # A visitor's mistake is no bug: it leaves no traceback in the log.
    return gradio.Error(text, print_exception=False, **settings)


class _StoppedError(Exception):
    """A visitor has cancelled, or left."""


class Page:
    """The page; one in a process, since Gradio has one folder in it.

    Args:
        asked: A `predictor.Predictor`.
        folder: Path of a folder for this page alone: uploads and pictures
            lie there while they are needed.
        limits: A `Limits`.

    Attributes:
        blocks: The `gradio.Blocks`.
    """

    def __init__(self, asked, folder, limits=None):
        self._asked = asked
        self._folder = pathlib.Path(folder)
        self._limits = limits or Limits()
        self._taken = {}  # visitor -> the film that waits, and its name
        self._stops = {}  # visitor -> the `threading.Event` that stops it
        self._is_closed = threading.Event()
        self._model_lock, self._example_lock = (
            threading.Lock(),
            threading.Lock(),
        )
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
        threading.Thread(target=self._sweep_on, daemon=True).start()
        _, url, _ = self.blocks.launch(
            server_name=host,
            server_port=port,
            max_file_size=self._limits.megabytes * 2**20,
            state_session_capacity=_KEPT_SESSIONS,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            app_kwargs={"middleware": [Middleware(_Refusing)]},
            footer_links=[],
            theme=gradio.themes.Default(**_FONTS),
        )
        return url

    def close(self):
        """Stops what is under way, and the server."""
        self._is_closed.set()
        for stop in list(self._stops.values()):
            stop.set()
        self.blocks.close(verbose=False)

    def take_film(self, upload, request: gradio.Request):
        """Takes an uploaded film for the visitor who waits to be judged."""
        # At once, and under a name that no visitor has chosen. A link, since
        # another may have uploaded the same: Gradio keeps one file of both.
        film = self._folder / f"{uuid.uuid4().hex}.film"
        os.link(upload, film)
        self._forget(request)
        name = pathlib.Path(upload).name
        self._taken[request.session_hash] = film, name
        # What was said of another film goes, and there is room to drop more.
        return [*_no_answers(name), None]

    def judge_film(
        self, num_pairs, quick, request: gradio.Request, progress=_PROGRESS
    ):
        """Judges the film that was taken, and deletes it."""
        if request.session_hash not in self._taken:
            raise _refusal("Drop a film first.")
        film, name = self._taken.pop(request.session_hash)
        try:
            return self._judge(film, name, num_pairs, quick, request, progress)
        finally:
            film.unlink(missing_ok=True)

    def judge_pair(self, frame, next_frame):
        """Judges two frames."""
        if frame is None or next_frame is None:
            raise _refusal("Drop both frames first.")
        encoded = tuple(
            pathlib.Path(path).read_bytes() for path in (frame, next_frame)
        )
        with self._model_lock, _named_errors():
            answer = self._asked.predict([encoded])[0]
            pair = [_decode(image) for image in encoded]
            pictures = self._evidence(*pair, answer.genre)
        confidence = answer.scores[answer.genre]
        heading = f"{_words(answer.genre)}, {report.percent(confidence)}"
        details = f"motion magnitude {answer.motion_magnitude:.4f}"
        return [
            _heading(heading, [details]),
            _bars(answer.scores),
            _hidden_image(),
            _hidden_image(),
            _figures(pictures),
        ]

    def _judge_example(self, genre):
        """Returns the function that judges a drawn film of a genre."""

        # Not a `functools.partial`: Gradio does not see through it who asks.
        def judge(
            num_pairs, quick, request: gradio.Request, progress=_PROGRESS
        ):
            film = self._example(genre)
            name = f"drawn film, {_words(genre)}"
            return self._judge(film, name, num_pairs, quick, request, progress)

        return judge

    def _judge(self, film, name, num_pairs, quick, request, progress):
        """Judges a film; returns the answers' values."""
        stop = self._stops[request.session_hash] = threading.Event()
        started = time.monotonic()

        def tell(what, done, total):
            if stop.is_set():
                raise _StoppedError
            if time.monotonic() - started > self._limits.seconds:
                raise VideoError(
                    f"{name}: stopped after {self._limits.seconds:g} seconds, "
                    "as long as a film may be worked on here. Ask for fewer "
                    "pairs, or for quick."
                )
            progress((done, total), desc=_DOING[what], unit=what)

        plan = film_reader.Plan(
            int(num_pairs),
            quick=bool(quick),
            max_seconds=60 * self._limits.minutes,
        )
        try:
            # One at a time: what was cancelled may still be ending.
            with self._model_lock, _named_errors(film, name):
                verdict = self._asked.predict_film(
                    film, plan, progress=tell, pictures=True
                )
                verdict = dataclasses.replace(verdict, path=name)
                pair = verdict.strongest
                pictures = self._evidence(
                    pair.frame, pair.next_frame, verdict.genre
                )
        except _StoppedError:
            return _no_answers("Stopped.")
        finally:
            self._stops.pop(request.session_hash, None)
        return [
            _film_heading(verdict),
            _bars(verdict.scores),
            _image(verdict_pictures.timeline(verdict)),
            _image(verdict_pictures.contact_sheet(verdict)),
            _figures(pictures),
        ]

    def _evidence(self, frame, next_frame, genre):
        heat_maps = self._asked.heat_maps(frame, next_frame, genre)
        return verdict_pictures.evidence(frame, next_frame, heat_maps, genre)

    def _forget(self, request):
        film, _ = self._taken.pop(request.session_hash, (None, None))
        if film is not None:
            film.unlink(missing_ok=True)

    def _stop(self, request: gradio.Request):
        """Ends what a visitor who cancels, or has left, is waiting for."""
        self._forget(request)
        stop = self._stops.get(request.session_hash)
        if stop is not None:
            stop.set()

    def sweep(self):
        """Deletes what lies in Gradio's folder for longer than ten minutes.

        Gradio's own `delete_cache` leaves what an upload that was cut off had
        brought. Films that were taken stay as long as the longest wait.
        """
        for path in (self._folder / "gradio").rglob("*"):
            with contextlib.suppress(OSError):  # gone, or a folder in use
                if _age(path) < _LEFT_OVER_SECONDS:
                    continue
                path.rmdir() if path.is_dir() else path.unlink()
        # Gradio does not tell of all who leave: a program need not stay
        # connected after it has sent a film.
        longest = self._limits.seconds * (self._limits.waiting + 1)
        for visitor, (film, _) in list(self._taken.items()):
            with contextlib.suppress(OSError):  # judged by now
                if _age(film) >= longest + _LEFT_OVER_SECONDS:
                    self._taken.pop(visitor, None)
                    film.unlink()

    def _sweep_on(self):
        while not self._is_closed.wait(_LEFT_OVER_SECONDS / 10):
            self.sweep()

    def _cancel(self, request: gradio.Request):
        self._stop(request)
        return _no_answers("Stopped.")

    def _example(self, genre):
        """Returns the path of a drawn film of a genre."""
        path = self._folder / "examples" / f"{genre}.mp4"
        with self._example_lock:
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                film = sample_films.Film(
                    genre=genre,
                    number=0,
                    split="test",
                    path=path,
                    shots=_EXAMPLE_SHOTS,
                    frame_rate=24,
                    size=(480, 270),
                    seed=_EXAMPLE_SEED,
                )
                threads = cv2.getNumThreads()
                try:
                    sample_films.draw_film(film)
                finally:
                    cv2.setNumThreads(threads)
        return path

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
                "frames of one: a network looks at pairs of frames and at the "
                "motion between them."
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
                label=f"Film, {limits.megabytes} MB and {limits.minutes:g} "
                "minutes at most",
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
                label="Quick: do not look for cuts, read only these pairs"
            )
            buttons = _build_examples("Nothing at hand? A drawn film:")
        return film, [num_pairs, quick], buttons

    def _build_pair(self):
        with gradio.Tab("Two frames"):
            with gradio.Row():
                images = [
                    gradio.Image(
                        label=label,
                        type="filepath",
                        image_mode=None,
                        format="png",
                        sources=["upload", "clipboard"],
                        height=180,
                        min_width=130,
                    )
                    for label in ("Frame", "The frame after it")
                ]
            ask = gradio.Button("Tell the genre", variant="primary")
            buttons = _build_examples(
                "Nothing at hand? Frames of a drawn film:"
            )
        return images, ask, buttons


def _age(path):
    return time.time() - path.stat().st_mtime


def _build_examples(words):
    gradio.Markdown(words)
    with gradio.Row():
        return {
            genre: gradio.Button(_words(genre), size="sm", min_width=90)
            for genre in GENRES
        }


def _build_answers():
    return [
        gradio.HTML(_heading("Nothing judged yet.", []), padding=False),
        gradio.Label(label="Scores", visible=False, show_heading=False),
        gradio.Image(
            label="Scores and motion over time",
            alt_text="Stacked scores of each genre over the film's time, and "
            "below them how much moves",
            format="png",
            show_label=False,
            visible=False,
            buttons=["download", "fullscreen"],
        ),
        gradio.Image(
            label="Shots",
            alt_text="One frame of each shot, its genre below",
            format="png",
            show_label=False,
            visible=False,
            buttons=["download", "fullscreen"],
        ),
        gradio.HTML(),
    ]


def _no_answers(words):
    return [
        _heading(words, []),
        gradio.Label(visible=False),
        _hidden_image(),
        _hidden_image(),
        "",
    ]


def _figures(pictures):
    """Returns HTML: pictures with words below, side by side as they fit."""
    figures = []
    for picture, words in pictures:
        data = image_files.encode_frame(picture)
        text = base64.b64encode(data).decode("ascii")
        figures.append(
            '<figure style="margin: 0">'
            f'<img src="data:image/png;base64,{text}" alt="" '
            'style="width: 100%; border: 1px solid #999">'
            f"<figcaption>{html.escape(words)}</figcaption></figure>"
        )
    return (
        '<h3>What it saw</h3><div style="display: grid; gap: 16px; '
        "grid-template-columns: "
        "repeat(auto-fill, minmax(min(260px, 100%), 1fr))"
        f'">{"".join(figures)}</div>'
    )


def _words(genre):
    return genre.replace("_", " ")


def _heading(heading, details):
    # A film's name is a visitor's text: it must not become part of the page.
    lines = "".join(f"<p>{html.escape(each)}</p>" for each in details)
    return f'<div role="status"><h2>{html.escape(heading)}</h2>{lines}</div>'


def _film_heading(verdict):
    shares = sorted(verdict.shares.items(), key=lambda item: -item[1])
    speaks = ", ".join(
        f"{report.percent(share)} of the film for {_words(genre)}"
        for genre, share in shares
        if share
    )
    judged = f"{verdict.num_pairs} pairs of {len(verdict.shots)} shots"
    if verdict.dropped:
        reasons = ", ".join(
            f"{count} {reason}" for reason, count in verdict.dropped.items()
        )
        judged += f"; pairs not used: {reasons}"
    length = film_list.format_time(verdict.seconds)[:8]
    return _heading(
        verdict_pictures.headline(verdict),
        [
            f"{verdict.path}, {length}",
            f"What speaks for it: {speaks}. The runner-up is "
            f"{_words(verdict.runner_up)}.",
            f"Judged by {judged}.",
        ],
    )


def _bars(scores):
    named = {_words(genre): score for genre, score in scores.items()}
    return gradio.Label(named, visible=True)


def _image(png):
    return gradio.Image(image_files.decode_frame(png), visible=True)


def _hidden_image():
    return gradio.Image(None, visible=False)


def _decode(image):
    """Decodes an image that the model has read; no larger than the page."""
    frame = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    scale = min(1.0, _LONG_SIDE / max(frame.shape[:2]))
    frame = cv2.resize(
        frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@contextlib.contextmanager
def _named_errors(path="", name=""):
    """Tells a visitor what failed, by the name that the visitor knows."""
    try:
        yield
    except (
        VideoError,
        OutsideError,
        ValueError,
        OSError,
    ) as error:
        text = str(error)
        if path:
            text = text.replace(str(path), name)
        raise _refusal(html.escape(text), duration=None) from error
