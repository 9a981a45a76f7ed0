"""How an answer is graded. One file a judge; a language model is one judge, under several protocols."""

import re

from judges.base import Judge
from judges.model_judge import FAMILY_MODELS, ModelJudge
from judges.protocols import protocol_names
from llms.clients import ModelOptions, is_model_name
from registry import declared_names, find_class, known_classes
from vocabulary import UnknownNameError

_PATH = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")
_HINT = (
    "A language model judges by its name (gpt-5.4-mini, claude-haiku-5-5, gemini-3.5-flash) or as "
    "PROVIDER/MODEL@URL. Your own can be given by its path, as in my_package.my_module:MyJudge."
)


def open_judge(name: str, options: ModelOptions | None = None) -> Judge:
    """The judge of that name or dotted path, or the language model of that name as a judge, asked with `options`.

    ``openai``, ``anthropic`` and ``google`` stand for a model of theirs. Opens no client. Raises
    `UnknownNameError` for what nobody is called, `ConfigurationError` for a judge that cannot be made.
    """
    known = [*known_classes(Judge, "judges"), *declared_names("judges")]
    if name in known or _PATH.fullmatch(name):
        return find_class("judge", name, Judge, "judges")()
    if name in FAMILY_MODELS or is_model_name(name):
        return ModelJudge(name, options=options)
    raise UnknownNameError("judge", name, [*known, *FAMILY_MODELS], _HINT)


__all__ = ["FAMILY_MODELS", "Judge", "ModelJudge", "open_judge", "protocol_names"]
