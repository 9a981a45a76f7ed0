"""Language models as services: names, the clients on the vendors' SDKs, batches, structured replies."""

from llms.clients.batch_record import BatchFile, BatchRecord
from llms.clients.batches import BatchedChat
from llms.clients.chat import ChatMessage, ChatModel, Completion
from llms.clients.names import FORMS, HINT, is_model_name, remark, resolve
from llms.clients.opening import open_chat
from llms.clients.options import ROLES, ModelOptions, Role, read_options
from llms.clients.request_form import RequestForm

__all__ = [
    "FORMS",
    "HINT",
    "ROLES",
    "BatchFile",
    "BatchRecord",
    "BatchedChat",
    "ChatMessage",
    "ChatModel",
    "Completion",
    "ModelOptions",
    "RequestForm",
    "Role",
    "is_model_name",
    "open_chat",
    "read_options",
    "remark",
    "resolve",
]
