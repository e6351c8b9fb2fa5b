import streamlit as st

from pages.ui import chapter, figure, predict, source
from pages.ui import ppo_clip_figures as one
from pages.ui import ppo_epochs_figures as many
from pages.ui.predict import Case, Option

chapter.head(__file__)

from pgcore import losses  # noqa: E402
from pgcore.config import TrainConfig  # noqa: E402
from pgcore.studies import ppo_clip, ppo_epochs  # noqa: E402

st.markdown(
    """
A rollout is expensive, so PPO takes several gradient steps (**epochs**) on one batch. After the
first step, the policy is no longer the one that acted. The **ratio**
$r = \\pi_\\mathrm{new}(a|s) \\,/\\, \\pi_\\mathrm{old}(a|s)$
says how far it has gone for one sample: at 1 nothing has changed, at 2 the action is twice as
likely. PPO stops pushing a sample once its ratio has gone far enough: that is the clip.
"""
)
st.subheader("One sample: drag the point")
figure.show("clip", one.objective())
st.markdown(
    r"""
The objective is maximised; A is the advantage, how much better the action was than expected:
"""
)
st.latex(r"L = \min\big(\, r\,A,\;\; \mathrm{clip}(r,\, 1-\varepsilon,\, 1+\varepsilon)\,A \,\big)")
predict.ask(
    "outside",
    "The ratio is outside the range from 1 − ε to 1 + ε. Is the gradient zero?",
    [
        Option(
            "Yes, the ratio is clipped there",
            "That mixes up the clip and the min. Clipping makes one branch flat; the gradient is "
            "zero only if min picks that branch. Set A to −1 and the ratio to 1.4: the gradient "
            "is alive.",
        ),
        Option(
            "Only if the ratio has already gone the way that the advantage points",
            "Above 1 + ε with A > 0, or below 1 − ε with A < 0. On the other side min picks the "
            "unclipped branch, and the gradient pulls the ratio back.",
            right=True,
        ),
        Option(
            "No, the clip keeps the ratio from ever getting there",
            "Nothing in the objective moves the ratio back to the bound, or stops a step at it. "
            "Below, one step goes straight through.",
        ),
    ],
)
source.show(losses.clipped_surrogate, "torch.minimum")

st.subheader("The six cases")
effects = {"up": "pushes it up", "down": "pushes it down", "nothing": "zero gradient"}
branches = {"both": "both branches are equal", "clipped": "min picks the clipped branch"}
branches["unclipped"] = "min picks the unclipped branch"
predict.fill(
    "six",
    "What does the sample do to the probability of its action?",
    [
        Case(
            f"{'A > 0' if case.sign > 0 else 'A < 0'}, ratio {case.place}",
            effects[case.effect],
            f"{branches[case.branch]}: slope {'A' if case.slope else 0}.",
        )
        for case in ppo_clip.six_cases(one.EPS.default).itertuples()
    ],
    list(effects.values()),
    columns=2,
)

st.subheader("Why the min, and what else one could do")
st.markdown(
    f"""
Without the min, the clip is flat on **both** sides: a sample that went the wrong way is lost.
Without the clip, there is no end. A **KL penalty** has no flat part: it subtracts β times an
estimate of the KL divergence, a measure of how far the new policy is from the old one. ε is
{one.EPS.default} from here on.
"""
)
figure.show("compare", one.compare())

st.subheader("One state, many epochs")
predict.ask(
    "bounded",
    f"PPO with ε = {one.EPS.default}, many epochs on one batch. How high can a ratio go?",
    [
        Option(
            f"Up to {1 + one.EPS.default:g}: the clip is the bound",
            "The clip bounds what the objective pays for, not where the optimizer lands. A "
            "step that starts inside is taken in full.",
        ),
        Option(
            "As high as step size, momentum and shared weights carry it",
            "The clip switches off one sample's gradient, one step too late, and nothing else.",
            right=True,
        ),
        Option(
            f"A little over {1 + one.EPS.default:g}, then it is pulled back",
            "On that side the gradient is zero, not negative: there is nothing to pull it back.",
        ),
    ],
)
st.markdown(
    f"""
A softmax policy over three actions, all alike at first. The batch has two samples: this state's,
with the advantage you choose, and a neighbour's with advantage {ppo_epochs.NEIGHBOUR_ADVANTAGE}.
At 0 **shared weights** they have nothing in common; at {many.SHARE.values[-1]} their features
overlap by that much, and a step for one moves the other.
"""
)
figure.show("epochs", many.epochs())
st.markdown(
    """
Try: **step size**, learning rate 0.1 and then 2 · **momentum**, with SGD's and with Adam ·
**shared weights** 0.9 with advantage zero: the ratio moves without a gradient of its own.
"""
)

st.subheader("Two meters that people confuse")
predict.ask(
    "meters",
    "A training log says clip_fraction = 30%. How many samples have no gradient?",
    [
        Option(
            "30%",
            "clip_fraction only asks whether a ratio is outside the range, whatever the sign of "
            "the advantage.",
        ),
        Option(
            "At most 30%",
            "Those outside on the side that their advantage points to. If the ratios moved "
            "at random, that is about half; after many epochs, nearly all.",
            right=True,
        ),
        Option(
            "At least 30%",
            "Inside the range no sample with an advantage is ever without a gradient, so the "
            "share cannot be larger.",
        ),
    ],
)
st.markdown(
    f"""
{many.BATCH} made-up samples after an update. **Drift** is how far the ratios have spread;
**agreement** is how far each went the way that its advantage points (1: all did, −1: none did).
"""
)
figure.show("batch", many.batch())
hot = 30 * TrainConfig.fast("ppo").learning_rate
st.markdown(
    f"""
Two more say how far the whole batch went. **approx_kl** estimates the KL divergence, how far the
new policy is from the one that acted: the mean of ratio − 1 − ln ratio, 0 before the first step.
The **ratio spread** s is the ratios' standard deviation: an old sample is then worth 1 / (1 + s²)
of a fresh one. The Train page marks where either of them runs away. Make it happen:
[30 times the learning rate](train?learning_rate={hot:g}) ·
[almost no clip, 10 epochs](train?clip_eps=0.99&n_epochs=10&learning_rate={hot / 12:g}).
"""
)
source.show(losses.clip_fraction, docstring=False)
source.show(losses.zero_gradient_fraction, docstring=False)
chapter.foot(
    __file__,
    "The clip does not bound the ratio. It takes away a sample's reason to go on, and min gives "
    "it back where the sample went the wrong way.",
)
