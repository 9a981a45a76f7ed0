"""The model server with the batch endpoints of OpenAI and of Anthropic beside its others.

    with serving_as(BatchServer()) as server:
        server.held.set()           # batches do not end until this is cleared

What is in a batch is answered by `reply` and `fault` as elsewhere. More faults of a request: ``expired``, ``missing``
(nothing comes of it). `refused` batches fail as a whole.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.llms.clients.model_server import Asked, ModelServer


@dataclass
class BatchServer(ModelServer):
    """Batches end at the second look at them, unless they are held."""

    held: threading.Event = field(default_factory=threading.Event)
    refused: bool = False
    never_whole: int = 0  # so many looks are answered 500
    files: dict[str, str] = field(default_factory=dict)
    batches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches/{id}", self._look)
        app.router.add_post("/v1/messages/batches", self._create_messages)
        app.router.add_get("/v1/messages/batches/{id}", self._look_messages)
        app.router.add_get("/v1/messages/batches/{id}/results", self._results)
        return app

    # --- OpenAI ----------------------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        uploaded = form["file"]
        assert isinstance(uploaded, web.FileField)
        self.files[name := f"file-{uuid.uuid4().hex}"] = uploaded.file.read().decode()
        return web.json_response({"id": name, "object": "file"})

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(text=self.files[request.match_info["id"]])

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["endpoint"] == "/v1/chat/completions"
        assert asked["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
        return web.json_response({"id": self._begin(request, "openai", lines, "body"), "status": "validating"})

    async def _look(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if self.never_whole:
            self.never_whole -= 1
            return web.json_response({"error": {"message": "for a while"}}, status=500)
        if self.refused:
            errors = {"data": [{"message": "Enqueued token limit reached"}]}
            return web.json_response({"id": name, "status": "failed", "errors": errors})
        if not self._ended(name):
            return web.json_response({"id": name, "status": "in_progress"})
        good, bad = f"{name}-output", f"{name}-errors"
        lines = [line for asked in self.batches[name] if (line := self._openai_line(asked)) is not None]
        done = [line for line in lines if line["error"] is None and line["response"]["status_code"] == 200]
        self.files[good] = "\n".join(json.dumps(line) for line in reversed(done))
        self.files[bad] = "\n".join(json.dumps(line) for line in lines if line not in done)
        found = {"id": name, "status": "completed", "output_file_id": good, "error_file_id": bad}
        return web.json_response({key: value for key, value in found.items() if self.files.get(value, value)})

    def _openai_line(self, one: dict[str, Any]) -> dict[str, Any] | None:
        fault = self.fault(one["asked"])
        if fault == "missing":
            return None
        line: dict[str, Any] = {"id": "r", "custom_id": one["custom_id"], "response": None, "error": None}
        if fault == "expired":
            line["error"] = {"code": "batch_expired", "message": "It was not done within 24 hours."}
        elif fault and fault.isdigit():
            line["response"] = {"status_code": int(fault), "body": {"error": {"message": f"refused with {fault}"}}}
        else:
            line["response"] = {"status_code": 200, "body": self._said("openai", one["asked"], fault)}
        return line

    # --- Anthropic -------------------------------------------------------------------------------------------------

    async def _create_messages(self, request: web.Request) -> web.Response:
        lines = (await request.json())["requests"]
        return web.json_response({"id": self._begin(request, "anthropic", lines, "params")})

    async def _look_messages(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if self.never_whole:
            self.never_whole -= 1
            return web.json_response({"error": {"message": "for a while"}}, status=500)
        return web.json_response({"id": name, "processing_status": "ended" if self._ended(name) else "in_progress"})

    async def _results(self, request: web.Request) -> web.Response:
        lines = []
        for one in self.batches[request.match_info["id"]]:
            fault = self.fault(one["asked"])
            if fault == "expired":
                result: dict[str, Any] = {"type": "expired"}
            elif fault and fault.isdigit():
                kind = "api_error" if fault == "500" else "invalid_request_error"
                result = {"type": "errored", "error": {"error": {"type": kind, "message": f"refused with {fault}"}}}
            else:
                result = {"type": "succeeded", "message": self._said("anthropic", one["asked"], fault)}
            if fault != "missing":
                lines.append(json.dumps({"custom_id": one["custom_id"], "result": result}))
        return web.Response(text="\n".join(reversed(lines)))

    # --- both ------------------------------------------------------------------------------------------------------

    def _begin(self, request: web.Request, form: str, lines: list[dict[str, Any]], where: str) -> str:
        assert len({line["custom_id"] for line in lines}) == len(lines) > 0
        name = f"batch-{len(self.batches)}"
        self.batches[name] = [
            {"custom_id": line["custom_id"], "asked": self._asked(form, request, json.dumps(line[where]).encode())}
            for line in lines
        ]
        self.looks[name] = 0
        return name

    def _ended(self, name: str) -> bool:
        self.looks[name] += 1
        return not self.held.is_set() and self.looks[name] > 1

    def _said(self, form: str, asked: Asked, fault: str | None) -> Any:
        text = {"empty": "", "not-json": "I would rather not."}.get(fault or "")
        return json.loads(self._completion(form, self.reply(asked) if text is None else text, fault, self.usage))
