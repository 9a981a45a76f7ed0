"""What servers of models send: each mode of reply, and what comes of it."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

VERDICT = '{"reasoning": "It names Paris.", "verdict": "correct"}'
GUESS = '{"reasoning": "No city.", "verdict": "wrong"}'
ANSWER = "answer `Paris`"
EMPTY = "empty answer"
CORRECT = "verdict `correct`"
_BOMB = gzip.compress(bytes(64 * 1024 * 1024), compresslevel=1)


@dataclass(frozen=True)
class Mode:
    """A mode of reply: `sends` describes it, `body` is what is sent, `special` how where it is no plain response.

    `outcome` is what comes of it: an answer, a verdict, or the type of an error and a part of its text; `calls` is the
    number of requests until then.
    """

    group: str
    sends: str
    outcome: str
    calls: int = 1
    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    judge: bool = False
    form: str = "openai"
    special: str = ""


def chat(content: Any = "Paris", finish: Any = "stop", message: Any = None, **fields: Any) -> bytes:
    """A chat completion."""
    said = {"role": "assistant", "content": content} | (message or {})
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
    whole = {"id": "1", "model": "served", "choices": [{"index": 0, "message": said, "finish_reason": finish}]}
    return json.dumps({**whole, "usage": usage, **fields}).encode()


def message(content: Any = None, stop: Any = "end_turn", **fields: Any) -> bytes:
    """A message of Anthropic's protocol."""
    content = [{"type": "text", "text": "Paris"}] if content is None else content
    usage = {"input_tokens": 100, "output_tokens": 7}
    return json.dumps({"type": "message", "content": content, "stop_reason": stop, "usage": usage, **fields}).encode()


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _error(**fields: Any) -> bytes:
    return json.dumps({"error": fields}).encode()


_CUT, _HELD, _BROKEN = "`ModelError` cut off", "`ModelError` withheld", "`ModelError` broke it off"
_CALL, _UNKNOWN = "`ModelError` wants to call a tool", "`ModelError` no normal ending"

ENDINGS = [
    *(Mode("endings", f"finish reason `{it}`", ANSWER, body=chat(finish=it)) for it in ("stop", "STOP", "eos")),
    *(Mode("endings", f"finish reason `{it}`", ANSWER, body=chat(finish=it)) for it in ("end_turn", "stop_sequence")),
    Mode("endings", "finish reason null", ANSWER, body=chat(finish=None)),
    Mode("endings", "finish reason `length`", _CUT, body=chat(finish="length")),
    Mode("endings", "finish reason `length` after a whole verdict", "`JudgeError` cut off", 1, chat(VERDICT, "length"),
         judge=True),
    Mode("endings", "finish reason `model_length`", _CUT, body=chat(finish="model_length")),
    *(Mode("endings", f"finish reason `{it}`", _HELD, body=chat(finish=it)) for it in ("content_filter", "SAFETY")),
    Mode("endings", "a refusal beside the content", _HELD, body=chat(message={"refusal": "I cannot."})),
    *(Mode("endings", f"finish reason `{it}`", _CALL, body=chat(finish=it)) for it in ("tool_calls", "function_call")),
    *(Mode("endings", f"finish reason `{it}`", _BROKEN, 5, chat(finish=it)) for it in ("error", "abort")),
    Mode("endings", "finish reason `insufficient_system_resource`", _BROKEN, 5,
         chat(finish="insufficient_system_resource")),
    Mode("endings", "an unknown finish reason", _UNKNOWN, body=chat(finish="banana")),
    Mode("endings", "a verdict with an unknown finish reason", "`JudgeError` no normal ending", 1,
         chat(VERDICT, "banana"), judge=True),
    *(Mode("endings", f"Anthropic, stop reason `{it}`", ANSWER, body=message(stop=it), form="anthropic")
      for it in ("end_turn", "stop_sequence", None)),
    *(Mode("endings", f"Anthropic, stop reason `{it}`", _CUT, body=message(stop=it), form="anthropic")
      for it in ("max_tokens", "pause_turn", "model_context_window_exceeded")),
    Mode("endings", "Anthropic, stop reason `refusal`", _HELD, body=message(stop="refusal"), form="anthropic"),
    Mode("endings", "Anthropic, stop reason `tool_use`", _CALL, body=message(stop="tool_use"), form="anthropic"),
]  # fmt: skip

_ONLY = "`ReplyError` nothing but reasoning"
_HARMONY = "<|channel|>analysis<|message|>France?<|end|><|start|>assistant<|channel|>final<|message|>Paris<|return|>"
_REASONED = {
    "`<think>` before the answer": "<think>Rome? No.</think>\n\nParis",
    "`</think>` without its opening": "Rome? No.\n</think>\n\nParis",
    "`<think>` on both sides of the answer": "<think>Rome?</think>Paris<think>Sure.</think>",
    "`<thinking>`": "<thinking>Rome? No.</thinking>Paris",
    "`[THINK]`": "[THINK]Rome? No.[/THINK]Paris",
    "`◁think▷`": "◁think▷Rome? No.◁/think▷Paris",
    "harmony channels": _HARMONY,
    "harmony channels whose marks are lost": "analysisRome? No.assistantfinalParis",
    "an echoed ChatML prompt": "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\nParis<|im_end|>",
    "an echoed Llama prompt": "<|start_header_id|>assistant<|end_header_id|>\n\nParis<|eot_id|>",
    "an echoed Mistral prompt": "<s>[INST] Where? [/INST] Paris</s>",
    "an end-of-turn token and a turn that nobody asked for": "Paris<|im_end|>\n<|im_start|>user\nAnd Rome?",
}
REASONING = [
    *(Mode("reasoning", detail, ANSWER, body=chat(text)) for detail, text in _REASONED.items()),
    Mode("reasoning", "`<think>` that is never closed", _ONLY, body=chat("<think>Rome? Paris")),
    Mode("reasoning", "nothing but a `<think>` block", _ONLY, body=chat("<think>Rome?</think>")),
    Mode("reasoning", "harmony analysis without a final channel", _ONLY,
         body=chat("<|channel|>analysis<|message|>Rome?<|end|>")),
    Mode("reasoning", "empty content beside `reasoning_content`", _ONLY,
         body=chat("", message={"reasoning_content": "Rome?"})),
    Mode("reasoning", "null content beside `reasoning`", _ONLY, body=chat(None, message={"reasoning": "Rome?"})),
    Mode("reasoning", "an answer beside `reasoning_content`", ANSWER,
         body=chat(message={"reasoning_content": "Rome?"})),
    Mode("reasoning", "a part of type `thinking` before the text", ANSWER,
         body=chat([{"type": "thinking", "thinking": [_text("Rome?")]}, _text("Paris")])),
    Mode("reasoning", "Anthropic, a block of type `thinking` before the text", ANSWER,
         body=message([{"type": "thinking", "thinking": "Rome?"}, _text("Paris")]), form="anthropic"),
    Mode("reasoning", "Anthropic, nothing but `thinking`", _ONLY,
         body=message([{"type": "thinking", "thinking": "Rome?"}]), form="anthropic"),
    Mode("reasoning", "empty content, reasoning tokens counted", _ONLY,
         body=chat("", usage={"prompt_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 50}})),
]  # fmt: skip

_UNREAD = "`JudgeError` neither of two replies"
_VERDICTS = {
    "the object alone": VERDICT,
    "a fence around the object": f"```json\n{VERDICT}\n```",
    "a fence and prose after it": f"```json\n{VERDICT}\n```\nI hope {{this}} helps.",
    "prose around the object": f"Well: {VERDICT}. That is all.",
    "the object twice": f"{VERDICT}\n{VERDICT}",
    "a first guess before the verdict": f"{GUESS}\nOn second thought:\n{VERDICT}",
    "a first guess within the reasoning": f"<think>First guess: {GUESS} - no, the dates agree.</think>\n{VERDICT}",
    "an open brace in the reasoning": f"<think>A set {{1, 2</think>{VERDICT}",
    "an open brace before the object": f"The set {{1, 2 is odd. {VERDICT}",
    "the object and an end-of-turn token": f"{VERDICT}<|im_end|>",
    "`</think>` within the object": '{"reasoning": "It says </think>.", "verdict": "correct"}',
    "a line break within a text of the object": f"So: {VERDICT}".replace("names ", "names\n"),
}
_NO_VERDICTS = {
    "a first guess within the reasoning, then prose": f"<think>First guess: {GUESS} - no.</think>\nVerdict: correct.",
    "the object within reasoning that is never closed": f"<think>Perhaps {VERDICT}",
    "prose": "It is correct.",
    "an empty text": "",
    "an object that is cut": VERDICT[:-12],
    "a verdict that does not exist": VERDICT.replace('"correct"', '"maybe"'),
    "an object without a verdict": '{"reasoning": "It names Paris."}',
    "a field too many": VERDICT.replace("}", ', "score": 1}'),
    "a list": f"[{GUESS[:-1]}]",
    "40,000 open braces": "{" * 40_000,
}
JUDGING = [
    *(Mode("verdicts", detail, CORRECT, body=chat(text), judge=True) for detail, text in _VERDICTS.items()),
    *(Mode("verdicts", detail, _UNREAD, 2, chat(text), judge=True) for detail, text in _NO_VERDICTS.items()),
    Mode("verdicts", "the object as a list of parts", CORRECT, body=chat([_text(VERDICT)]), judge=True),
    Mode("verdicts", "Anthropic, the object as a text", CORRECT, body=message(VERDICT), judge=True, form="anthropic"),
    Mode("verdicts", "nothing but `reasoning_content`", _UNREAD, 2,
         chat("", message={"reasoning_content": VERDICT}), judge=True),
]  # fmt: skip

_ODD_USAGE: dict[str, Any] = {
    "null": None,
    "with nulls": {"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None},
    "with floats": {"prompt_tokens": 100.0, "completion_tokens": 7.0},
    "with texts and negative numbers": {"prompt_tokens": "many", "completion_tokens": -1},
    "as a list": [1, 2],
    "with details of another form": {"prompt_tokens": 1, "prompt_tokens_details": [], "completion_tokens_details": 3},
}
_PLAIN = chat().decode()
_NO_REPLY = "`ModelError` no reply of its protocol"
ODDITIES = [
    *(Mode("oddities", f"`usage` {detail}", ANSWER, body=chat(usage=usage)) for detail, usage in _ODD_USAGE.items()),
    Mode("oddities", "no `usage`, `id` and `model`", ANSWER,
         body=b'{"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}'),
    Mode("oddities", "Anthropic, `usage` with nulls", ANSWER, body=message(usage={"input_tokens": None}),
         form="anthropic"),
    Mode("oddities", "content as a list of parts", ANSWER, body=chat([_text("Par"), _text("is")])),
    Mode("oddities", "content as a list of texts", ANSWER, body=chat(["Par", "is"])),
    Mode("oddities", "Anthropic, content as a text", ANSWER, body=message("Paris"), form="anthropic"),
    Mode("oddities", "empty content", EMPTY, body=chat("")),
    Mode("oddities", "null content", EMPTY, body=chat(None)),
    Mode("oddities", "a byte order mark", ANSWER, body=b"\xef\xbb\xbf" + chat()),
    Mode("oddities", "comment lines before the reply", ANSWER, body=f": PROCESSING\n\n: WAIT\n\n{_PLAIN}".encode()),
    Mode("oddities", "blank lines and comments around the reply", ANSWER, body=f"\n\n{_PLAIN}\n: done\n".encode()),
    Mode("oddities", "UTF-8 that claims to be Latin-1", "answer `Zürich`", body=chat("Zürich"),
         headers=(("Content-Type", "application/json; charset=latin-1"),)),
    Mode("oddities", "a byte that is no UTF-8", "answer `Par\ufffdis`", body=chat("Par~is").replace(b"~", b"\xff")),
    Mode("oddities", "a lone surrogate and NUL", "answer `Paris\ufffd\ufffd`", body=chat("Paris\ud83d\0")),
    Mode("oddities", "a number of 5,000 digits", _NO_REPLY, 5, chat(created=0)[:-1] + b', "n": ' + b"9" * 5000 + b"}"),
    Mode("oddities", "100,000 nested lists", _NO_REPLY, 5, b"[" * 100_000),
    Mode("oddities", "gzip", ANSWER, body=gzip.compress(chat()), headers=(("Content-Encoding", "gzip"),)),
    Mode("oddities", "plain text that claims to be gzip", "`ModelError` incorrect header", body=chat(),
         headers=(("Content-Encoding", "gzip"),)),
    Mode("oddities", "an empty list of choices", "`ModelError` no reply at all", body=chat(choices=[])),
    Mode("oddities", "no choices", _NO_REPLY, 5, b'{"id": "1"}'),
    Mode("oddities", "a choice without a message", EMPTY, body=chat(choices=[{"finish_reason": "stop"}])),
    Mode("oddities", "null", _NO_REPLY, 5, b"null"),
    Mode("oddities", "an empty body", _NO_REPLY, 5),
    Mode("oddities", "an HTML page", _NO_REPLY, 5, b"<html>Log in</html>"),
    Mode("oddities", "half a reply", _NO_REPLY, 5, chat()[:40]),
]  # fmt: skip

ERRORS = [
    Mode("errors under status 200", "code 402", "`ModelError` nothing left", body=_error(code=402, message="Pay.")),
    Mode("errors under status 200", "code 429", "`ModelError` Slow down", 5, _error(code=429, message="Slow down.")),
    Mode("errors under status 200", "code `\"429\"`", "`ModelError` Slow", 5, _error(code="429", message="Slow.")),
    Mode("errors under status 200", "code 400", "`ModelError` Bad", body=_error(code=400, message="Bad.")),
    Mode("errors under status 200", "code `insufficient_quota`", "`ModelError` nothing left",
         body=_error(code="insufficient_quota", message="Pay.")),
    Mode("errors under status 200", "code `invalid_api_key`", "`ModelError` check the key",
         body=_error(code="invalid_api_key", message="No.")),
    Mode("errors under status 200", "a text", "`ModelError` upstream is gone", 5, b'{"error": "upstream is gone"}'),
    Mode("errors under status 200", "in the choice", "`ModelError` Provider", 5,
         chat(choices=[{"error": {"code": 502, "message": "Provider"}, "finish_reason": "error"}])),
    Mode("errors under status 200", "an object of type error", "`ModelError` No such model",
         body=b'{"object": "error", "message": "No such model.", "code": 404}'),
    Mode("errors under status 200", "Anthropic, `overloaded_error`", "`ModelError` Busy", 5,
         b'{"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}', form="anthropic"),
    Mode("errors under status 200", "Anthropic, `authentication_error`", "`ModelError` check the key",
         body=b'{"type": "error", "error": {"type": "authentication_error", "message": "No."}}', form="anthropic"),
    Mode("errors under status 200", "to a judge, code 402", "`JudgeError` nothing left", 1,
         _error(code=402, message="Pay."), judge=True),
]  # fmt: skip

STATUSES = [
    *(Mode("statuses", str(it), f"`ModelError` answered {it}", body=_error(message="No."), status=it)
      for it in (302, 400, 401, 402, 403, 404, 413, 422)),
    *(Mode("statuses", str(it), f"`ModelError` answered {it}", 5, _error(message="Later."), status=it)
      for it in (408, 409, 429, 500, 502, 503, 529)),
    Mode("statuses", "429 with `insufficient_quota`", "`ModelError` nothing left", status=429,
         body=_error(code="insufficient_quota", message="Pay.")),
    Mode("statuses", "500 with a page", "`ModelError` answered 500", 5, b"<html>oops</html>", 500),
    Mode("statuses", "500 with a lone surrogate", "`ModelError` bad \ufffd", 5, _error(message="bad \ud83d"), 500),
    Mode("statuses", "204 without a body", _NO_REPLY, 5, status=204),
]  # fmt: skip

TRANSPORT = [
    Mode("transport", "the connection is lost before the reply", "`ModelError` failed", 5, special="cut"),
    Mode("transport", "the connection is lost within the reply", "`ModelError` failed", 5, chat(), special="half"),
    Mode("transport", "a byte at a time, for longer than an answer may take", "`ModelError` did not answer in time", 5,
         special="drip"),
    Mode("transport", "a body without an end", "`ModelError` longer than 32 MB", special="endless"),
    Mode("transport", "gzip that becomes 64 MB", "`ModelError` longer than 32 MB",
         body=_BOMB, headers=(("Content-Encoding", "gzip"),)),
    Mode("transport", "gzip that becomes 64 MB, under status 500", "`ModelError` longer than 32 MB", status=500,
         body=_BOMB, headers=(("Content-Encoding", "gzip"),)),
]  # fmt: skip

MODES = [*ENDINGS, *REASONING, *JUDGING, *ODDITIES, *ERRORS, *STATUSES, *TRANSPORT]
