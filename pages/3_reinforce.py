import streamlit as st

from pages.ui import chapter, figure, predict, source
from pages.ui.predict import Option

chapter.head(__file__)

from pages.ui import reinforce_figures, reinforce_trajectory  # noqa: E402
from pgcore.agents import REINFORCE  # noqa: E402
from pgcore.losses import policy_gradient_loss  # noqa: E402
from pgcore.returns import discounted_returns  # noqa: E402
from pgcore.studies import score_function  # noqa: E402

st.markdown(
    """
REINFORCE plays with the policy it has, adds up the reward that followed each action, and makes
actions followed by much reward more likely. It needs no model of the world: only samples.

#### One trajectory, one step
Edit the **trajectory**: what the agent did, what each step paid, where an episode ended. The
**return** of a step is its reward plus γ times the next return; at an end the sum starts afresh.
"""
)
left, right = st.columns([2, 3], gap="medium")
with left:
    steps = reinforce_trajectory.edit()
    st.markdown(
        """
**Line:** the return of each step. It breaks where an episode ends.

**Triangles:** what each step does to each action's logit, up or down. The return is the *weight*
of the step: it scales the push.

**Curves:** all pushes added up, times the learning rate α: one gradient step.

The policy here is one softmax, the same in every state, so that all pushes meet in one place. A
network does this for every state at once. Agents step with Adam; this is plain gradient descent.
"""
    )
with right:
    figure.show("update", reinforce_figures.trajectory(steps))

predict.ask(
    "all-positive",
    "Press *+1 for every step*. All returns are positive now, and every action was taken three "
    "times. After one gradient step, which actions are more likely?",
    [
        Option(
            "All three: each was followed by reward.",
            "Probabilities add up to 1, so they cannot all rise. A push up on one logit is a push "
            "down on all others, and the pushes of a step add up to zero.",
        ),
        Option(
            "None: all rewards are equal, so there is nothing to prefer.",
            "The rewards are equal, the returns are not: an early step has more reward ahead of "
            "it. REINFORCE weighs by the return.",
        ),
        Option(
            "Those with more return than the others had.",
            "*Left* rises although it is no better: it was taken first, with more reward ahead. "
            "The signal is relative, and with few samples it is partly luck. Chapter 4 subtracts "
            "a baseline to make it less so.",
            right=True,
        ),
    ],
)
st.markdown("The loss is the mean of the table's last column. Its gradient is all that matters.")
st.latex(
    r"L = -\frac1T \sum_t \ln \pi(a_t \mid s_t)\, R_t \qquad "
    r"R_t = r_t + \gamma\,(1 - \mathrm{done}_t)\, R_{t+1}"
)
tabs = st.tabs(["The loss", "The returns", "The agent"])
with tabs[0]:
    source.show(policy_gradient_loss, "return -(log_probs * weights)")
with tabs[1]:
    source.show(discounted_returns, "following = rewards[t]")
with tabs[2]:
    source.show(REINFORCE, "policy_gradient_loss(log_probs, weights)")

st.markdown(
    """
#### Why does that climb?
Three **arms** of a bandit pay 1, 2 and 3 on average, plus noise. The goal is the expected reward
J. Its exact gradient (orange arrow) needs every arm's mean, which an agent does not know. But J
changes with π alone, and that gives a formula that only needs samples, the **score-function
estimator**. *Score* is the name of ∇ ln π(a).
"""
)
st.latex(
    r"J = \sum_a \pi(a)\, \mu_a \qquad \nabla J = \sum_a \pi(a)\, \mu_a\, \nabla \ln \pi(a) = "
    r"\mathbb{E}_{a \sim \pi}\big[\, r\, \nabla \ln \pi(a)\, \big]"
)
predict.ask(
    "four-times",
    "A batch four times as large: by how much does the spread of the gradient estimates shrink?",
    [
        Option(
            "To a quarter: four times the data, a quarter of the error.",
            "The variance falls to a quarter. The spread is its square root.",
        ),
        Option(
            "To a half.",
            "Spread falls with one over the square root of the batch: a slope of −1/2 on "
            "logarithmic axes, as measured above. Ten times the precision costs a hundred times "
            "the samples. That is why this course now turns to lowering variance.",
            right=True,
        ),
        Option(
            "Not at all: the noise is in the rewards.",
            "Even with σ = 0 the arrows scatter, since which arms are pulled is chance. And a mean "
            "over more pulls is steadier, whatever the noise.",
        ),
    ],
)
st.markdown(
    "Each blue arrow is the gradient estimated from one batch. They scatter around the exact one: "
    "no **bias**, much **variance**. Drag along the right chart."
)
figure.show("estimator", reinforce_figures.estimator())
st.caption(
    "Two of three dimensions: the push on B is minus the sum of the other two. Spread: root mean "
    "square distance from the exact gradient, over 600 batches. Both axes on the right are "
    "logarithmic."
)
source.show(score_function.estimates, "policy_gradient_loss(log_probs, weights).backward()")

st.markdown(
    """
#### Leave out the past
Now an episode is several pulls, and J is the sum of their rewards. The plain estimator weighs
every action with the **full return** of its episode. But an action cannot change what was paid
before it: **reward-to-go** counts only what came after. Same episodes, both weights.
"""
)
predict.ask(
    "to-go",
    "Reward-to-go throws away part of the reward. What does it change?",
    [
        Option(
            "The mean of the estimate: dropping rewards makes it too small.",
            "What is dropped is zero on average: earlier rewards do not depend on the action, and "
            "the score has mean zero. Both clouds are centred on the orange arrow.",
        ),
        Option(
            "Only its spread, which shrinks.",
            "Earlier rewards are pure noise to a later action. Dropping them keeps the mean and "
            "narrows the cloud, more so in longer episodes.",
            right=True,
        ),
        Option(
            "Nothing: the dropped terms cancel.",
            "They cancel on average, not in a sample. In a sample they are noise.",
        ),
    ],
)
figure.show("weightings", reinforce_figures.weightings())
st.caption(
    "Without discount, gradients per step. An arrow is the mean of 20 episodes. With γ below 1, "
    "practice also drops a factor γᵗ from the exact formula, so that late steps count fully."
)

st.markdown(
    """
#### The loss is not a score
REINFORCE learns the bandit. Add a constant to every reward: the best arm stays the best arm.
"""
)
predict.ask(
    "loss",
    "In some run the REINFORCE loss rises from update to update. Is the agent getting worse?",
    [
        Option(
            "Yes: a loss is what training makes small.",
            "Each step lowers the loss *on its own batch*. The next batch has other actions and "
            "other returns, and so another loss.",
        ),
        Option(
            "One cannot tell from the loss.",
            "With −4 added, the loss rises while J rises; with +4 it falls while J rises. Only its "
            "gradient means something. Watch the episode return.",
            right=True,
        ),
        Option(
            "No: a rising loss means a rising return.",
            "Only when the rewards are negative. Move the slider to +4.",
        ),
    ],
)
figure.show("loss", reinforce_figures.loss_and_objective())
chapter.foot(
    __file__,
    "**Settled:** weigh ln π of each action with the return that followed, and the gradient climbs "
    "J on average. What is left is its variance.",
)
