"""Bad connections to real servers, and answers that no Acorn gives."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handle = Callable[[socket.socket, int], None]


@contextmanager
def relay(url: str, *bounds: int | None) -> Iterator[str]:
    """Pass connections on to a server; gives the address to use.

    The i-th connection is cut when that many bytes came back from the server; None, and all
    further ones, are whole.
    """
    host, _, port = url.removeprefix("http://").partition(":")

    def handle(connection: socket.socket, index: int) -> None:
        bound = bounds[index] if index < len(bounds) else None
        if bound == 0:
            return
        with socket.create_connection((host, int(port))) as upstream:
            back = threading.Thread(target=_pass, args=(upstream, connection, bound), daemon=True)
            back.start()
            _pass(connection, upstream, None)
            back.join()

    with _listening(handle) as address:
        yield address


@contextmanager
def answering(*answers: bytes | None) -> Iterator[str]:
    """Give an answer to each connection, the last one ever after; None is silence."""

    def handle(connection: socket.socket, index: int) -> None:
        while (given := answers[min(index, len(answers) - 1)]) is None:
            if not connection.recv(65_536):
                return
        connection.recv(65_536)
        connection.sendall(given)

    with _listening(handle) as address:
        yield address


def answer(status: str, body: str = "", *headers: str) -> bytes:
    """Write an answer after which the connection is closed."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@contextmanager
def _listening(handle: Handle) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, handle), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, handle: Handle) -> None:
    index = 0
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            thread = threading.Thread(target=_serve, args=(connection, handle, index), daemon=True)
            thread.start()
            index += 1


def _serve(connection: socket.socket, handle: Handle, index: int) -> None:
    with connection, contextlib.suppress(OSError):
        handle(connection, index)


def _pass(source: socket.socket, sink: socket.socket, bound: int | None) -> None:
    """Pass bytes on until either end closes; both are closed then."""
    passed = 0
    with contextlib.suppress(OSError):
        while (bound is None or passed < bound) and (chunk := source.recv(65_536)):
            part = chunk if bound is None else chunk[: bound - passed]
            sink.sendall(part)
            passed += len(part)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
