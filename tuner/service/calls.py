"""The requests of clients, as functions that describe them: the methods of both clients are made from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from tuner.service.messages import (
    LEASE_SECONDS,
    AskRequest,
    EnqueueRequest,
    FailRequest,
    HeartbeatRequest,
    Importance,
    ReportRequest,
    ShouldPrune,
    State,
    StudyRecord,
    StudySpec,
    StudySummary,
    TellRequest,
    TrialRecord,
)
from vocabulary import MemoryBenchError, SettingValue

T = TypeVar("T")


class TunerError(MemoryBenchError):
    """The service refused a request, or did not answer; `status` is that of HTTP, None without an answer.

    `retry_after` is the seconds that the service wants to be left alone.
    """

    def __init__(self, message: str, status: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (None, 429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request that may be sent several times and has its effect once.

    `key` sees to that where the service could not know otherwise. `gone_is_done` is for a DELETE whose first answer was
    lost.
    """

    reply: TypeAdapter[T]
    method: str
    path: tuple[str | int, ...] = ()
    body: BaseModel | None = None
    query: Mapping[str, str | int] = field(default_factory=dict)
    key: str | None = None
    gone_is_done: bool = False

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """For `client`."""
        path = "/".join(["/v1/studies", *(quote(str(part), safe="") for part in self.path)])
        headers = {"Idempotency-Key": self.key} if self.key else {}
        content = None
        if self.body is not None:
            headers["Content-Type"] = "application/json"
            content = self.body.model_dump_json(exclude_unset=True)
        return client.build_request(self.method, path, params=self.query, content=content, headers=headers)

    def read(self, response: httpx.Response, attempt: int) -> T:
        """The reply; raises `TunerError`. `attempt` counts from 1."""
        if response.is_success:
            try:
                return self.reply.validate_json(response.content or b"null")
            except ValidationError as error:
                place = f"{self.method} {response.url.path}"
                raise TunerError(f"{place}: this is no reply of the tuner's service: {error}") from None
        if self.gone_is_done and response.status_code == 404 and attempt > 1:
            return self.reply.validate_python(None)
        try:
            detail = str(response.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"the tuner's service answered {response.status_code}"
        pause = response.headers.get("retry-after", "")
        raise TunerError(detail, response.status_code, float(pause) if pause.isdecimal() else 0.0)


_TRIAL, _TRIALS, _STUDY = TypeAdapter(TrialRecord), TypeAdapter(list[TrialRecord]), TypeAdapter(StudyRecord)


def create(spec: StudySpec) -> Call[StudyRecord]:
    """Make a study, or get it if there is this one; status 409 if its name is taken by another, 422 for nonsense."""
    return Call(_STUDY, "POST", body=spec)


def studies(limit: int = 100, offset: int = 0) -> Call[list[StudySummary]]:
    """Studies by name, at most 1000 at once."""
    return Call(TypeAdapter(list[StudySummary]), "GET", query={"limit": limit, "offset": offset})


def study(study: str) -> Call[StudyRecord]:
    """What a study searches, and how far it is."""
    return Call(_STUDY, "GET", (study,))


def delete(study: str) -> Call[None]:
    """Forget a study and its trials."""
    return Call(TypeAdapter(type(None)), "DELETE", (study,), gone_is_done=True)


def ask(
    study: str, *, worker: str = "", lease_seconds: float = LEASE_SECONDS, key: str | None = None
) -> Call[TrialRecord]:
    """A trial to work at, for `lease_seconds` unless its lease is renewed; the same `key` gets the same trial.

    `worker` is a name for people. Status 409 when a grid has no point left.
    """
    body = AskRequest(worker=worker, lease_seconds=lease_seconds)
    return Call(_TRIAL, "POST", (study, "ask"), body, key=key or uuid4().hex)


def tell(
    study: str,
    number: int,
    values: Sequence[float] = (),
    *,
    pruned: bool = False,
    constraints: Mapping[str, float] | None = None,
    attributes: Mapping[str, JsonValue] | None = None,
) -> Call[TrialRecord]:
    """End a trial: a value for each objective, in their order, or `pruned` without any.

    A constraint is kept where its value is 0 or less; `attributes` are any JSON. Status 409 if the trial has ended in
    another way, or its lease ended and its parameters are proposed again; 422 for a wrong number of values.
    """
    body = TellRequest(
        values=tuple(values), pruned=pruned, constraints=constraints or {}, attributes=dict(attributes or {})
    )
    return Call(_TRIAL, "POST", (study, "trials", number, "tell"), body)


def fail(study: str, number: int, reason: str = "", *, again: bool = False) -> Call[TrialRecord]:
    """End a trial without a result; with `again` its parameters are proposed to the next one who asks."""
    return Call(_TRIAL, "POST", (study, "trials", number, "fail"), FailRequest(reason=reason, again=again))


def report(study: str, number: int, step: int, value: float) -> Call[TrialRecord]:
    """Keep a value at a step, which counts from 0, and renew the lease; status 409 with several objectives."""
    return Call(_TRIAL, "POST", (study, "trials", number, "report"), ReportRequest(step=step, value=value))


def should_prune(study: str, number: int) -> Call[ShouldPrune]:
    """Whether the rest of a trial is not worth while; status 409 with several objectives."""
    return Call(TypeAdapter(ShouldPrune), "GET", (study, "trials", number, "should-prune"))


def heartbeat(study: str, number: int, lease_seconds: float = LEASE_SECONDS) -> Call[TrialRecord]:
    """Renew the lease of a trial; status 409 if it has ended."""
    return Call(_TRIAL, "POST", (study, "trials", number, "heartbeat"), HeartbeatRequest(lease_seconds=lease_seconds))


def enqueue(study: str, params: Mapping[str, SettingValue], *, key: str | None = None) -> Call[TrialRecord]:
    """Parameters to try next, once for each `key`; those that are left out are proposed by the sampler."""
    return Call(_TRIAL, "POST", (study, "enqueue"), EnqueueRequest(params=dict(params)), key=key or uuid4().hex)


def trials(study: str, *, state: State | None = None, limit: int = 100, offset: int = 0) -> Call[list[TrialRecord]]:
    """Trials by number, at most 1000 at once."""
    query: dict[str, str | int] = {"limit": limit, "offset": offset} | ({"state": state} if state else {})
    return Call(_TRIALS, "GET", (study, "trials"), query=query)


def trial(study: str, number: int) -> Call[TrialRecord]:
    """One trial."""
    return Call(_TRIAL, "GET", (study, "trials", number))


def best(study: str) -> Call[TrialRecord]:
    """The best trial that keeps all constraints; status 404 if there is none yet, 409 with several objectives."""
    return Call(_TRIAL, "GET", (study, "best"))


def front(study: str) -> Call[list[TrialRecord]]:
    """The trials that none is better than in every objective."""
    return Call(_TRIALS, "GET", (study, "front"))


def importance(study: str, objective: int = 0) -> Call[Importance]:
    """The share of an objective's variation that each parameter explains; status 409 before two trials have ended."""
    return Call(TypeAdapter(Importance), "GET", (study, "importance"), query={"objective": objective})
