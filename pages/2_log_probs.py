import math

import streamlit as st

from pages.ui import chapter, figure, predict, source

chapter.head(__file__)

from pages.ui import log_probs_figures, log_probs_limits, log_probs_policy  # noqa: E402
from pages.ui import log_probs_questions as questions  # noqa: E402
from pgcore.agents import Agent  # noqa: E402
from pgcore.losses import clipped_surrogate  # noqa: E402
from pgcore.studies import float32, log_probs  # noqa: E402
from pgcore.train import Trainer  # noqa: E402

st.markdown(
    """
A policy network ends in a bare linear layer: one number an action, its **logit**. From the logits
comes **π(a|s)**: how likely the agent is to take action a when it sees s. Training works with
ln π(a|s) instead. This chapter shows why.

#### From logits to probabilities
A logit is a score: any number, negative too. **Softmax** raises e to each and divides by the sum.
The **temperature** T divides the logits first; agents use T = 1. Drag the dots.
"""
)
predict.ask(*questions.SHIFT)
n_actions = int(log_probs_policy.ACTIONS.widget())


main = log_probs_policy.policy(n_actions)
SAMPLES, ENTROPY, GRADIENT = f"samples-{n_actions}", "entropy", f"gradient-{n_actions}"
figure.show(
    f"policy-{n_actions}",
    main,
    live=log_probs_policy.live_policy(n_actions),
    redraws=(SAMPLES, ENTROPY, GRADIENT),
)


def policy_now() -> tuple[tuple[float, ...], float]:
    """Logits and temperature, as they stand above."""
    values = figure.values(f"policy-{n_actions}", main)
    logits = tuple(values[control.name] for control in log_probs_policy.logits_of(n_actions))
    return logits, values[log_probs_policy.TEMPERATURE.name]


st.latex(r"\pi(a) = \frac{e^{z_a / T}}{\sum_b e^{z_b / T}}")
st.latex(r"\ln \pi(a) = \frac{z_a}{T} - \ln \sum_b e^{z_b / T}")
source.show(log_probs.policy, "Categorical(logits=")

st.markdown(
    """
#### Drawing actions
The probabilities make a **categorical distribution**: a die with n uneven faces, so a discrete one.
The agent rolls it at every step. Few rolls say little about π; many settle on it.
"""
)
figure.follow(
    SAMPLES,
    lambda: (
        log_probs_figures.samples(n_actions),
        log_probs_figures.live_samples(*policy_now()),
    ),
)
source.show(Agent.get_action, "torch.multinomial")
st.markdown(
    """
#### Entropy
−ln π(a) is how surprising an action is. Its mean over the policy's own actions is the **entropy**
H: 0 when one action is certain, ln n when all n are equal. Above, a sampled mean settles on it. A
low temperature makes the policy sure, a high one undecided; neither changes the order.
"""
)
figure.follow(
    ENTROPY,
    lambda: (log_probs_figures.entropy(), log_probs_figures.live_entropy(*policy_now())),
)
st.markdown(
    """
#### Which way to push
To make an action more likely, follow the gradient of its log-probability. By each logit it is
**onehot(a) − π**: up for the action taken, down for all others, and zero in total. With a
temperature it is divided by T. The bar is what autograd finds; the ring is the formula.
"""
)
predict.ask(*questions.SURE)
figure.follow(GRADIENT, lambda: log_probs_figures.gradient_of(n_actions, *policy_now()))
source.show(log_probs.grad_log_prob, "log_prob(action)")
with st.expander("The line that does it in training, for every sampled action"):
    source.show(Trainer._gradient_step, "distribution.log_prob(batch.actions)", docstring=False)

st.markdown(
    """
#### The logarithm of a probability
A coin has one free number, p. ln p runs from 0 (certain) down without end (impossible). The coin's
logit is ln p − ln(1 − p), the **log-odds**: 0 for a fair coin.
"""
)
predict.ask(*questions.COIN)
figure.show("coin", log_probs_limits.coin())

st.markdown(
    """
#### Why logarithms: long products
The probability of an episode's actions is a product of one factor a step, and a CartPole episode
has up to 500 steps. Drag along the chart to where the product ends.
"""
)
predict.ask(*questions.PRODUCT)
figure.show("underflow", log_probs_limits.underflow())
st.caption(
    "The gradient is by the logit of the action taken, against one other action. A product that "
    "does not reach the floor keeps its gradient: compare 0.85 and 0.80."
)

st.markdown(
    """
#### Why logarithms: ratios
PPO asks how much more likely an action has become: the ratio A/B of its probability under the new
policy and the old. Agents store ln A and ln B and compute **exp(ln A − ln B)**. Dividing A by B
breaks where both are tiny: in coarse steps first, then ∞ or 0, at last 0/0.
"""
)
figure.show("ratio", log_probs_limits.ratio())
st.caption(
    f"A choice between two equal actions has ln B = −{math.log(2):.1f}: there both ways agree. It "
    "takes two logits 100 apart to get to ln B = −100, or the product of a long episode. Even the "
    f"good way ends at a difference of {math.log(float32.LARGEST_FLOAT32):.1f}: exp overflows."
)
source.show(clipped_surrogate, "ratio = torch.exp")
chapter.foot(
    __file__,
    "**Settled:** logits are free scores, softmax makes them probabilities, and their logarithms "
    "add where probabilities multiply. ∇ ln π(a) says which way to push. How far is chapter 3.",
)
