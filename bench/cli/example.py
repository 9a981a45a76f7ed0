"""``python -m bench new-dataset``: a small data set to begin with, and a page beside it that explains each field."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from vocabulary import ConfigurationError


def _said(*lines: str) -> list[dict[str, str]]:
    return [{"speaker": speaker, "text": text} for speaker, _, text in (line.partition(": ") for line in lines)]


_SESSIONS: list[dict[str, Any]] = [
    {
        "haystack": "maria",
        "id": "maria-1",
        "date": "2025-02-03T09:15",
        "messages": _said(
            "Maria: Hello! I start as a pharmacist at Harbour Clinic on Monday.",
            "Assistant: Congratulations! How will you get there?",
            "Maria: By bicycle, it is only four kilometres.",
        ),
    },
    {
        "haystack": "maria",
        "id": "maria-2",
        "date": "2025-03-17T18:40",
        "messages": _said(
            "Maria: My bicycle was stolen, so I take the tram to work now.",
            "Assistant: I am sorry to hear that.",
        ),
    },
    {
        "haystack": "tom",
        "id": "tom-1",
        "date": "2025-02-20",
        "messages": _said(
            "Tom: My daughter Lena is allergic to peanuts.",
            "Assistant: I will keep that in mind for recipes.",
            "Tom: Thanks. Her birthday is on 9 June.",
        ),
    },
]

_QUESTIONS = """\
id,haystack,type,question,ground_truth,evidence,date,answerable
maria-job,maria,fact,What is Maria's job?,pharmacist,s1m1,2025-04-01,true
maria-commute,maria,update,How does Maria get to work?,by tram,maria-2,2025-04-01,true
tom-allergy,tom,fact,What is Lena allergic to?,peanuts,s1m1,2025-04-01,true
tom-car,tom,unknown,Which car does Tom drive?,,,2025-04-01,false
"""

_README = """\
# An example data set

Run it, with a baseline that needs no key:

    pytest bench -k mine --dataset PATH

Replace the two files by your own conversations and questions, and see what is wrong or lacking:

    python -m bench check PATH

## conversations.jsonl

Each line is a session: a conversation without a break.

- `haystack`: whose session it is. A question is answered from all sessions of one haystack, such as one user's history.
- `id` (optional): a name for `evidence`.
- `date` (optional): when it began, as `2025-02-03` or `2025-02-03T09:15`.
- `messages`: each has a `text` and a `speaker` or a `role` (`user` or `assistant`). `id` and `time` are optional.

## questions.csv

Each row is a question.

- `question`, `ground_truth`: what is asked, and the expected answer.
- `haystack`: from whose sessions it is answered.
- `type` (optional): your own division, such as `fact` and `update`. Results are shown for each.
- `evidence` (optional): what answers it, separated by semicolons: ids of messages or sessions, or their place
  (`s2` is the second session of the haystack, `s2m3` its third message). Without it there are no retrieval scores.
- `date` (optional): when it is asked.
- `answerable` (optional): `false` where the right answer is that the conversations do not say.
- `id` (optional): a name that stays when questions are added.
"""


def write_example(folder: Path) -> list[str]:
    """Write the example into `folder`, which is made or is empty; returns what to do next.

    Raises `ConfigurationError` if something is there already or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty. Name a new folder.")
        readme = _README.replace("PATH", shlex.quote(str(folder)))
        lines = "".join(json.dumps(session) + "\n" for session in _SESSIONS)
        (folder / "conversations.jsonl").write_text(lines, encoding="utf-8")
        (folder / "questions.csv").write_text(_QUESTIONS, encoding="utf-8")
        (folder / "README.md").write_text(readme, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.") from error
    return [
        f"{folder}: conversations.jsonl, questions.csv, and README.md, which explains each field",
        f"run it: pytest bench -k mine --dataset {shlex.quote(str(folder))}",
    ]
