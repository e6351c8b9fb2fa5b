"""The bug clinic: what the health checks say of both runs, while they train and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages.ui.clinic import Twins
from pgcore.health import Finding

MEASURED = """
- **Gradient**: of the loss by each log-probability, in the first gradient step of the run.
- **Ratio**: π_new(a|s) / π_old(a|s). Exactly 1 until something moved, and not after.
- **Approximate KL**: how far an update moved the policy, in nats (natural units of information).
- **Entropy**: how undecided the policy is, as a share of its maximum, ln(number of actions).
- **Explained variance**: the share of the returns' variance that the value network predicted.
- **Tests**: the first rollout again with one thing changed, a reward or a time limit, to see
  which returns follow; and which rows, signs and actions its update used. A healthy run has 0,
  unless the sentence of a firing test says otherwise.
"""
FIRES, SILENT, LATER, NOT_HERE = "fires", "silent", "at the end", "does not apply"


def show(twins: Twins, blind: bool) -> None:
    """The checks in a table, and the sentences of those that fire.

    Args:
        blind: the tests nearly name the cause, so the reader has to ask for them.
    """
    st.subheader("Health checks")
    found = twins.findings()
    if not found:
        st.markdown(
            "Looking into the first update…"
            if twins.alive
            else "The run ended before its first update: nothing to check."
        )
        return
    meters = {label: [each for each in one if not each.is_test] for label, one in found.items()}
    tests = {label: [each for each in one if each.is_test] for label, one in found.items()}
    _table(twins, meters, "Meters: what the run logs, and its first update")
    if blind:
        _sentences(twins, meters, blind)
        with st.expander("Order tests of one rollout: they nearly name the cause"):
            _table(twins, tests, "Tests of one rollout")
            _sentences(twins, tests, blind)
        return
    _table(twins, tests, "Tests of one rollout")
    _sentences(twins, found)
    with st.expander("What is measured"):
        st.markdown(MEASURED)


def _table(twins: Twins, found: dict[str, list[Finding]], title: str) -> None:
    names = [each.name for each in next(iter(found.values()))]
    columns = {
        label: [_word(each) for each in found[label]] if label in found else ["…"] * len(names)
        for label in twins.jobs
    }
    st.table(pd.DataFrame(columns, index=pd.Index(names, name=title)))


def _sentences(twins: Twins, found: Mapping[str, Sequence[Finding]], blind: bool = False) -> None:
    """What the firing checks say of the broken run, in the table's order."""
    ill = list(twins.jobs)[-1]
    if ill not in found:
        return
    fired = [each for each in found[ill] if each.fired]
    if fired:
        st.markdown("\n".join(f"- **{each.name}** ({ill}). {each.sentence}" for each in fired))
    elif twins.alive:
        st.markdown("None of these fires so far.")
    elif len(twins.jobs) == 1 and not blind:
        st.markdown(
            "**No check fires.** The run is healthy: what is wrong is the number that its author "
            "looks at, and no check of the run can see that. The two charts above show it."
        )
    else:
        st.markdown(f"None of these fires on {ill if len(twins.jobs) == 1 else 'the broken run'}.")


def _word(finding: Finding) -> str:
    if finding.value is None:
        return LATER if finding.waits else NOT_HERE
    word = FIRES if finding.fired else LATER if finding.waits else SILENT
    text = f"{word} · {finding.value:.2g}".replace("-", "−")
    return f":red[**{text}**]" if finding.fired else text
