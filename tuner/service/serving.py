"""``python -m tuner serve``: the service on an address of this machine until it is stopped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from importlib.util import find_spec

import uvicorn

from net.serving import address_of, is_loopback, listen, run_server
from reports.store import without_password
from tuner.service.app import build_app
from tuner.service.guard import WRITE_TOKENS, Tokens
from tuner.service.studies import Studies
from vocabulary import ConfigurationError


def serve(storage: str, host: str, port: int, *, rate: float, dashboard: bool, note: Callable[[str], None]) -> None:
    """Serve the studies in `storage` until SIGINT or SIGTERM; `note` gets a line with the address.

    Tokens come from the environment. Port 0 is any free one, and `rate` in requests a second of each client. Raises
    `ConfigurationError` for an address that others reach while there is no token, and for what cannot be opened.
    """
    tokens = Tokens.of(os.environ)
    if not tokens and not is_loopback(host):
        raise ConfigurationError(
            f"--host {host}: others reach this address, and there is no token. Set {WRITE_TOKENS} to one (python -c "
            "'import secrets; print(secrets.token_urlsafe())' makes it), or serve 127.0.0.1."
        )
    if rate < 0:
        raise ConfigurationError("--rate is requests a second, and 0 no limit.")
    if dashboard and not (find_spec("optuna_dashboard") and find_spec("a2wsgi")):
        raise ConfigurationError("--dashboard needs the extra dashboard: pip install 'memorybench[dashboard]'")
    with contextlib.closing(listen(host, port)) as listening, contextlib.closing(Studies(storage)) as studies:
        app = build_app(studies, tokens, rate=rate, dashboard=dashboard)
        server = uvicorn.Server(
            uvicorn.Config(app, server_header=False, proxy_headers=False, timeout_graceful_shutdown=10)
        )
        name = without_password(storage) if "//" in storage else storage
        note(f"serving {name} on {address_of(listening)}; its routes: /v1/docs")
        run_server(server, listening)
