"""The models that answer and judge.

Its sub-packages: `llms.clients` (language models as services), `llms.answering` (the one that answers), `llms.offline`.
"""

from llms.answering import AnswerOptions, ModelAnswerer
from llms.base import Answerer
from llms.clients import FORMS as _FORMS
from llms.clients import HINT as _HINT
from llms.clients import is_model_name as _is_model_name
from registry import find_class, known_classes
from vocabulary import UnknownNameError


def open_answerer(name: str, options: AnswerOptions | None = None) -> Answerer:
    """The answering model of that name or dotted path, or the language model that it names, answering with `options`.

    Raises `UnknownNameError` for a name of no form, `ConfigurationError` for a model without its key.
    """
    known = known_classes(Answerer, "llms")
    if name not in known and _is_model_name(name):
        return ModelAnswerer(name, options)
    if name not in known and ":" not in name:
        hint = f"{_HINT} Your own can be given by its path, as in my_package.my_module:MyAnswerer."
        raise UnknownNameError("answering model", name, [*known, *_FORMS], hint)
    return find_class("answering model", name, Answerer, "llms")()


__all__ = ["AnswerOptions", "Answerer", "ModelAnswerer", "open_answerer"]
