"""Where things stand in a reply: JMESPath, with one function more.

``after('session:', tags)`` gives the rest of each text in `tags` that begins with ``session:``, for services that keep
tags and no metadata.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any  # Any: what a JMESPath function gets

from pydantic import AfterValidator, JsonValue

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult
    from jmespath.visitor import Options


def look_up(path: str, reply: JsonValue) -> JsonValue:
    """What stands at `path` in a reply; None for nothing."""
    import jmespath.exceptions

    try:
        found: JsonValue = _compiled(path).search(reply, options=_options())
    except jmespath.exceptions.JMESPathError as error:  # a function that got another type than it takes
        raise ValueError(str(error)) from None
    return found


@cache
def _compiled(path: str) -> ParsedResult:
    import jmespath

    return jmespath.compile(path)


@cache
def _options() -> Options:
    from jmespath import Options
    from jmespath.functions import Functions, signature

    class WithAfter(Functions):
        @signature({"types": ["string"]}, {"types": ["array-string", "array", "null"]})
        def _func_after(self, prefix: str, texts: list[Any] | None) -> list[str]:
            starting = [text for text in texts or () if isinstance(text, str) and text.startswith(prefix)]
            return [text.removeprefix(prefix) for text in starting]

    return Options(custom_functions=WithAfter())


def _checked(path: str) -> str:
    import jmespath.exceptions

    try:
        _compiled(path)
    except jmespath.exceptions.JMESPathError as error:
        raise ValueError(f"is no JMESPath: {' '.join(str(error).split())}") from None
    return path


ReplyPath = Annotated[str, AfterValidator(_checked)]
