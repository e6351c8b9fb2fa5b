"""One thing is wrong in a run: what? Broken on purpose, beside its healthy twin."""

from __future__ import annotations

import streamlit as st

from pages.ui import controls, theme

st.title("Bug clinic")
st.markdown("##### One thing is wrong in this run: what, and what would have shown it?")
theme.load_torch()

from pages.ui import clinic, clinic_blind, clinic_file, clinic_harm, clinic_live  # noqa: E402  (they import torch)

KNOWN, BLIND = "known", "blind"
MODE = controls.choice("mode", "Mode", [KNOWN, BLIND])

st.markdown(
    """
Broken policy-gradient code fails silently: it runs, prints numbers, and never learns. Here are
such bugs, each in a run where **one thing** is wrong, beside its **healthy twin**: the same seed,
and the same everything else. Both are trained while you watch. **Health checks** read the numbers
that a run logs, and put questions to its first rollout, without knowing the cause.
"""
)
mode = MODE.widget()
if mode == BLIND:
    st.query_params.pop("bug", None)
    st.markdown("A bug drawn at random; you see only its symptoms. Run, look, and name the cause.")
    clinic_blind.show()
    st.stop()

name, seed = clinic.pick()
st.markdown(f"**What one sees.** {clinic.BUGS[name].symptom}")
twins = clinic_live.watch(name, seed)
if twins is not None and not twins.alive:
    clinic_file.metrics(twins)
clinic_harm.show(name)
clinic_file.difference(name)
clinic_file.evidence(name, seed)
clinic_file.cause_and_fix(name)

st.markdown("## Is it in your own code?")
st.markdown(
    """
The **grader** looks for these bugs in a file of yours, in a terminal beside the project. It wants a
class `REINFORCE`, `VPG`, `PPO` or `GAE` with `get_action` and `get_loss`; with it, if you have
them, your `TrajData` and your training loop. This app never runs your code.

```sh
python -m pgcore check my_agent.py
```
"""
)
