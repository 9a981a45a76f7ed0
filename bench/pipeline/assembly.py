"""From participants to pipelines: providers, answering model and judges are opened once, when first needed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from functools import partial

from pydantic import JsonValue

from bench.base import Benchmark
from bench.cache import CachedStore, fingerprint_of, identity_of, ingest_identity
from bench.pipeline.border import verdict_in
from bench.pipeline.imported import JudgingPipeline
from bench.pipeline.panel import Voter
from bench.pipeline.participants import judge_record
from bench.pipeline.pipeline import Answering, Pipeline
from bench.pipeline.provider_client import ProviderClient
from bench.pipeline.run_part import RunPart
from judges import Judge
from llms import Answerer
from llms.clients import RequestForm, Role
from net import Border, CallLimits, OverPlaces, Services
from reports.store import OutageRecord, note_outage, read_request_forms
from vocabulary import JudgeError, ModelError


class Assembly:
    """The pipelines of one process, one for each provider and benchmark."""

    def __init__(self, part: RunPart) -> None:
        self._part = part
        self._services = Services(
            in_flight=part.in_flight,
            workers=part.workers,
            folder=part.folder / "limits",
            patience=part.config.patience,
            note=lambda outage: note_outage(part.checkpoint, OutageRecord(**outage._asdict())),
            ledger=part.open_ledger(),
            over_places=OverPlaces(part.limits, part.config.in_flight) if part.limits else None,
        )
        self._clients: dict[str, ProviderClient] = {}
        self._stores: dict[str, CachedStore] = {}

    def client(self, provider: str) -> ProviderClient:
        """The client of a provider, opened at the first call."""
        if provider not in self._clients:
            found, settings = self._part.participants.providers[provider], self._part.participants.settings[provider]
            folder, store, shared = self._part.folder, None, None
            if cache := self._part.cache:
                record = next(one for one in self._part.participants.provider_records if one.name == provider)
                store = cache.open_store(record, ingest_identity(record, found, settings))
                self._stores[provider], folder = store, cache.folder
                if found.shares:
                    shared = cache.workspace(cache.open_store(record, identity_of(found, computes_here=True)).name)
            self._clients[provider] = ProviderClient(
                provider, found, settings, folder, self._services.caller, store.name if store else None, shared
            )
        return self._clients[provider]

    def use_request_forms(self) -> None:
        """Write requests to models in the forms that were found out before the first of them, by whichever process."""
        forms = read_request_forms(self._part.checkpoint)
        for model in self._part.participants.models(self._part.config.until):
            if (form := forms.get((model.role, model.name))) is not None:
                model.chat.form = RequestForm.model_validate(form)

    async def pipeline(self, provider: str, benchmark: Benchmark) -> Pipeline:
        """A new pipeline of a provider over a benchmark, its participants open as far as the run goes."""
        part, client = self._part, self.client(provider)
        answerer = part.participants.answerer_for(benchmark, provider, client.provider)
        limits = _bounded(answerer.concurrency, offline=answerer.offline)
        store = self._stores.get(provider)
        own = store.identity if store and provider in part.participants.own_prompts else ""
        answering = Answering(
            answerer,
            self._services.caller(f"answerer-{answerer.name}", limits, ModelError),
            fingerprint_of(
                [
                    part.participants.answerer_record.model_dump(mode="json"),
                    answerer.prompt,
                    part.config.context_tokens,
                    part.participants.depends_on_options("answer"),
                    *filter(None, [part.config.abstention]),
                ]
            ),
            lambda: identity_of(type(answerer), own, self._form("answer"), computes_here=answerer.offline),
        )
        voters = tuple(self._voters(benchmark))
        if part.config.until in ("answer", "judge"):
            await answerer.open()
        if part.config.until == "judge":
            for judge in dict.fromkeys(voter.judge for voter in voters):
                await judge.open()
        if recorded := part.participants.recorded:
            return JudgingPipeline(recorded, part, benchmark, client, answering, voters)
        return Pipeline(part, benchmark, client, answering, voters, store)

    def _form(self, role: Role) -> JsonValue:
        """What is not among the inputs of a model's replies: how requests are written, and what becomes of cut prompts.

        It is not known before the first call.
        """
        models = [one for one in self._part.participants.models(self._part.config.until) if one.role == role]
        forms = [one.chat.form.model_dump(mode="json", exclude={"cap"}) if one.chat.form else None for one in models]
        return [self._part.config.strict, *forms]

    def _voters(self, benchmark: Benchmark) -> Iterator[Voter]:
        options = self._part.participants.depends_on_options("judge")
        for judge in self._part.participants.judges_for(benchmark):
            limits = _bounded(judge.concurrency, offline=judge.model is None)
            caller = self._services.caller(f"judge-{judge.name}", limits, JudgeError, unhurried=judge.unhurried)
            border = Border(check=verdict_in, seconds=None if judge.unhurried else self._part.model_seconds)
            record = judge_record(judge)
            for repeat in range(self._part.config.judge_repeats):
                inputs = fingerprint_of([record.model_dump(mode="json"), repeat, options])
                voter = judge.for_repeat(repeat)
                yield Voter(voter, record.name, repeat, caller, inputs, border, partial(self._identity, voter))

    def _identity(self, judge: Judge) -> str:
        return identity_of(type(judge), self._form("judge"), computes_here=judge.model is None)

    @property
    def times_on_the_loop(self) -> bool:
        """Whether any call is a coroutine: only those are timed late when the loop lags."""
        participants = self._part.participants
        calls = [*(client.provider.search for client in self._clients.values()), participants.answerer.answer]
        return any(
            inspect.iscoroutinefunction(call) for call in [*calls, *(judge.evaluate for judge in participants.judges)]
        )

    def blocking(self) -> dict[str, float]:
        """The services that kept the event loop to themselves, and for how many seconds at most."""
        return self._services.blocking()

    def hold(self) -> None:
        """Begin no further call."""
        self._services.hold()

    async def close(self) -> None:
        """Close all participants. One that fails to close is logged: its work is done, and must be reported."""
        for client in self._clients.values():
            await client.close()
        models: list[Answerer | Judge] = [self._part.participants.answerer, *self._part.participants.judges]
        for model in models:
            try:
                closing = model.close()
                if closing is not None:
                    await closing
            except Exception as error:  # noqa: BLE001  logged
                logging.getLogger(__name__).warning("%s did not close: %r", type(model).__name__, error)
        self._services.close()


def _bounded(concurrency: int | None, *, offline: bool) -> CallLimits:
    """A model behind a server may be called by all in flight; one that computes here shares this process's cores."""
    if offline and concurrency is None:
        return CallLimits(concurrency=1, scope="process")
    return CallLimits(concurrency=concurrency)
