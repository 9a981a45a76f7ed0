"""The models that answer and judge."""

from llms.base import Answerer
from llms.batches import BatchedChat, forget_batches
from llms.chat import ChatMessage, ChatModel, Completion
from llms.names import FORMS as _FORMS
from llms.names import HINT as _HINT
from llms.names import is_model_name, open_chat, remark, resolve
from llms.reader import AnswerOptions, ModelAnswerer
from schema import UnknownNameError, find_class, known_classes


def open_answerer(name: str, options: AnswerOptions | None = None) -> Answerer:
    """The answering model of that name or dotted path, or the language model that it names, answering with `options`.

    Raises `schema.UnknownNameError` for a name of no form, `schema.ConfigurationError` for a model without its key.
    """
    known = known_classes(Answerer, "llms")
    if name not in known and is_model_name(name):
        return ModelAnswerer(name, options)
    if name not in known and ":" not in name:
        hint = f"{_HINT} Your own can be given by its path, as in my_package.my_module:MyAnswerer."
        raise UnknownNameError("answering model", name, [*known, *_FORMS], hint)
    return find_class("answering model", name, Answerer, "llms")()


__all__ = [
    "AnswerOptions",
    "Answerer",
    "BatchedChat",
    "ChatMessage",
    "ChatModel",
    "Completion",
    "ModelAnswerer",
    "forget_batches",
    "is_model_name",
    "open_answerer",
    "open_chat",
    "remark",
    "resolve",
]
