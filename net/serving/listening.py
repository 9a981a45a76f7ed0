"""Listening to an address, and serving an application there until a signal."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from vocabulary import ConfigurationError

if TYPE_CHECKING:
    import uvicorn


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there, port 0 for any free one; raises `ConfigurationError` if that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"--host {host} --port {port} cannot be listened to: {error}.") from error


def address_of(listening: socket.socket) -> str:
    """Its address, as a browser takes it."""
    place, number, *_ = listening.getsockname()
    return f"http://[{place}]:{number}" if ":" in place else f"http://{place}:{number}"


def run_server(server: uvicorn.Server, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
