import streamlit as st

from pages.ui import chapter, figure, predict, source

chapter.head(__file__)

from pages.ui import reinforce_bandit, reinforce_figures, reinforce_trajectory  # noqa: E402
from pages.ui import reinforce_questions as questions  # noqa: E402
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
**Line:** the return of each step. It breaks where an episode ends. After the last row nothing is
known, so nothing is added.

**Triangles:** what each step does to each action's logit, up or down. The return is the *weight*
of the step: it scales the push.

**Curves:** all pushes added up, times the learning rate α: one gradient step.

The policy here is one softmax, the same in every state, so that all pushes meet in one place. A
network does this for every state at once. Agents step with Adam; this is plain gradient descent.

The **gradient norm** is the length of the gradient over all weights. Where it bursts, one rollout
pulls much harder than those before it; `max_grad_norm` scales such a gradient down.
"""
    )
    predict.ask(*questions.ALL_POSITIVE)
with right:
    figure.show("update", reinforce_figures.trajectory(steps))

st.markdown("The loss is the mean of the table's last column. Its gradient is all that matters.")
st.latex(r"L = -\frac1T \sum_t \ln \pi(a_t \mid s_t)\, R_t")
st.latex(r"R_t = r_t + \gamma\,(1 - \mathrm{done}_t)\, R_{t+1}")
tabs = st.tabs(["The loss", "The returns", "The agent"])
with tabs[0]:
    source.show(policy_gradient_loss, "return -(log_probs * weights)")
with tabs[1]:
    source.show(discounted_returns, "following = rewards[t]")
with tabs[2]:
    source.show(REINFORCE, "policy_gradient_loss(log_probs, weights)")

means = ", ".join(f"{mean:g}" for mean in score_function.MEANS)
st.markdown(
    f"""
#### Why does that climb?
The three **arms** of a bandit pay {means} on average, plus noise. The goal is the expected reward
J. Its exact gradient needs every arm's mean, which an agent does not know. But only π depends on
the logits, and ∇π = π ∇ ln π turns the sum into an average over the policy's own actions: the
**score-function estimator** (the *score* is ∇ ln π).
"""
)
st.latex(r"\nabla J = \nabla \sum_a \pi(a)\, \mu_a = \sum_a \pi(a)\, \mu_a\, \nabla \ln \pi(a)")
st.latex(r"\phantom{\nabla J} = \mathbb{E}_{a \sim \pi}\big[\, r\, \nabla \ln \pi(a)\, \big]")
st.markdown(
    """
The gradient of −L is such an average, so making the loss smaller climbs J. It must be an average
over the *present* policy's actions: after the step the samples are used up. REINFORCE is
**on-policy** and keeps no replay buffer.
"""
)
predict.ask(*questions.FOUR_TIMES)
st.markdown(
    "Each blue arrow is the gradient estimated from one batch. They scatter around the exact one, "
    "in orange: no **bias**, much **variance**. Drag along the right chart."
)
figure.show("estimator", reinforce_bandit.estimator())
st.caption(
    "Two of three dimensions: the push on B is minus the sum of the other two. Spread: root mean "
    f"square distance from the exact gradient, over {score_function.BATCHES_MEASURED} batches. "
    "Both axes on the right are logarithmic."
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
predict.ask(*questions.TO_GO)
figure.show("weightings", reinforce_bandit.weightings())
st.caption(
    f"Without discount, gradients per step. An arrow is the mean of "
    f"{score_function.EPISODES_A_BATCH} episodes. With γ below 1, practice also drops a factor γᵗ "
    "from the exact formula, so that late steps count fully."
)

st.markdown(
    """
#### The loss is not a score
REINFORCE learns the bandit. Add a constant to every reward: the best arm stays the best arm.
"""
)
predict.ask(*questions.LOSS)
figure.show("loss", reinforce_bandit.loss_and_objective())
chapter.foot(
    __file__,
    "**Settled:** weigh ln π of each action with the return that followed, and the gradient climbs "
    "J on average. What is left is its variance.",
)
