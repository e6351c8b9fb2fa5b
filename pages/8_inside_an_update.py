"""One PPO update, taken apart: every transition at every gradient step."""

from __future__ import annotations

import streamlit as st

from pages.ui import theme

st.title("Inside an update")
st.markdown("##### Which sample pushes the policy where, and what does the clip do about it?")
theme.load_torch()

from pages.ui import predict, source, update_escape, update_page, update_source  # noqa: E402
from pages.ui.predict import Option  # noqa: E402
from pgcore import recording  # noqa: E402

st.markdown(
    """
PPO learns from one batch in several passes (**epochs**), a **minibatch** at a time; each minibatch
is one **gradient step**. Here a real update is taken again, bit for bit, and every transition is
looked at in every step: the gradients are those that autograd found in the update itself.
"""
)
picked = update_source.pick(update_escape.NAMES)
if picked is None:
    st.stop()

update_page.predict_range(picked)
st.subheader("Every transition is a dot")
st.markdown(
    r"""
Across: its **ratio** $r = \pi_\mathrm{new}(a|s) / \pi_\mathrm{old}(a|s)$. Up: its clipped objective
$\min(rA, \mathrm{clip}(r)A)$, to be maximised. So a dot lies on the curve of its advantage $A$: the
thin lines are a few of them. A green ring is outside the range and pulled back; the orange one is
the dot that you pressed. Play it: in step 1 nothing has moved yet, and all ratios are 1.
"""
)
update_page.microscope(picked)

st.subheader("Escape from the clip")
st.markdown(
    """
The same batch once more, from the same weights and with the same shuffling, under settings of your
own: what leaves the range, and by how much? Beside PPO's clip stand two objectives without half of
it: **no clip** is the ratio times A alone; **clip without min** takes the clipped product always.
"""
)
predict.ask(
    "without min",
    "Without the min, the clipped product is taken always. Which samples lose their gradient that "
    "PPO would pull back?",
    [
        Option(
            "None: outside the range the gradient is zero in PPO, too",
            "In PPO it is zero only on the side that the advantage points to. The samples with a "
            "ring above are outside the range and have their gradient.",
        ),
        Option(
            "Those that left the range against their advantage",
            "There min takes the unclipped product and the gradient brings them back; without min "
            "the clipped product is flat on both sides, and they are lost.",
            right=True,
        ),
        Option(
            "Those inside the range",
            "Inside, both products are equal, and so are their gradients.",
        ),
    ],
)
st.markdown(
    """
Three things to find out: does a small **learning rate** keep every ratio inside? Does **momentum**
0? And a **KL stop** of 0.02: does it end the update before the ratios are furthest out, or after?
"""
)
update_escape.show(picked)

st.subheader("How an update is recorded")
source.show(recording.record)
