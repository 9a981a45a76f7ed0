"""The routes of the site. Those without ``async`` work in a thread each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from reports.html import PAGE
from reports.serve import views
from reports.serve.comparing import compare
from reports.serve.guard import Guard
from reports.serve.hub import Hub
from reports.serve.policy import policy_of_file
from reports.serve.runs import REPORT, Runs
from reports.serve.standing import Standing
from reports.store import QuestionKey
from vocabulary import ConfigurationError, MemoryBenchError

_MOST_COMPARED = 8


def build_site(
    runs_dir: Path,
    token_hash: bytes | None = None,
    *,
    checkpoint_url: str | None = None,
    stopping: Callable[[], bool] = bool,
) -> tuple[ASGIApp, Hub]:
    """The ASGI application that shows the runs in `runs_dir` to who has the token, or to this machine without one.

    Those of the database at `checkpoint_url` get folders there. With it comes what looks at runs that go on;
    `stopping` says whether the server is about to end: then it ends the streams.
    """
    runs = Runs(runs_dir, checkpoint_url)
    site = _Site(runs, Hub(runs.look, stopping))
    routes = [
        Route("/", site.home),
        Route("/trends", site.trends),
        Route("/compare", site.compare),
        Route("/assets/{name}", site.asset),
        Route("/runs/{run}", site.run),
        Route("/runs/{run}/live", site.live),
        Route("/runs/{run}/events", site.events),
        Route("/runs/{run}/report.html", site.report_page),
        Route("/runs/{run}/report.json", site.report),
        Route("/runs/{run}/question", site.question),
    ]
    handlers = {HTTPException: _missing, ConfigurationError: _not_there, MemoryBenchError: _unreadable}
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(app, token_hash), site.hub


class _Site:
    def __init__(self, runs: Runs, hub: Hub) -> None:
        self._runs = runs
        self.hub = hub
        self._shown: dict[str, tuple[Standing, str]] = {}

    def home(self, request: Request) -> Response:
        return views.page(views.runs(self._runs.root, self._runs.rows(), request.query_params))

    def trends(self, _request: Request) -> Response:
        return views.page(views.trends(self._runs.rows()))

    def compare(self, request: Request) -> Response:
        """The runs of the query against the one of them that was begun first."""
        chosen = [*dict.fromkeys(request.query_params.getlist("run"))]
        if not 1 <= len(chosen) <= _MOST_COMPARED:
            return _problem(f"Tick two runs or more to compare them, at most {_MOST_COMPARED}.", 400)
        anyway = "anyway" in request.query_params
        try:
            page = compare(self._runs, chosen, request.query_params.getlist("provider"), anyway=anyway)
        except ConfigurationError as error:
            query = [*request.query_params.multi_items(), ("anyway", "1")]
            offer = f"/compare?{urlencode(query)}" if "--anyway" in str(error) and not anyway else ""
            return views.page(views.problem(str(error), anyway=offer), 409)
        return views.page(views.with_navigation(page))

    def asset(self, request: Request) -> Response:
        file = views.ASSETS.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        return FileResponse(file, headers={"cache-control": "no-cache"})

    def run(self, request: Request) -> Response:
        """The report where there is one, else how far the run is."""
        run_id = request.path_params["run"]
        return RedirectResponse(f"/runs/{run_id}/{PAGE if self._is_reported(run_id) else 'live'}", 303)

    async def live(self, request: Request) -> Response:
        run_id = request.path_params["run"]
        self._runs.folder(run_id)
        standing = await self.hub.once(run_id)
        return views.page(views.live(standing, has_page=self._runs.file(run_id, PAGE) is not None))

    async def events(self, request: Request) -> Response:
        run_id = request.path_params["run"]
        self._runs.folder(run_id)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(self._stream(run_id), media_type="text/event-stream", headers=headers)

    async def _stream(self, run_id: str) -> AsyncIterator[str]:
        """Parts of the live page whenever something has changed; a comment keeps the connection when nothing has."""
        yield "retry: 3000\n\n"
        async with aclosing(self.hub.watch(run_id)) as standings:
            async for latest in standings:
                if latest is None:
                    yield ":\n\n"
                elif isinstance(latest, Standing):
                    yield f"event: standing\ndata: {json.dumps(self._parts_of(latest))}\n\n"
                else:
                    yield f"event: problem\ndata: {json.dumps(latest)}\n\n"
        yield "event: end\ndata: {}\n\n"

    def _parts_of(self, standing: Standing) -> str:
        """The same text for all who watch a run."""
        shown, parts = self._shown.get(standing.run.id, (None, ""))
        if shown is not standing:
            has_page = self._runs.file(standing.run.id, PAGE) is not None
            parts = views.live_parts(standing, has_page=has_page)
            self._shown[standing.run.id] = standing, parts
        return parts

    def report_page(self, request: Request) -> Response:
        file = self._runs.file(request.path_params["run"], PAGE)
        if file is None:
            raise ConfigurationError(f"run {request.path_params['run']} has no {PAGE} yet.")
        headers = {"content-security-policy": policy_of_file(file), "cache-control": "no-cache"}
        return FileResponse(file, media_type="text/html", headers=headers)

    def report(self, request: Request) -> Response:
        file = self._runs.file(request.path_params["run"], REPORT)
        if file is None:
            raise ConfigurationError(f"run {request.path_params['run']} has no {REPORT} yet.")
        return FileResponse(file, media_type="application/json", headers={"cache-control": "no-cache"})

    def question(self, request: Request) -> Response:
        run_id = request.path_params["run"]
        key = QuestionKey(*(request.query_params.get(name, "") for name in ("provider", "benchmark", "id")))
        record = self._runs.record(run_id, key)
        if self._is_reported(run_id):  # its page has the same question with more
            return RedirectResponse(f"/runs/{run_id}/{PAGE}#{quote(key.question)}/{quote(key.provider)}", 303)
        return views.page(views.question(run_id, record))

    def _is_reported(self, run_id: str) -> bool:
        """Whether all of a run is in its report."""
        return self._runs.file(run_id, PAGE) is not None and self._runs.state(run_id) == "finished"


def _missing(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _problem("There is no such page." if status == 404 else "This cannot be done.", status)


def _not_there(_request: Request, error: Exception) -> Response:
    return _problem(str(error), 404)


def _unreadable(_request: Request, error: Exception) -> Response:
    return _problem(str(error), 503)


def _problem(message: str, status: int) -> HTMLResponse:
    return views.page(views.problem(message), status)
