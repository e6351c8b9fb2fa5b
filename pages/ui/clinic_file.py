"""The bug clinic: a patient's file. What differs, what gives it away, what the checks say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import clinic
from pages.ui.clinic import BUGS, Twins
from pgcore import health
from pgcore.environments import sizes
from pgcore.health import Finding
from pgcore.studies import clinic as study

HARMLESS, MILD = 0.95, 0.7
"""Share of the healthy run's mean return above which the bug did no, or only some harm."""

MEASURED = """
- **Gradient**: of the loss by each log-probability, in the first gradient step of the run.
- **Ratio**: π_new(a|s) / π_old(a|s). Exactly 1 until something moved, and not after.
- **Approximate KL**: how far an update moved the policy, in nats (natural units of information).
- **Entropy**: how undecided the policy is, as a share of its maximum, ln(number of actions).
- **Explained variance**: the share of the returns' variance that the value network predicted.
"""


@st.cache_data(max_entries=200, show_spinner="Taking the first update apart…")
def _evidence(name: str, seed: int) -> pd.DataFrame:
    return study.evidence(name, seed=seed)


@st.cache_data(max_entries=200, show_spinner="Taking the first update apart…")
def _probe(name: str, seed: int, broken: bool) -> health.Probe:
    run = BUGS[name].broken_run if broken else BUGS[name].healthy_run
    trainer = run(seed)
    _, seen = health.probe(trainer)
    trainer.envs.close()
    return seen


def findings(twins: Twins) -> dict[str, tuple[Finding, ...]]:
    """What the checks say of each run that got through an update."""
    n_actions = sizes(twins.bug.config.env_id)[1]
    found = {}
    for label, job in twins.jobs.items():
        stats = job.snapshot().stats
        if stats:
            seen = _probe(twins.name, twins.seed, label == "broken")
            found[label] = health.check(stats, seen, n_actions)
    return found


def checks(twins: Twins) -> None:
    """Which health checks fire, in a table, and the sentences of those that do."""
    st.subheader("Health checks")
    found = findings(twins)
    if not found:
        st.markdown("The run ended before its first update: nothing to check.")
        return
    table = pd.DataFrame(
        {label: [_word(each) for each in one] for label, one in found.items()},
        index=[each.name for each in next(iter(found.values()))],
    )
    st.table(table)
    ill = list(found)[-1]
    fired = [each for each in found[ill] if each.fired]
    if fired:
        for each in fired:
            st.markdown(f"- **{each.name}** ({ill}). {each.sentence}")
    elif len(found) == 1:
        st.markdown("**No check fires.** The run is healthy.")
    else:
        st.markdown(
            "**No check fires on the broken run.** Checks like "
            "these find a policy that does not move, moves too far or stops exploring; wrong "
            "returns or wrong rows look healthy to them. Only the values themselves show it."
        )
    with st.expander("What is measured"):
        st.markdown(MEASURED)


def _word(finding: Finding) -> str:
    if finding.value is None:
        return "does not apply"
    return f"{'🔴 fires' if finding.fired else 'silent'} · {finding.value:.2g}"


def difference(name: str) -> None:
    """The one thing that differs, as a diff."""
    st.subheader("The one thing that differs")
    lines = BUGS[name].difference()
    if lines:
        st.code(lines, language="diff", wrap_lines=True)
    else:
        st.markdown("Nothing: the code is right. Only the number that is looked at is wrong.")


def evidence(name: str, seed: int) -> None:
    """The shapes or values that give it away."""
    st.subheader("What gives it away")
    rows = _evidence(name, seed)
    if BUGS[name].metric != "episode_return":
        rows = rows.drop(columns="broken").rename(columns={"healthy": "the run"})
    st.table(rows.set_index("what").rename_axis(None))
    st.caption(f"Measured early in a run with seed {seed}.")


def metrics(twins: Twins) -> None:
    """Both metrics of one run, where the bug is in what its author looks at."""
    ended = [one for one in twins.broken.snapshot().stats if one.episode_returns]
    if len(twins.jobs) == 2 or len(ended) < 2:
        return
    first, last = ended[0], ended[-1]
    st.markdown(
        f"From update {first.update} to {last.update}, the mean reward a step went from "
        f"{first.reward_per_step:.2f} to {last.reward_per_step:.2f}; the mean episode return from "
        f"{np.mean(first.episode_returns):.1f} to {np.mean(last.episode_returns):.1f}."
    )


def cause_and_fix(name: str) -> None:
    bug = BUGS[name]
    st.subheader("Cause and fix")
    st.markdown(f"**Cause.** {bug.cause}")
    st.markdown(f"**Fix.** {bug.fix}")


def harm(name: str) -> None:
    """Fresh episodes of both, over the seeds that this session has run."""
    pairs = sorted(
        (
            twins
            for (each, _), twins in clinic.kept().items()
            if each == name and twins.complete and len(twins.jobs) == 2
        ),
        key=lambda twins: twins.seed,
    )
    if not pairs:
        return
    st.subheader("Does it hurt on CartPole?")
    means = pd.DataFrame(
        {
            label: [_score(twins.jobs[label].snapshot()) for twins in pairs]
            for label in ("healthy", "broken")
        },
        index=[f"seed {twins.seed}" for twins in pairs],
    )
    st.table(means.map("{:.1f}".format))
    episodes = len(pairs[0].healthy.snapshot().scores[-1].evaluation.returns)
    healthy, broken = float(means["healthy"].mean()), float(means["broken"].mean())
    numbers = (
        f"mean return of {episodes} fresh episodes after training: {broken:.1f} with the bug, "
        f"{healthy:.1f} without, over {len(pairs)} seed{'s' * (len(pairs) > 1)}"
    )
    if broken >= HARMLESS * healthy:
        verdict = f"**Harmless at the end of this run:** {numbers}. It is a bug all the same: "
        verdict += "longer episodes, other environments or bad luck can make it show."
    elif broken >= MILD * healthy:
        verdict = f"**It costs something:** {numbers}."
    else:
        verdict = f"**It hurts:** {numbers}."
    if len(pairs) < 3:
        verdict += " That is few: run further seeds, and they are added here."
    st.markdown(verdict)


def _score(snapshot) -> float:
    return float(np.mean(snapshot.scores[-1].evaluation.returns))
