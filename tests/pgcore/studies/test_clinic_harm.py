"""The kept table of what each bug costs: whole, of the bugs as they are now, and true."""

from __future__ import annotations

import pandas as pd
import pytest

from pgcore.bugs import discover
from pgcore.evaluate import evaluate
from pgcore.studies import clinic_harm
from pgcore.studies.clinic_harm import SEEDS, Harm, harm

BUGS = {name: bug for name, bug in discover().items() if bug.metric == "episode_return"}


@pytest.mark.parametrize("name", BUGS)
def test_the_table_is_of_the_bug_as_it_is(name):
    table = pd.read_csv(clinic_harm.TABLE)
    rows = table[table["bug"] == name]
    assert rows["seed"].tolist() == list(SEEDS)
    made_anew = f"{name} has changed: run {clinic_harm.COMMAND} {name}"
    assert set(rows["fingerprint"]) == {clinic_harm.fingerprint(BUGS[name])}, made_anew
    measured = harm(name)
    assert measured is not None and measured.healthy > 100


def test_a_policy_that_never_moves_returns_what_it_did_untrained():
    measured = harm("detached_log_probs")
    assert measured is not None
    for _, row in measured.rows[:2].iterrows():
        trainer = BUGS["detached_log_probs"].broken_run(int(row["seed"]))
        untrained = evaluate(trainer.agent, "CartPole-v1", seed=int(row["seed"])).mean
        assert row["broken"] == pytest.approx(untrained, abs=0.01)


def test_a_row_made_anew():
    """A whole pair again. Another machine rounds otherwise, but both ends of CartPole are firm."""
    measured = harm("missing_minus")
    assert measured is not None
    row = measured.rows.iloc[0]
    short = BUGS["missing_minus"].broken_run(int(row["seed"]))
    assert clinic_harm.outcome(short).end == pytest.approx(row["broken"], abs=0.5)
    assert row["healthy"] > 20 * row["broken"]


def test_a_verdict_is_by_the_agents_at_the_end():
    def of(broken: float, way: float) -> Harm:
        rows = {"seed": [0, 1], "healthy": [500.0, 500.0], "broken": [broken, broken]}
        return Harm(pd.DataFrame({**rows, "healthy_way": [300.0] * 2, "broken_way": [way] * 2}))

    assert [of(end, 300).verdict for end in (480, 400, 100)] == ["harmless", "costs", "hurts"]
    assert (of(500, 299).slower, of(500, 200).slower) == (False, True)
    assert (of(500, 300).worse, of(499, 300).worse) == (0, 2)


def test_what_is_no_bug_has_no_row():
    assert harm("blind_metric") is None
