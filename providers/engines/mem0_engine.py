"""mem0's open-source engine, opened in a folder of its own, with the sessions that are in it."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any  # Any: mem0 has no types

from net import open_sdk_client
from providers.engines.mem0_watch import CheckedEmbedder, CheckedModel, Setup, Watch, note_end, watch_log

USER = "memorybench"
"""Whose memories they are; a store has only one container's."""

_COLLECTION = "memories"

_importing = threading.Lock()


def load_mem0(home: Path) -> Any:
    """Import mem0 so that it sends nothing to anybody and writes to no home but `home`; takes two seconds, once."""
    with _importing:
        os.environ["MEM0_TELEMETRY"] = "False"
        os.environ.setdefault("MEM0_DIR", str(home))
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # or the first search of an offline machine waits for 40 s
        before, level = list(warnings.filters), logging.getLogger("urllib3").level
        import mem0
        from mem0.memory import main, telemetry

        main.MEM0_TELEMETRY = telemetry.MEM0_TELEMETRY = False  # somebody else may have imported it before
        # It shows everybody's deprecations and hides all that urllib3 logs.
        for added in [entry for entry in warnings.filters if entry not in before]:
            warnings.filters.remove(added)  # type: ignore[attr-defined]  # a list, whatever typeshed says
        logging.getLogger("urllib3").setLevel(level)
        watch_log()
        _bring_no_spacy_model()
        _allow_many_points()
        return mem0


class Engine:
    """One container: mem0's `Memory` on a Qdrant folder, its history, and the list of the sessions that are in it.

    One thread may store at a time, any number may search. All methods raise `ProviderError`.
    """

    def __init__(self, folder: Path, home: Path, setup: Setup) -> None:
        self._setup = setup
        self._watch = Watch(setup)
        self._sessions = _Sessions(folder / "sessions.jsonl")
        self._memory: Any = self._watch.run(lambda: self._open(load_mem0(home), folder))

    def has(self, session_id: str) -> bool:
        """Whether that session is stored, all of it."""
        return session_id in self._sessions.stored

    def begin(self, session_id: str) -> None:
        """Make ready for a session: of an earlier attempt, nothing stays."""
        begun = self._sessions.begun.get(session_id)
        if begun is None:
            self._sessions.begin(session_id, self._memory.db.get_last_messages(f"user_id={USER}", 10))
        else:
            self._watch.run(lambda: self._take_back(session_id, begun))

    def add(
        self, messages: Sequence[dict[str, str]], metadata: dict[str, str], *, infer: bool, prompt: str | None
    ) -> None:
        """Store what a model finds worth it in `messages`, or the messages themselves without `infer`."""
        self._watch.run(
            lambda: self._memory.add(
                list(messages), user_id=USER, metadata=dict(metadata), infer=infer, prompt=prompt or None
            )
        )

    def finish(self, session_id: str) -> None:
        """The session is stored."""
        self._sessions.finish(session_id)

    def search(self, query: str, top_k: int, threshold: float) -> list[dict[str, Any]]:
        """mem0's own records of what it found, best first."""
        found: dict[str, list[dict[str, Any]]] = self._watch.run(
            lambda: self._memory.search(query, filters={"user_id": USER}, top_k=top_k, threshold=threshold)
        )
        return found["results"]

    def close(self) -> None:
        """Close its files and connections."""
        self._memory.close()
        self._memory.vector_store.client.close()  # mem0 leaves it open
        for client in self._clients:
            client.close()

    def _open(self, mem0: Any, folder: Path) -> Any:
        from openai import DefaultHttpxClient, OpenAI

        setup = self._setup
        llm = {
            "model": setup.llm.model,
            "openai_base_url": setup.llm.url,
            "api_key": setup.llm.key,
            "temperature": setup.temperature,
            "max_tokens": setup.max_tokens,
            "response_callback": note_end,
            "is_reasoning_model": setup.reasoning,
        }
        embedder = {
            "model": setup.embedder.model,
            "openai_base_url": setup.embedder.url,
            "api_key": setup.embedder.key,
            **({"embedding_dims": setup.dims} if setup.send_dims else {}),
        }
        store = {
            "path": str(folder / "qdrant"),
            "on_disk": True,
            "collection_name": _COLLECTION,
            "embedding_model_dims": setup.dims,
        }
        memory = mem0.Memory.from_config(
            {
                "llm": {"provider": "openai", "config": llm},
                "embedder": {"provider": "openai", "config": embedder},
                "vector_store": {"provider": "qdrant", "config": store},
                "history_db_path": str(folder / "history.db"),
            }
        )
        # mem0's own clients try again by themselves, wait for ten minutes, and go elsewhere for OPENROUTER_API_KEY.
        self._clients = [
            open_sdk_client(OpenAI, DefaultHttpxClient, at.url, at.key, timeout=setup.timeout)
            for at in (setup.llm, setup.embedder)
        ]
        for part, client in zip((memory.llm, memory.embedding_model), self._clients, strict=True):
            part.client.close()
            part.client = client
        memory.llm = CheckedModel(memory.llm, setup.max_tokens)
        memory.embedding_model = CheckedEmbedder(memory.embedding_model, setup)
        return memory

    def _take_back(self, session_id: str, last_messages: list[dict[str, Any]]) -> None:
        memory = self._memory
        while points := memory.vector_store.list(filters={"user_id": USER, "session": session_id}, top_k=1000)[0]:
            for point in points:
                memory.delete(point.id)
        # What was said before is shown to the model as context, and this session was not said before.
        with memory.db.connection as connection:
            connection.execute("delete from messages")
        memory.db.save_messages(last_messages, f"user_id={USER}")


class _Sessions:
    """Which sessions are in a container, in a file: begun (with what the model was shown as said before), stored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.begun: dict[str, list[dict[str, Any]]] = {}
        self.stored: set[str] = set()
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0] if path.exists() else ""
        for line in whole.splitlines():  # a last line without an end was not written to its end
            entry = json.loads(line)
            if "stored" in entry:
                self.stored.add(entry["stored"])
            else:
                self.begun[entry["begun"]] = entry["last_messages"]
        if path.exists():
            os.truncate(path, len(whole.encode()) + bool(whole))

    def begin(self, session_id: str, last_messages: list[dict[str, Any]]) -> None:
        kept = [{name: message.get(name) for name in ("role", "content", "name")} for message in last_messages]
        self._write({"begun": session_id, "last_messages": kept})
        self.begun[session_id] = kept

    def finish(self, session_id: str) -> None:
        self._write({"stored": session_id})
        self.stored.add(session_id)

    def _write(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _bring_no_spacy_model() -> None:
    """Keep mem0 from installing a language model with pip where spaCy is there without one."""
    from mem0.utils import spacy_models

    if importlib.util.find_spec("spacy") is None or importlib.util.find_spec("en_core_web_sm") is None:
        spacy_models._load_failed_full = spacy_models._load_failed_lemma = True  # noqa: SLF001  it has no other switch


def _allow_many_points() -> None:
    """Keep Qdrant from warning of large collections: it is slow with them and right, and warnings may be errors."""
    from qdrant_client.local.local_collection import LocalCollection
    from qdrant_client.local.qdrant_local import QdrantLocal

    LocalCollection.LARGE_DATA_THRESHOLD = QdrantLocal.LARGE_DATA_THRESHOLD = sys.maxsize
