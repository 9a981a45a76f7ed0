"""The service's routes, described for OpenAPI. They are written without ``async``: each works in a thread."""

from __future__ import annotations

import logging
import uuid
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from tuner.service.guard import Guard, Tokens
from tuner.service.messages import (
    AskRequest,
    EnqueueRequest,
    FailRequest,
    Health,
    HeartbeatRequest,
    Importance,
    Problem,
    ReportRequest,
    ShouldPrune,
    State,
    StudyRecord,
    StudySpec,
    StudySummary,
    TellRequest,
    TrialRecord,
)
from tuner.service.served import ConflictError, MissingError
from tuner.service.studies import Studies
from vocabulary import ConfigurationError

_DESCRIPTION = """
Searches for good parameters, for programs that are not Python or run elsewhere. Make a **study** with what may be
varied and what is measured. Then each worker repeats: **ask** for a trial, measure its parameters, **tell** the values.

- A trial belongs to the worker that asked for it until its lease ends. *heartbeat* and *report* renew the lease. After
  its end the next *ask* gets a new trial with the same parameters, up to twice.
- Every request can be repeated. Give *ask* and *enqueue* an `Idempotency-Key`: with the same key they change nothing.
- Errors are `{"detail": "what is wrong"}`. After 429 and 503 try again, not before `Retry-After`.
"""
_LOG = logging.getLogger("uvicorn.error")


def _studies(request: Request) -> Studies:
    studies: Studies = request.app.state.studies
    return studies


_Held: TypeAlias = Annotated[Studies, Depends(_studies)]
_Study: TypeAlias = Annotated[str, Path(description="name of the study")]
_Number: TypeAlias = Annotated[int, Path(ge=0, lt=2**31, description="number of the trial, from 0")]
_Key: TypeAlias = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=200, description="the same for a request that is sent again"),
]
_Limit: TypeAlias = Annotated[int, Query(ge=1, le=1000)]
_Offset: TypeAlias = Annotated[int, Query(ge=0)]

_open = APIRouter(tags=["service"])
_router = APIRouter(
    prefix="/v1/studies",
    dependencies=[Depends(HTTPBearer(auto_error=False, description="A token; any GET takes it as a password, too."))],
    responses={
        401: {"model": Problem, "description": "no valid token"},
        403: {"model": Problem, "description": "the token may only read"},
        404: {"model": Problem, "description": "no such study or trial"},
        409: {"model": Problem, "description": "the state of the study or trial does not allow it"},
        422: {"model": Problem, "description": "the request is not valid"},
        429: {"model": Problem, "description": "too many requests; see Retry-After"},
        503: {"model": Problem, "description": "the storage does not answer; see Retry-After"},
    },
)
_TRIAL = "/{study}/trials/{number}"


@_open.get("/health", summary="Whether the process answers")
async def _health() -> Health:
    return Health(status="ok")


@_open.get("/ready", summary="Whether the storage answers", responses={503: {"model": Problem}})
def _ready(studies: _Held) -> Health:
    studies.check()
    return Health(status="ready")


@_router.post("", status_code=201, tags=["studies"], summary="Make a study; 200 if there is this one, 409 for another",
              responses={200: {"model": StudyRecord}})  # fmt: skip
def _create(studies: _Held, spec: StudySpec, response: Response) -> StudyRecord:
    record, new = studies.create(spec)
    response.status_code = 201 if new else 200
    return record


@_router.get("", tags=["studies"], summary="The studies by name")
def _list(studies: _Held, limit: _Limit = 100, offset: _Offset = 0) -> list[StudySummary]:
    return studies.page(limit, offset)


@_router.get("/{study}", tags=["studies"], summary="What a study searches, and how far it is")
def _get(studies: _Held, study: _Study) -> StudyRecord:
    return studies.get(study)


@_router.delete("/{study}", status_code=204, tags=["studies"], summary="Forget a study and its trials")
def _delete(studies: _Held, study: _Study) -> None:
    studies.delete(study)


@_router.post("/{study}/ask", status_code=201, tags=["work"], responses={200: {"model": TrialRecord}},
              summary="A trial to work at; 200 if its key was used before")  # fmt: skip
def _ask(studies: _Held, study: _Study, response: Response, request: AskRequest | None = None,
         key: _Key = None) -> TrialRecord:  # fmt: skip
    record, new = studies.ask(study, request or AskRequest(), key or uuid.uuid4().hex)
    response.status_code = 201 if new else 200
    return record


@_router.post(f"{_TRIAL}/tell", tags=["work"], summary="End a trial with its values, or as pruned")
def _tell(studies: _Held, study: _Study, number: _Number, request: TellRequest) -> TrialRecord:
    return studies.tell(study, number, request)


@_router.post(f"{_TRIAL}/fail", tags=["work"], summary="End a trial without a result")
def _fail(studies: _Held, study: _Study, number: _Number, request: FailRequest | None = None) -> TrialRecord:
    return studies.fail(study, number, request or FailRequest())


@_router.post(f"{_TRIAL}/report", tags=["work"], summary="A value on the way, for the pruner; renews the lease")
def _report(studies: _Held, study: _Study, number: _Number, request: ReportRequest) -> TrialRecord:
    return studies.report(study, number, request)


@_router.get(f"{_TRIAL}/should-prune", tags=["work"], summary="Whether the rest of a trial is not worth while")
def _should_prune(studies: _Held, study: _Study, number: _Number) -> ShouldPrune:
    return ShouldPrune(prune=studies.should_prune(study, number))


@_router.post(f"{_TRIAL}/heartbeat", tags=["work"], summary="Renew the lease of a trial")
def _heartbeat(studies: _Held, study: _Study, number: _Number, request: HeartbeatRequest | None = None) -> TrialRecord:
    return studies.heartbeat(study, number, (request or HeartbeatRequest()).lease_seconds)


@_router.post("/{study}/enqueue", status_code=201, tags=["work"], responses={200: {"model": TrialRecord}},
              summary="Parameters to try next; 200 if the key was used before")  # fmt: skip
def _enqueue(
    studies: _Held, study: _Study, response: Response, request: EnqueueRequest, key: _Key = None
) -> TrialRecord:
    record, new = studies.enqueue(study, request, key or uuid.uuid4().hex)
    response.status_code = 201 if new else 200
    return record


@_router.get("/{study}/trials", tags=["results"], summary="Trials by number")
def _trials(studies: _Held, study: _Study, state: State | None = None, limit: _Limit = 100,
            offset: _Offset = 0) -> list[TrialRecord]:  # fmt: skip
    return studies.trials(study, state, limit, offset)


@_router.get(_TRIAL, tags=["results"], summary="One trial")
def _trial(studies: _Held, study: _Study, number: _Number) -> TrialRecord:
    return studies.trial(study, number)


@_router.get("/{study}/best", tags=["results"], summary="The best trial that keeps all constraints")
def _best(studies: _Held, study: _Study) -> TrialRecord:
    return studies.best(study)


@_router.get("/{study}/front", tags=["results"], summary="The trials that none is better than in every objective")
def _front(studies: _Held, study: _Study) -> list[TrialRecord]:
    return studies.front(study)


@_router.get("/{study}/importance", tags=["results"], summary="How much each parameter explains (PED-ANOVA)")
def _importance(
    studies: _Held, study: _Study, objective: Annotated[int, Query(ge=0, description="its index")] = 0
) -> Importance:
    return studies.importance(study, objective)


def build_app(studies: Studies, tokens: Tokens, *, rate: float, dashboard: bool = False) -> ASGIApp:
    """The ASGI application; with `dashboard` that of Optuna is beside ``/v1``, to be read only.

    `rate` is in requests a second of each client; 0 is no limit. Raises `ConfigurationError` where the dashboard is not
    installed.
    """
    app = FastAPI(
        title="MemoryBench tuner", version="1", description=_DESCRIPTION, docs_url="/v1/docs", redoc_url=None,
        openapi_url="/v1/openapi.json",
    )  # fmt: skip
    app.state.studies = studies
    app.include_router(_open)
    app.include_router(_router)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(ConfigurationError, _refused)
    for unanswered in (SQLAlchemyError, StorageInternalError, OSError):
        app.add_exception_handler(unanswered, _unanswered)
    if dashboard:
        app.mount("/", studies.dashboard())
    return Guard(app, tokens, rate)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, MissingError) else 409 if isinstance(error, ConflictError) else 422
    return JSONResponse({"detail": str(error)}, status)


async def _not_valid(_: Request, error: Exception) -> JSONResponse:
    """The faults of a request, without what it held: that may be a secret, or no JSON."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"detail": "; ".join(faults)}, 422)


async def _unanswered(_: Request, error: Exception) -> JSONResponse:
    _LOG.error("the storage does not answer: %s", type(error).__name__)
    return JSONResponse({"detail": "the storage does not answer"}, 503, {"Retry-After": "1"})
