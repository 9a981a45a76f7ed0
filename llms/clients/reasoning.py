"""A reply without its reasoning and without the marks of chat templates, which many servers leave in the text.

What is cut: reasoning between marks (also where only one of the two is there), the channels of OpenAI's open models, a
prompt that is echoed before the reply, and everything from the end of the model's turn on. Each pattern is tried at a
mark and reads no further than its mark: a reply may be 32 MB of them.
"""

from __future__ import annotations

import re

_TAG = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning)"
_MARK = re.compile(
    rf"(?P<open><{_TAG}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>)"
    rf"|</{_TAG}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>",
    re.IGNORECASE,
)
_FINAL = re.compile(r"<\|channel\|>final(?: [\w=.]{1,40})?(?:<\|constrain\|>\w{1,20})?<\|message\|>")
_LOST_MARKS = ("analysis", "assistantfinal")  # of channels whose marks were decoded as plain text
_ROLE = r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|<\|start\|>|<\|(?:system|user|assistant)\|>|\[INST\]"
_ASSISTANT = re.compile(
    r"<\|im_start\|>\s?assistant\b|<\|start_header_id\|>\s?assistant\s?<\|end_header_id\|>"
    r"|<start_of_turn>\s?model\b|<\|start\|>\s?assistant\b|<\|assistant\|>|\[/INST\]"
)
_END = (
    r"<\|im_end\|>|<\|eot_id\|>|<\|eom_id\|>|<\|end\|>|<\|return\|>|<\|endoftext\|>|<\|end_of_text\|>|<end_of_turn>"
    r"|<\uff5cend\u2581of\u2581sentence\uff5c>|</s>|<eos>"
)
_BEGINNING = r"\s|\ufeff|<s>|<bos>|<\|begin_of_text\|>"
_ECHO = re.compile(rf"(?:{_BEGINNING})*+(?:{_ROLE})")
_LEADING = re.compile(rf"(?:{_BEGINNING}|<\|message\|>|{_END})*+")
_TURN_END = re.compile(rf"{_END}|{_ROLE}")


def without_reasoning(text: str) -> str:
    """The reply in `text`, "" if there is nothing but reasoning; blanks around it are removed."""
    begins, ends = _LOST_MARKS
    if text.startswith(begins) and ends in text:
        text = text.partition(ends)[2]
    if _ECHO.match(text) and (echoed := _ASSISTANT.search(text)):
        text = text[echoed.end() :]
    if "<|channel|>" in text:
        finals = list(_FINAL.finditer(text))
        text = text[finals[-1].end() :] if finals else ""
    text = _without_thoughts(text)
    if leading := _LEADING.match(text):
        text = text[leading.end() :]
    if ended := _TURN_END.search(text):
        text = text[: ended.start()]
    return text.strip()


def _without_thoughts(text: str) -> str:
    kept: list[str] = []
    begin, thinking = 0, False
    for mark in _MARK.finditer(text):
        if mark["open"]:
            if not thinking:
                kept.append(text[begin : mark.start()])
            thinking = True
        else:
            if not thinking:  # the opening is in the prompt: all before this is reasoning
                kept.clear()
            begin, thinking = mark.end(), False
    return "".join(kept if thinking else [*kept, text[begin:]])
