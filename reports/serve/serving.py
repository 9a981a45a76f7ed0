"""``python -m reports serve``: the site on an address of this machine until it is stopped."""

from __future__ import annotations

import os
import resource
import secrets
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn

from net.serving import address_of, is_loopback, listen, run_server, token_hash
from reports.serve.guard import TOKEN
from reports.serve.site import build_site
from vocabulary import ConfigurationError

_FILES = 8192
_MOST_CONNECTIONS = 4000
_EVERYWHERE = ("0.0.0.0", "::")


def serve(
    runs_dir: Path, host: str, port: int, *, checkpoint_url: str | None = None, note: Callable[[str], None]
) -> None:
    """Serve the runs in `runs_dir` and of a database until SIGINT or SIGTERM; `note` gets a line with the address.

    The token is that of the environment; beyond loopback one is made where there is none. Port 0 is any free one.
    Raises `ConfigurationError` for a folder that is not there and an address that cannot be listened to.
    """
    if not runs_dir.is_dir():
        raise ConfigurationError(f"there is no folder {runs_dir}: pytest bench makes runs/, or name --runs-dir.")
    token = os.environ.get(TOKEN, "").strip()
    made = not token and not is_loopback(host)
    if made:
        token = secrets.token_urlsafe(24)
    hashed = token_hash(token, TOKEN) if token else None
    _allow_files()
    with closing(listen(host, port)) as listening:
        site, _hub = build_site(runs_dir, hashed, checkpoint_url=checkpoint_url, stopping=lambda: server.should_exit)
        server = uvicorn.Server(
            uvicorn.Config(
                site,
                server_header=False,
                proxy_headers=False,
                access_log=False,  # the link with the token is in it
                log_level="warning",
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=5,
            )
        )
        address = address_of(listening)
        for everywhere in _EVERYWHERE:
            address = address.replace(f"//{everywhere}:", f"//{socket.gethostname()}:")
        link = f"{address}/?token={token}" if made else address
        remark = f" (with the token of {TOKEN})" if token and not made else ""
        note(f"serving the runs in {runs_dir} on {link}{remark}")
        run_server(server, listening)


def _allow_files() -> None:
    """Each watcher is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
