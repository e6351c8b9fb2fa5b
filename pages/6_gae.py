import streamlit as st

from pages.ui import chapter, figure, predict, source
from pages.ui.predict import Option

chapter.head(__file__)

from pages.ui import gae_bias as bias_figure  # noqa: E402
from pages.ui import gae_ends, gae_steps  # noqa: E402
from pgcore.studies import gae, gae_bias, gae_handling, gae_windows  # noqa: E402

lag, gamma, lam = 20, gae_ends.GAMMA, gae_steps.LAM.default
share = gae.lag_weight(lag, gamma, lam)

st.markdown(
    """
An **advantage** says how much better an action was than what the policy does on average there. The
rewards that followed tell, with all their noise; the value network V tells, with all its errors.
**Generalized advantage estimation** (GAE) mixes both: λ = 0 looks one step ahead and trusts V from
there (to **bootstrap**), λ = 1 waits for every reward.
"""
)
predict.ask(
    "lag",
    f"γ = {gamma:g} and λ = {lam:g}. The pole falls {lag} steps after an action. How much of the "
    "fall's TD error is in that action's advantage?",
    [
        Option(
            "Almost nothing: GAE looks a few steps ahead",
            "It fades by γλ a step, which is slow: this far back it is still felt.",
        ),
        Option(
            f"About {share:.0%}",
            f"(γλ) to the power of {lag}. Put the pointer on a step before the fall and look at "
            "the blue bar in the fall's row.",
            right=True,
        ),
        Option(
            f"{lam:.0%}",
            "λ is the factor for each single step, and the factors multiply.",
        ),
    ],
)

st.subheader("One real episode, step by step")
st.markdown(
    f"""
CartPole rows of an agent after {gae_windows.FALL_UPDATES} updates: the pole falls, and a new
episode starts. Point at a step, or slide. Blue: what each TD error adds to that step's advantage.
Green: the same advantage as a weighted mean of **n-step advantages**, n rewards and then V. V was
trained with γ = {gamma:g}. Point at a term to find it in the formula, the table and the code.
"""
)
figure.show("steps", gae_steps.steps())
st.markdown(
    """
- At **λ = 0** only the first bar is blue and only n = 1 counts: the TD error itself.
- At **λ = 1** only the longest n counts: all rewards to the end, minus V(s).
- The **longest n takes what is left**, λ to the power of n − 1: the end allows no longer one.
- The sum never runs past the fall: the next episode is none of this action's doing.
"""
)

st.subheader("Where an episode ends")
st.markdown(
    """
Two ends look alike in the code and are not. A **termination** is the environment's own: the pole
fell, nothing follows. A **truncation** is a clock: the pole still stands. Both are followed by a
**reset row**, in which the environment only starts anew.
"""
)
predict.ask(
    "limit",
    "The pole stands for all 500 steps, then the time limit cuts. A trainer takes that for a "
    "termination. What advantage does the last action get?",
    [
        Option(
            "About 0: the episode was perfect",
            "It would be, if V of the final observation stood for the steps to come. Taken for a "
            "termination, they are worth 0, although V had promised them.",
        ),
        Option(
            "A large negative one",
            "One reward, minus everything that V expected from there on. Balancing to the end "
            "looks like the worst move of the episode.",
            right=True,
        ),
        Option(
            "A large positive one: it made it to the end",
            "The reward for this step is 1, like any other. Nothing pays for reaching the limit.",
        ),
    ],
)
figure.show("ends", gae_ends.ends())
st.markdown(
    """
On the right, the whole rollout. An error at one row travels back by (γλ) a step: at λ = 0 it stays
where it is made, at λ = 1 it reaches the episode's first step. A kept reset row also shifts every
other advantage where the batch is normalised.
"""
)
source.show(gae_handling.handled, "terminated | truncated")

st.subheader("Bias against variance")
st.markdown(
    f"""
How good is an advantage? To know, one needs the truth: a corridor of {gae_bias.N_STATES} states
that pays {gae_bias.END_REWARDS[0]:+g} at one end and {gae_bias.END_REWARDS[1]:+g} at the other, so
small that a linear solve gives every value. **Bias** is how far the mean estimate is off in
comparing actions; **spread** is the standard deviation around it. An error that all actions of a
state share is left out: it is a baseline (chapter 4).
""".replace("-", "−")
)
predict.ask(
    "wrong",
    "The value network says 0 in every state. Which λ gives advantages without bias?",
    [
        Option(
            "None: with wrong values everything is wrong",
            "At λ = 1 the values inside the episode cancel. Only V(s) of the first state is left, "
            "the same for all its actions: a baseline.",
        ),
        Option(
            "λ = 1",
            "Real rewards only; V is left as a baseline, and that may be wrong. The price is "
            "the largest spread.",
            right=True,
        ),
        Option(
            "λ = 0: it uses the least of what comes later",
            "It uses V the most: everything after one reward is V's word.",
        ),
        Option(
            f"λ = {lam:g}, which everybody uses",
            "Close to 1, so close to unbiased. It is a compromise, not a cure.",
        ),
    ],
)
figure.show("bias", bias_figure.bias())
st.markdown(
    """
- **V is right** (0): λ = 0 is best. There is no bias to cure, only noise to add.
- **V is wrong** and few estimates are averaged: the best λ lies between.
- **More data** moves it towards 1: averaging removes spread, never bias. Large batches can afford a
  large λ.

Bias is exact: the mean of GAE is itself a value, with the TD error as reward and γλ as discount.
"""
)
source.show(gae_bias.expected_estimates, "shaped = replace")
chapter.foot(
    __file__,
    "λ sets how long to believe rewards before believing V; an end always stops the sum, but only "
    "a termination makes what follows worth nothing.",
)
