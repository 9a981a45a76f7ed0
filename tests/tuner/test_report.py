"""A study as one page: it stands alone, says what the commands say, and can be made at any time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import optuna
import pytest

from tests.tuner.conftest import Tuner
from tuner.search import Limits, Search
from tuner.settings import StudySettings, record_of
from tuner.show import settings_of, study_page
from tuner.show.importance import importances
from tuner.spaces import Parameter, Space
from tuner.storage import create_study, load_study
from tuner.trials import finished


class Page(HTMLParser):
    """Texts by the heading of the second level that they stand under, and all attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.attributes: list[tuple[str, str]] = []
        self._heading, self._in_heading = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        self._in_heading = tag == "h2"
        if tag == "h2":
            self._heading = ""

    def handle_endtag(self, tag: str) -> None:
        self._in_heading = self._in_heading and tag != "h2"

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self._heading = data
        self.sections[self._heading] = self.sections.get(self._heading, "") + data


@pytest.fixture(scope="module")
def html(ended: Tuner, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("report") / "s.html"
    status, out, err = ended.main("report", "s", f"--output={file}")
    assert (status, out) == (0, f"the report of study s is {file}\n"), err
    return file.read_text(encoding="utf-8")


@pytest.mark.long
def test_the_verdict_comes_first_and_all_parts_are_there(ended: Tuner, html: str) -> None:
    sections = Page(html).sections
    verdict, *_ = (heading for heading in sections if heading)
    assert verdict == "Use the settings of trial 1"
    sentence = re.search(r"^recall@10 on the holdout part .*$", ended.printed, re.MULTILINE)
    assert sentence is not None
    assert sentence[0] in sections[verdict]
    assert re.search(r"--provider-option skip=0", sections[verdict])
    assert list(sections)[2:] == [
        "Trials in their order", "Which parameters matter", "By question type", "Noise and dead parameters",
        "All trials", "How to reproduce it",
    ]  # fmt: skip
    assert "idle changes nothing and was not searched" in sections["Noise and dead parameters"]
    assert "multi-hop" in sections["By question type"]
    assert "stopped after 75 of 120 questions" in sections["All trials"]
    assert "same settings as trial 2" in sections["All trials"]
    assert "--part holdout --part-seed 0" in sections["How to reproduce it"]


@pytest.mark.long
def test_a_page_asks_for_nothing_and_its_charts_can_be_read_aloud(html: str) -> None:
    links = [value for name, value in Page(html).attributes if name in ("src", "href", "srcset", "action", "data")]
    assert links == ["data:,"]
    assert not re.search(r"<script|javascript:|@import|url\(|\sstyle=", html)
    charts = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(charts) == 4
    for chart in charts:
        drawn = ET.fromstring(chart)
        title, text = (drawn.find(name) for name in ("title", "desc"))
        assert title is not None
        assert text is not None
        assert drawn.attrib["aria-labelledby"] == f"{title.attrib['id']} {text.attrib['id']}"
        assert title.text
        assert text.text


@pytest.mark.long
def test_a_page_of_several_objectives_has_their_front(tuner: Tuner) -> None:
    arguments = (
        *("optimize", "--provider=tests.subjects.tunable:Memory", "--name=s", "--preset=quick", "--until=search"),
        *("--option=synthetic_sessions=10", "--option=synthetic_questions=20", "--no-dead-check"),
        *("--objective=recall@10", "--objective=context_tokens", "--noise-repeats=2", "--trials=4"),
    )
    assert tuner.main(*arguments)[0] == 0
    study, settings = load_study("s", tuner.storage())
    search = Search(study, settings, Limits(0), note=print)
    sections = Page(study_page(search)).sections
    front = [trial.number for trial in study.best_trials]
    shown = tuner.main("front", "s")[1]
    assert f"{len(front)} trials on the front, on the tune part" in shown
    assert all(settings_of(trial) in sections["Front"] for trial in finished(study) if trial.number in front)
    assert "It was not checked" in sections["Noise and dead parameters"]
    assert tuner.main("clean", "s")[0] == 0
    assert "were removed" in Page(study_page(search)).sections["By question type"]


def test_a_study_without_a_trial_has_a_page_whose_texts_are_escaped(tmp_path: Path) -> None:
    space = record_of(Space((Parameter("depth", "int", 20, low=10, high=100),)))
    settings = StudySettings(
        name="<b>&s</b>", benchmark="synthetic", config={"runs_dir": str(tmp_path)}, data="", space=space,
        objectives=("accuracy",),
    )  # fmt: skip
    study = create_study(settings, optuna.storages.InMemoryStorage())
    html = study_page(Search(study, settings, Limits(0), note=print))
    assert "<b>" not in html
    assert "Study &lt;b&gt;&amp;s&lt;/b&gt;" in html
    assert "Nothing was measured on the holdout part yet" in html


def test_importance_has_an_interval_that_says_how_sure_it_is() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("matters", 0, 1) + 0 * trial.suggest_float("idle", 0, 1), 60)
    first, second = importances(study, resamples=40)
    assert (first.name, second.name) == ("matters", "idle")
    assert second.high < first.low <= first.share <= first.high <= 1
    assert first.luck < first.share
    assert second.luck > second.share
    assert importances(optuna.create_study()) == []
