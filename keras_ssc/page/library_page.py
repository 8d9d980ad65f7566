"""The page of a library: python -m keras_ssc.app --library FILE.

It needs FastAPI, Jinja2 and uvicorn, which come with Gradio:
pip install "keras_ssc[app]".
"""

import contextlib
import hashlib
import pathlib
import socket
import sys
import tempfile
import traceback
from typing import Annotated

import fastapi
import markupsafe
import pydantic
import uvicorn
from fastapi import exceptions
from fastapi import responses
from fastapi import staticfiles
from fastapi import templating
from starlette import exceptions as starlette_exceptions
from starlette.middleware import Middleware

from keras_ssc.errors import OutsideError
from keras_ssc.genres import genre_words
from keras_ssc.library.database import Library
from keras_ssc.library.database import LibraryError
from keras_ssc.page import library_view
from keras_ssc.page import origin_guard
from keras_ssc.page.page_limits import Limits
from keras_ssc.prediction import words

_HERE = pathlib.Path(__file__).parent

# Where the page for a single film is, which Gradio serves.
_SINGLE = "/single-film"

# A film's pictures stay the same, those of another film have other addresses.
_KEPT = {"Cache-Control": "private, max-age=86400"}

_Name = Annotated[str, pydantic.StringConstraints(max_length=200)]


class _Said(pydantic.BaseModel):
    """What a person says of a film, see `library_view.View.label`."""

    film: int
    content: _Name
    genres: Annotated[list[_Name], pydantic.Field(max_length=100)] | None
    person: Annotated[
        str,
        pydantic.StringConstraints(
            strip_whitespace=True, min_length=1, max_length=100
        ),
    ]
    last_seen: int
    query: dict[str, str] = {}


def make_app(library, host="127.0.0.1", single=None):
    """Makes the page of a library.

    Args:
        library: A `Library`.
        host: String, the address that it is served at.
        single: A `page.Page`, the page for a single film; None for none.

    Returns:
        A `fastapi.FastAPI`.
    """
    app = fastapi.FastAPI(
        # No pages about the API: they load scripts from elsewhere.
        openapi_url=None,
        middleware=[
            Middleware(
                origin_guard.OriginGuard, host=host, apart=f"{_SINGLE}/"
            ),
        ],
    )
    app.state.view = library_view.View(library)
    app.state.common = {
        "library": library.path.name,
        # What a browser keeps of one library is not sent to another.
        "library_key": hashlib.sha256(
            str(library.path.absolute()).encode("utf-8", "backslashreplace")
        ).hexdigest()[:12],
        "single": f"{_SINGLE}/" if single else None,
        "is_open": not _is_loopback(host),
    }
    app.include_router(_ROUTER)
    app.mount("/static", staticfiles.StaticFiles(directory=_HERE / "static"))
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    if single is not None:
        single.mount(app, _SINGLE)
    return app


def serve(path, model, host, port, limits=None):
    """Serves the page of a library until it is interrupted or terminated.

    Args:
        path: Path of the library's file.
        model: What `predictor.load` takes, for the page for a single film; or
            None.
        host: String, the address to listen at.
        port: Integer.
        limits: A `Limits`, of that page.

    Raises:
        ValueError: If there is no such library or model.
        LibraryError: If the library cannot be opened.
        OSError: If the port is taken.
    """
    with (
        Library(path) as library,
        _single_page(model, limits or Limits()) as single,
        _listening(host, port) as listener,
    ):
        app = make_app(library, host, single)
        address = f"[{host}]" if ":" in host else host
        print(
            f"{library.path} at http://{address}:{port} - end it with Ctrl-C",
            flush=True,
        )
        if not _is_loopback(host):
            print(
                "It has no login: whoever reaches this address can see and "
                "label the films.",
                file=sys.stderr,
                flush=True,
            )
        config = uvicorn.Config(
            app,
            log_level="warning",
            # A player may hold a connection for as long as a film is.
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _single_page(model, limits):
    """Gives the page for a single film; None without a model."""
    if model is None:
        yield None
        return
    # Only now: these take seconds and hundreds of megabytes.
    from keras_ssc.page import page
    from keras_ssc.prediction import predictor

    asked = predictor.load(model)
    with tempfile.TemporaryDirectory(prefix="keras_ssc_") as folder:
        single = page.Page(asked, folder, limits)
        try:
            yield single
        finally:
            single.close()


def _listening(host, port):
    """Returns a socket; a port that is taken is an `OSError` with its name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error


def _is_loopback(host):
    return host in ("localhost", "::1") or host.startswith("127.")


# ---- what is asked for ----

_ROUTER = fastapi.APIRouter()

_TEMPLATES = templating.Jinja2Templates(directory=_HERE / "templates")


def _breakable(name):
    """Lets a file's name break behind `_`, where it has no spaces."""
    return markupsafe.escape(name).replace("_", markupsafe.Markup("_<wbr>"))


_TEMPLATES.env.filters.update(
    breakable=_breakable,
    genre=genre_words,
    genres=library_view.genres_text,
    share=library_view.share_text,
    ago=library_view.ago_text,
    clock=words.clock,
)


def _view(request: fastapi.Request):
    return request.app.state.view


def _query(text: str = "", genre: str = "", shown: str = "", order: str = ""):
    """Returns the list that an address asks for; by itself, all films."""
    given = {"text": text, "genre": genre, "shown": shown, "order": order}
    return library_view.Query(**{x: y for x, y in given.items() if y})


_View = Annotated[library_view.View, fastapi.Depends(_view)]
_Query = Annotated[library_view.Query, fastapi.Depends(_query)]


def _page(request, name, view, status=200, **values):
    """Answers with a page."""
    values |= request.app.state.common
    if view is not None:
        values["progress"] = view.progress_text()
    return _TEMPLATES.TemplateResponse(
        request,
        name,
        values,
        status_code=status,
        headers={"Cache-Control": "no-store"},
    )


@_ROUTER.get("/")
def show_list(
    request: fastapi.Request,
    view: _View,
    query: _Query,
    look: str = "wall",
    page: int = 1,
):
    """Shows the films, as a wall of posters or as a table."""
    rows, number, pages, count = view.listed_page(query, page)
    return _page(
        request,
        "list.html",
        view,
        rows=rows,
        page=number,
        pages=pages,
        count=count,
        query=query,
        look="table" if look == "table" else "wall",
        genres=view.genres(),
        shown=library_view.SHOWN,
        orders=library_view.SORTED,
        quality=view.quality_text(),
        name_of=lambda film: view.rows()[film].film.name,
    )


@_ROUTER.get("/label")
def show_first(view: _View):
    """Goes to the film that is most useful to label."""
    view.begin()
    first = view.next_after(None, library_view.QUEUE)
    if first is None:
        return responses.RedirectResponse("/?shown=labelled&order=newest", 303)
    return responses.RedirectResponse(f"/film/{first}", 303)


@_ROUTER.get("/film/{film}")
def show_film(request: fastapi.Request, view: _View, query: _Query, film: int):
    """Shows a film."""
    # By itself, it is one of those to label.
    query = query if query.given else library_view.QUEUE
    shown = view.film_page(film, query)
    if shown is None:
        raise starlette_exceptions.HTTPException(404)
    return _page(request, "film.html", view, query=query, **shown)


@_ROUTER.get("/film/{film}/similar")
def show_similar(request: fastapi.Request, view: _View, film: int):
    """Shows films that are like one; a part of its page."""
    return _TEMPLATES.TemplateResponse(
        request, "similar.html", {"rows": view.similar(film)}
    )


@_ROUTER.get("/picture/{film}/{number}")
def show_picture(view: _View, film: int, number: int):
    """Sends a shot's picture."""
    return _picture(view.library.picture(film, number))


@_ROUTER.get("/poster/{film}")
def show_poster(view: _View, film: int):
    """Sends a film's poster."""
    return _picture(view.library.poster(film))


def _picture(jpeg):
    if jpeg is None:
        raise starlette_exceptions.HTTPException(404)
    return responses.Response(jpeg, media_type="image/jpeg", headers=_KEPT)


@_ROUTER.get("/video/{film}")
def show_video(view: _View, film: int):
    """Sends a film's file, or the part that the browser asks for."""
    kind, _ = view.video_kind(film)
    path, _ = view.video_path(film)
    if kind is None or path is None:
        raise starlette_exceptions.HTTPException(404)
    return responses.FileResponse(path, media_type=kind)


@_ROUTER.get("/single")
def show_single(request: fastapi.Request, view: _View):
    """Shows the page for a single film, or how to have it."""
    return _page(request, "single.html", view)


@_ROUTER.post("/label")
def take_label(view: _View, said: _Said):
    """Stores a label."""
    query = library_view.Query(**said.query)
    return view.label(
        said.film,
        said.content,
        said.genres,
        said.person,
        said.last_seen,
        query if query.given else library_view.QUEUE,
    )


@_ROUTER.post("/learn")
def learn(view: _View):
    """Learns from the labels."""
    return {"said": view.learn(), "progress": view.progress_text()}


# ---- what goes wrong ----


def _answer_error(request, status, text):
    """Says what is wrong: as a page, or as JSON to the page's script."""
    if request.method == "POST":
        return responses.JSONResponse({"error": text}, status)
    return _page(request, "error.html", None, status, text=text)


def _on_mistake(request, error):
    return _answer_error(request, 400, str(error))


def _on_wrong_form(request, error):
    return _answer_error(
        request,
        400,
        "The request is not as this page sends them. Reload the page.",
    )


def _on_http_error(request, error):
    text = {
        404: "There is nothing at this address. The film may be of another "
        "library, or has no picture or no film that a browser plays."
    }.get(error.status_code, str(error.detail))
    return _answer_error(request, error.status_code, text)


def _on_outside_error(request, error):
    return _answer_error(request, 503, str(error))


def _on_bug(request, error):
    traceback.print_exception(error)
    return _answer_error(
        request,
        500,
        "Something is wrong in the program itself. What it printed says more; "
        "please report that. Labels that were saved are safe.",
    )


_HANDLERS = {
    exceptions.RequestValidationError: _on_wrong_form,
    starlette_exceptions.HTTPException: _on_http_error,
    ValueError: _on_mistake,
    LibraryError: _on_outside_error,
    OutsideError: _on_outside_error,
    OSError: _on_outside_error,
    Exception: _on_bug,
}
