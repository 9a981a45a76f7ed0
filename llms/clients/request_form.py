"""How requests to a server are written, and what to change when it refuses them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from llms.clients.chat import ChatMessage
from llms.clients.structured import schema_of
from vocabulary import Word

StructuredOutput = Literal["json_schema", "json_object", "prompt"]
Cap = Literal["max_tokens", "max_completion_tokens"]
SystemRole = Literal["system", "user"]


class RequestForm(Word):
    """Which parameters a request has.

    `structured_output` is how an object is asked for: by a schema, as any JSON object with the schema in the prompt, or
    by the prompt alone. `cap` is the name of the limit of tokens. `temperature` says whether one is sent.
    `system_role` "user" folds system messages into the user's.
    """

    structured_output: StructuredOutput = "json_schema"
    cap: Cap = "max_tokens"
    temperature: bool = True
    system_role: SystemRole = "system"

    def written(self, messages: Sequence[ChatMessage], reply: type[BaseModel] | None) -> list[ChatMessage]:
        """`messages` as they are sent."""
        written = list(messages)
        if reply is not None and self.structured_output != "json_schema":
            schema = json.dumps(schema_of(reply))
            asked = f"Reply with one JSON object and nothing else. It keeps to this JSON schema: {schema}"
            written[-1] = written[-1].model_copy(update={"content": f"{written[-1].content}\n\n{asked}"})
        if self.system_role == "user":
            system = "\n\n".join(message.content for message in written if message.role == "system")
            written = [message for message in written if message.role != "system"]
            if system and written:
                written[0] = written[0].model_copy(update={"content": f"{system}\n\n{written[0].content}"})
        return written


_REFUSES = re.compile(
    r"support|unknown|unrecogni|unexpected|not permitted|not allowed|not enabled|not available|unavailable|invalid"
    r"|extra|instead|deprecat|forbidden|must alternate|cannot|can't|only the default",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"too (?:large|long|many|high)|at most|exceed|maximum (?:context|value)", re.IGNORECASE)
_ABOUT = {
    "structured_output": re.compile(
        r"response_?format|json_?schema|json_object|output_config|output_format|structured|grammar|guided",
        re.IGNORECASE,
    ),
    "cap": re.compile(r"max_(?:completion_)?tokens", re.IGNORECASE),
    "temperature": re.compile(r"temperature", re.IGNORECASE),
    "system_role": re.compile(
        r"\bsystem\b.{0,20}(?:role|message|prompt|instruction)|(?:role|message|prompt|instruction).{0,20}\bsystem\b"
        r"|developer instruction|roles must alternate",
        re.IGNORECASE | re.DOTALL,
    ),
}


def next_form(
    form: RequestForm, refusal: str, sent: Sequence[str], structured_outputs: Sequence[StructuredOutput]
) -> RequestForm | None:
    """The form to try after a server said `refusal`; None if it names nothing that can be changed.

    `sent` are the fields of the form that the request made use of and that may be changed. `structured_outputs` are the
    ways to ask for an object that the protocol has, best first.
    """
    if not _REFUSES.search(refusal):
        return None
    for name in sent:
        if not _ABOUT[name].search(refusal):
            continue
        if name == "structured_output" and form.structured_output != structured_outputs[-1]:
            following = structured_outputs[structured_outputs.index(form.structured_output) + 1]
            return form.model_copy(update={name: following})
        if name == "cap" and not (_TOO_LARGE.search(refusal) and "instead" not in refusal):
            other = "max_tokens" if form.cap == "max_completion_tokens" else "max_completion_tokens"
            return form.model_copy(update={name: other})
        if name == "temperature" and form.temperature:
            return form.model_copy(update={name: False})
        if name == "system_role" and form.system_role == "system":
            return form.model_copy(update={name: "user"})
    return None
