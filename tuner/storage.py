"""Where studies are kept: a journal file by default, PostgreSQL for several machines, SQLite, or memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from reports.store import without_password
from tuner.attributes import SETTINGS
from tuner.pruners import pruner_of
from tuner.samplers import sampler_of
from tuner.settings import StudySettings
from vocabulary import ConfigurationError, did_you_mean

_TABLES_LOCK = 0x6D656D6F  # one number for all who make Optuna's tables in the same database
_FORMS = "journal:FILE, postgresql+psycopg://USER@HOST/NAME, sqlite:///FILE or memory"


def open_storage(url: str) -> BaseStorage:
    """The storage at `url`, its tables made if it is a database; raises `ConfigurationError` if it cannot be used."""
    kind, _, place = url.partition(":")
    if url in ("memory", "memory:"):
        return InMemoryStorage()
    if kind == "journal" and place:
        file = Path(place)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(f"--storage {url}: {error.strerror}.") from error
        return JournalStorage(JournalFileBackend(str(file)))
    if not (kind.startswith(("postgresql", "sqlite")) and place):
        raise ConfigurationError(f"--storage {without_password(url)}: write {_FORMS}.")
    try:
        with _made_once(url):
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except (sa.exc.SQLAlchemyError, ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"--storage {without_password(url)} cannot be used: {reason}") from error


def close_storage(storage: BaseStorage) -> None:
    """Close the connections to a database."""
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def create_study(settings: StudySettings, storage: BaseStorage) -> optuna.Study:
    """The study of `settings`, begun if it is new; raises `ConfigurationError` if there is another one of that name."""
    study = optuna.create_study(
        study_name=settings.name,
        storage=storage,
        directions=[goal.direction for goal in settings.goals],
        sampler=sampler_of(settings, 0, 0),
        pruner=pruner_of(settings),
        load_if_exists=True,
    )
    stored = study.user_attrs.get(SETTINGS)
    if stored is None:
        study.set_user_attr(SETTINGS, settings.model_dump(mode="json"))
    else:
        settings.check_same(StudySettings.model_validate(stored))
    return study


def load_study(name: str, storage: BaseStorage, worker: int = 0) -> tuple[optuna.Study, StudySettings]:
    """A study with its settings, its pruner, and a sampler that no other worker shares; raises `ConfigurationError`."""
    names = optuna.get_all_study_names(storage)
    if name not in names:
        raise ConfigurationError(
            f"there is no study {name!r}.{did_you_mean(name, names)} There are: {', '.join(names) or 'none'}."
        )
    study = optuna.load_study(study_name=name, storage=storage)
    stored = study.user_attrs.get(SETTINGS)
    if stored is None:
        raise ConfigurationError(f"study {name!r} was not made by `optimize`: it has no settings of a run.")
    settings = StudySettings.model_validate(stored)
    study.sampler = sampler_of(settings, worker, len(study.get_trials(deepcopy=False)))
    study.pruner = pruner_of(settings)
    return study, settings


@contextlib.contextmanager
def _made_once(url: str) -> Iterator[None]:
    """Let one process at a time make the tables: several that begin on an empty PostgreSQL would fail."""
    if not url.startswith("postgresql"):
        yield
        return
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_TABLES_LOCK)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_TABLES_LOCK)))
    finally:
        engine.dispose()


def quiet() -> None:
    """Leave out Optuna's own log."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
