"""The page of a library, served from a thread."""

import contextlib
import socket
import threading

import uvicorn

from keras_ssc.page import library_page


@contextlib.contextmanager
def served(library, port=0):
    """Serves a library's page; gives its address.

    Args:
        library: A `Library`.
        port: Integer; 0 for one that is free.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        config = uvicorn.Config(
            library_page.make_app(library),
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
