"""Why did it collapse, on the Train page: marks on the curve, sentences, links to chapters."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from pages.ui import run_names, train_incidents, training_rows
from pages.ui.chapter import CHAPTERS
from pgcore.config import TrainConfig
from pgcore.forks import Fork
from pgcore.jobs import JobState, TrainingJob
from pgcore.symptoms import RULES
from tests.conftest import assert_no_exception, wait_idle

PATIENCE = 90_000
HOT = {"learning_rate": 0.75, "n_updates": 10}
RETURNS = '[aria-label^="Episode return by"]'


@pytest.fixture(scope="module")
def snapshots():
    """A run made to collapse, twice, and a healthy one, as the page shows them."""
    shown = {}
    for number, changes in ((1, HOT), (2, {"n_updates": 5}), (3, HOT)):
        config = TrainConfig.fast("ppo", **changes)
        job = TrainingJob(config)
        job.start()
        job.join(120)
        assert job.snapshot().state is JobState.DONE
        shown[run_names.label(number, config)] = job.snapshot()
    return shown


def test_every_rule_leads_to_a_chapter_that_is_there():
    chapters = {chapter.url_path for chapter in CHAPTERS if chapter.exists}
    assert set(RULES.values()) - {""} == set(train_incidents.EXPLAINED) <= chapters


def test_marks_are_numbered_run_by_run_and_close_ones_share_one(snapshots):
    found = train_incidents.marks(snapshots)
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    first, _, last = snapshots
    assert [one.run for one in found] == sorted(one.run for one in found)
    assert {one.run for one in found} == {first, last}
    for mark in found:
        updates = [one.update for one in mark.incidents]
        assert updates[-1] - updates[0] < 0.06 * HOT["n_updates"]
        assert mark.text.count("Likely cause") == 1
    assert {one.rule for one in found[0].incidents} >= {"kl"}


def test_a_fork_is_not_blamed_for_its_parent(snapshots):
    """The policy was thrown off before the branch; what comes after has begun there."""
    name, parent = next(iter(snapshots.items()))
    middle = next(one for one in parent.checkpoints if one.update == 5)
    fork = Fork(name, middle, parent.config, parent.stats[:5])
    branch = dataclasses.replace(parent, stats=parent.stats[5:], fork=fork)
    whole = [one for mark in train_incidents.marks({name: parent}) for one in mark.incidents]
    after = [one for mark in train_incidents.marks({name: branch}) for one in mark.incidents]
    assert whole[0].update <= 5 and after == [one for one in whole if one.update > 5]


def test_a_mark_lies_on_its_run_and_clear_of_the_edges(snapshots):
    found = train_incidents.marks(snapshots)
    curve, _ = training_rows.curve_rows(snapshots)
    free = train_incidents.rows(found, curve, None)
    assert list(free["mark"]) == [str(one.number) for one in found]
    for row, mark in zip(free.itertuples(), found, strict=True):
        on = curve[(curve["run"] == mark.run) & (curve["env_steps"] == row.env_steps)]
        assert row.mean == on["mean"].item()
    assert train_incidents.rows(found, curve, (0, 510))["mean"].min() == pytest.approx(25.5)
    nothing_ended = train_incidents.rows(found, curve[:0], (0, 510))
    assert nothing_ended.empty and list(nothing_ended.columns) == list(free.columns)


def test_a_meter_without_a_finite_value_leaves_a_gap(snapshots):
    stats = next(iter(snapshots.values())).stats
    assert any(not math.isfinite(one.approx_kl) for one in stats)
    rows = training_rows.meter_rows(snapshots)
    assert rows["value"].map(math.isfinite).all()
    assert {"approx_kl", "ratio_spread"} <= set(rows["meter"])


def numbers(page) -> list[str]:
    """What is written on the return chart, apart from its axes and legend."""
    return page.locator(f"{RETURNS} .mark-text.role-mark text").all_text_contents()


@pytest.mark.browser
def test_a_collapse_is_marked_explained_and_linked(open_page):
    page = open_page("train?" + "&".join(f"{name}={value}" for name, value in HOT.items()))
    page.set_default_timeout(PATIENCE)
    page.get_by_role("button", name="Start", exact=True).wait_for()
    wait_idle(page, PATIENCE)
    page.get_by_text("Full speed", exact=True).click()
    wait_idle(page, PATIENCE)
    page.get_by_role("button", name="Start", exact=True).click()
    listing = page.locator(".st-key-incidents")
    listing.get_by_text("One update threw the policy far from its rollout").wait_for()
    page.locator("[data-testid=stProgress]").get_by_text(re.compile("^Done")).wait_for()
    wait_idle(page, PATIENCE)
    text = listing.inner_text()
    assert "#1 PPO edited, seed 0, update 1." in text
    assert "the learning rate, 0.75, is 30 times the fast preset's" in text
    assert "No collapse found" not in text
    told = listing.get_by_text("Likely cause").count()
    assert [one for one in numbers(page) if one != "solved"] == [str(i + 1) for i in range(told)]
    listing.get_by_role("link", name="5 · The PPO clip: KL and the ratio spread").first.click()
    page.wait_for_url("**/ppo_clip")
    page.get_by_text("approx_kl estimates the KL divergence").wait_for()
    # Within the session: the run is still there.
    page.get_by_role("link", name="Train", exact=True).first.click()
    listing.get_by_text("One update threw the policy far from its rollout").wait_for()
    assert_no_exception(page)


@pytest.mark.browser
def test_a_healthy_run_is_told_so_at_its_end(open_page):
    page = open_page("train?n_updates=6")
    page.set_default_timeout(PATIENCE)
    page.get_by_role("button", name="Start", exact=True).wait_for()
    wait_idle(page, PATIENCE)
    page.get_by_role("button", name="Start", exact=True).click()
    listing = page.locator(".st-key-incidents")
    listing.get_by_text("No collapse found").wait_for()
    assert numbers(page) == ["solved"]
    assert_no_exception(page)
