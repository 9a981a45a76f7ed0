"""What comes back from a provider, an answering model or a judge: checked where the call returns, and nowhere else.

What does not pass is an error of the question, of the kind that belongs to its phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sized
from itertools import islice
from typing import Any, NamedTuple, TypeVar  # Any: what code under test returns

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from providers import Recalled
from reports.store import RESULTS
from vocabulary import (
    Answer,
    InfrastructureError,
    JudgeError,
    ModelError,
    ProviderError,
    SearchResult,
    Verdict,
    clean_text,
)

T = TypeVar("T")
Said = TypeVar("Said", Answer, Verdict)

MOST_RESULTS = 100_000
"""An iterator is read so far and no further: it may have no end."""

_FIELDS = len(SearchResult.model_fields)
_ANSWER, _VERDICT = TypeAdapter(Answer), TypeAdapter(Verdict)


class Found(NamedTuple):
    """What a search gave: the `results` that count, as JSON in `written`, and how many were `returned` in all.

    `recalled` says that an earlier search had computed a part of it.
    """

    results: tuple[SearchResult, ...]
    written: str
    returned: int
    recalled: bool = False


def found_in(returned: object, most: int | None) -> Found:
    """The first `most` results of what a search returned, None for all; raises `ProviderError`."""
    if not isinstance(returned, Iterable) or isinstance(returned, str | bytes | Mapping | BaseModel):
        nothing = "; return an empty list where nothing is found" if returned is None else ""
        raise ProviderError(f"search returned {_kind(returned)} instead of a list of SearchResult{nothing}")
    first, count = _first(returned, most)
    exact = True
    for place, one in enumerate(first, start=1):
        if not isinstance(one, SearchResult):
            raise ProviderError(f"search returned {_kind(one)} instead of a SearchResult, in place {place} of its list")
        if isinstance(one.score, float) and not math.isfinite(one.score):
            raise ProviderError(f"search returned a result with the score {one.score}, in place {place} of its list")
        exact = exact and _is_exact(one)
    results, written = _recorded(tuple(first), exact=exact)
    return Found(results, written, count, isinstance(returned, Recalled))


def answer_in(returned: object) -> Answer:
    """What an answering model returned; raises `ModelError`."""
    return _said(returned, Answer, _ANSWER, ModelError, "the answering model")


def verdict_in(returned: object) -> Verdict:
    """What a judge returned; raises `JudgeError`."""
    return _said(returned, Verdict, _VERDICT, JudgeError, "the judge")


def _said(
    returned: object, kind: type[Said], adapter: TypeAdapter[Said], failure: type[InfrastructureError], who: str
) -> Said:
    """`returned` as it is recorded: a made-up field or label does not pass."""
    if not isinstance(returned, kind):
        raise failure(f"{who} returned {_kind(returned)} instead of {_article(kind.__name__)}")
    fault = f"{who} returned {_article(kind.__name__)} that is none by its fields"
    try:
        written = adapter.dump_json(returned, warnings="error")
    except PydanticSerializationError as error:
        raise failure(f"{fault}: {error}") from error
    return _read(adapter, written, failure, fault)


def _is_exact(result: SearchResult) -> bool:
    """Whether it was made by its constructor, as far as writing it does not show."""
    if type(result) is not SearchResult or len(vars(result)) != _FIELDS:
        return False
    return type(result.session_ids) is tuple and type(result.message_ids) is tuple and _is_json(result.raw)


def _is_json(value: object) -> bool:
    """Whether `value` is read from JSON as it is written to it: bytes, tuples and infinite numbers are not."""
    if type(value) is dict:
        return all(type(name) is str and _is_json(one) for name, one in value.items())
    if type(value) is list:
        return all(map(_is_json, value))
    return value is None or type(value) in (str, bool, int) or (type(value) is float and math.isfinite(value))


def _first(returned: Iterable[Any], most: int | None) -> tuple[list[Any], int]:
    """The first `most` of what was returned, and how much that was."""
    if isinstance(returned, Sized):
        count = len(returned)
        first = list(islice(returned, MOST_RESULTS if most is None else most))
    else:
        first, count = [], 0
        for count, one in enumerate(islice(returned, MOST_RESULTS + 1), start=1):
            if most is None or count <= most:
                first.append(one)
    if most is None and count > MOST_RESULTS:
        raise ProviderError(f"search returned more than {MOST_RESULTS:,} results")
    return first, count


def _recorded(results: tuple[SearchResult, ...], *, exact: bool) -> tuple[tuple[SearchResult, ...], str]:
    """Results as they are written, and as they are read from that where they are not `exact` instances."""
    fault = "search returned a SearchResult that is none by its fields"
    try:
        try:
            written = RESULTS.dump_json(results, warnings="error")
        except PydanticSerializationError:  # perhaps for a lone surrogate in an id or in the raw record
            results = tuple(_cleaned(one) for one in results)
            written = RESULTS.dump_json(results, warnings="error")
    except PydanticSerializationError as error:
        raise ProviderError(f"{fault}: {error}") from error
    return (results if exact else _read(RESULTS, written, ProviderError, fault)), written.decode()


def _read(adapter: TypeAdapter[T], written: bytes, failure: type[InfrastructureError], fault: str) -> T:
    try:
        return adapter.validate_json(written)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise failure(f"{fault}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _cleaned(result: SearchResult) -> SearchResult:
    ids = {name: tuple(map(clean_text, getattr(result, name))) for name in ("session_ids", "message_ids")}
    return result.model_copy(update={**ids, "raw": _clean(result.raw)})


def _clean(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {clean_text(name): _clean(one) for name, one in value.items()}
    return value


def _kind(value: object) -> str:
    return "None" if value is None else _article(type(value).__name__)


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
