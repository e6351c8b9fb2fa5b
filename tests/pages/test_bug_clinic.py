"""The bug clinic: every bug renders and runs, blind rounds, links."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import clinic, clinic_blind, clinic_checks, live
from pgcore import health
from pgcore.jobs import JobState, Lease, Slots
from tests.conftest import ROOT, assert_no_exception, wait_idle
from tests.pages import chapters

FILE = "9_bug_clinic.py"
SHORT = {"n_updates": 12, "n_envs": 8, "n_steps": 32, "checkpoint_every": 12}
PATIENCE = 120_000


@pytest.fixture
def session():
    """An app whose session can be given short pairs of runs: session(name, seed) runs one."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    at.session_state["session_runs"] = live.SessionRuns(Lease())
    at.session_state["clinic_twins"] = kept = {}

    def run(name: str, seed: int = 0) -> clinic.Twins:
        bug = clinic.BUGS[name]
        # The run that is well must get well: a short one is a beginner's to its end.
        changes = SHORT if bug.metric == "episode_return" else {}
        short = dataclasses.replace(bug, config=bug.config.replace(**changes))
        kept[name, seed] = twins = clinic.make(name, seed, short, Slots(), Lease())
        for job in twins.jobs.values():
            job.start()
        for job in twins.jobs.values():
            job.join(60)
        assert twins.complete
        return twins

    yield at, run
    for twins in kept.values():
        twins.stop()


def words(at: AppTest) -> str:
    return "\n".join(each.value for each in at.markdown)


def headings(at: AppTest) -> list[str]:
    return [each.value for each in at.subheader]


@pytest.mark.parametrize("name", clinic.BUGS)
def test_every_bug(session, name):
    at, run = session
    run(name)
    at.query_params["bug"] = name
    at.switch_page(f"pages/{FILE}").run()
    assert not at.exception and not at.error and not at.warning
    bug = clinic.BUGS[name]
    said = words(at)
    assert bug.symptom in said and bug.cause in said and bug.fix in said
    both = bug.metric == "episode_return"
    assert ("Does it hurt on CartPole?" in headings(at)) is both
    assert [each.value for each in at.code] == [bug.difference()] * both
    columns = [list(table.value.columns) for table in at.table]
    assert len(columns) >= 3
    assert all(each == (["healthy", "broken"] if both else ["the run"]) for each in columns)
    assert ("**No check fires.**" in said) is not both
    assert ("the mean reward a step went from" in said) is not both
    assert len(at.get("vega_lite_chart")) == (1 if both else 2)


def test_the_runs_on_the_page_are_the_bugs(session):
    _, run = session
    twins = run("stale_ratio", 3)
    for label, make in (("healthy", twins.bug.healthy_run), ("broken", twins.bug.broken_run)):
        stats = list(twins.jobs[label].snapshot().stats)
        assert stats == list(make(3).run())
        assert health.probe(make(3)) == (stats[0], twins.probes[label])


def test_checks_say_what_they_can_while_the_runs_go_on(session):
    """Half a run: what its first update shows fires, what time must show is left open."""
    at, run = session
    twins = run("broadcast")
    for job in twins.jobs.values():
        del job._stats[5:]
        job._state = JobState.RUNNING
    at.switch_page(f"pages/{FILE}").run()
    at.selectbox(key="clinic_bug").select("broadcast").run()
    meters, tests = (table.value for table in at.table[:2])
    assert meters.loc["Tiny gradient on the policy", "broken"].startswith(
        f":red[**{clinic_checks.FIRES}"
    )
    stuck = meters.loc["Entropy stuck near its maximum"]
    assert all(each.startswith(clinic_checks.LATER) for each in stuck)
    assert tests.loc["Pushes do not follow the advantages"].str[:4].tolist() == ["sile", ":red"]
    assert "**Pushes do not follow the advantages** (broken)" in words(at)


def test_the_verdict_is_made_of_the_runs_scores(session):
    at, run = session
    pairs = [run("missing_minus", seed) for seed in (0, 4)]
    at.switch_page(f"pages/{FILE}").run()
    at.selectbox(key="clinic_bug").select("missing_minus").run()
    assert at.query_params["bug"] in ("missing_minus", ["missing_minus"])
    (table,) = (each.value for each in at.table if "seed 4" in each.value.index)
    for row, twins in zip(("seed 0", "seed 4"), pairs, strict=True):
        for label, job in twins.jobs.items():
            mean = np.mean(job.snapshot().scores[-1].evaluation.returns)
            assert table.loc[row, label] == f"{mean:.1f}"
    assert "of 100 fresh episodes" in words(at)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"bug": "banana"}, "banana"),
        ({"seed": "11"}, "outside 0 to 9"),
        ({"seed": "x"}, "not a number"),
        ({"mode": "deaf"}, "deaf"),
    ],
)
def test_bad_link(query, says):
    at = chapters.open_chapter(FILE, **query)
    assert not at.exception
    assert [says in notice.value for notice in at.warning] == [True]


def test_a_link_reproduces():
    at = chapters.open_chapter(FILE, bug="argmax", seed="7")
    assert not at.exception and not at.warning
    assert at.selectbox(key="clinic_bug").value == "argmax"
    assert at.select_slider(key="seed").value == "7"
    assert "Nothing trained" not in words(at) and "Health checks" not in headings(at)


def test_a_pair_that_is_left_is_stopped_by_the_next(session):
    at, _ = session
    at.switch_page(f"pages/{FILE}").run()
    at.button(key="clinic_run").click().run()
    (first,) = at.session_state["clinic_twins"].values()
    assert first.alive and not at.exception
    at.selectbox(key="clinic_bug").select("argmax").run()
    at.button(key="clinic_run").click().run()
    for job in first.jobs.values():
        job.join(60)
        assert job.snapshot().state in (JobState.STOPPED, JobState.DONE)
    at.button(key="clinic_stop").click().run()
    second = at.session_state["clinic_twins"]["argmax", 0]
    for job in second.jobs.values():
        job.join(60)
    at.run()
    assert not at.exception and not second.alive


def test_patients_are_drawn_by_a_generator_of_their_own():
    rngs = [np.random.default_rng(5) for _ in range(2)]
    first, second = ([clinic_blind.draw(rng, i) for i in range(40)] for rng in rngs)
    assert first == second
    assert {each.name for each in first} > {"argmax", "broadcast"}
    for each in first:
        assert each.name in each.causes and len(set(each.causes)) == clinic_blind.CHOICES
    assert all(clinic_blind.draw(rngs[0], 1, "argmax").name != "argmax" for _ in range(60))


@pytest.mark.parametrize("right", [True, False])
def test_a_blind_round(session, right):
    at, run = session
    causes = ("argmax", "stale_ratio", "broadcast", "last_row", "softmax_twice")
    at.session_state["clinic_rng"] = np.random.default_rng(0)
    at.session_state["clinic_patient"] = clinic_blind.Patient(1, "stale_ratio", 2, causes)
    run("stale_ratio", 2)
    at.query_params["mode"] = "blind"
    at.switch_page(f"pages/{FILE}").run()
    assert not at.exception and not at.warning
    bug = clinic.BUGS["stale_ratio"]
    assert headings(at) == ["Patient 1", "Health checks", "Your diagnosis"]
    assert bug.title not in words(at) and not at.code and "bug" not in at.query_params
    (tests,) = at.expander
    assert "nearly name the cause" in tests.label and len(tests.table) == 1
    at.radio(key="clinic_guess_1").set_value("stale_ratio" if right else "argmax").run()
    at.button(key="clinic_check").click().run()
    assert not at.exception
    assert len(at.success) == right and len(at.warning) == (not right)
    assert bug.cause in words(at) and len(at.code) == 1
    assert any(f"{right:d} of 1" in each.value for each in at.caption)
    at.button(key="clinic_next").click().run()
    assert headings(at) == ["Patient 2"] and not at.exception


@pytest.mark.browser
def test_a_blind_round_in_the_browser(open_page):
    page = open_page("bug_clinic?mode=blind")
    page.set_default_timeout(PATIENCE)
    page.get_by_role("button", name="Run", exact=True).click()
    chart = page.locator('[aria-label^="Episode return by"]')
    chart.locator(".mark-line path").first.wait_for(state="attached")
    # Live: the checks speak while the runs still train.
    page.wait_for_function(
        "() => /running/.test(document.body.innerText) && /silent ·/.test(document.body.innerText)"
    )
    page.get_by_role("heading", name="Your diagnosis").wait_for()
    assert "bug=" not in page.url
    page.locator("[data-testid=stRadio] label").nth(2).click()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("heading", name="Cause and fix").wait_for()
    page.get_by_text(re.compile(r"Right so far: [01] of 1")).wait_for()
    wait_idle(page, PATIENCE)
    assert_no_exception(page)
    page.get_by_role("button", name="Next patient").click()
    page.get_by_role("heading", name="Patient 2").wait_for()
    assert_no_exception(page)
