import streamlit as st

from pages.ui import chapter, figure, predict, source
from pages.ui.predict import Option

chapter.head(__file__)

from pages.ui import baselines_figures as figures  # noqa: E402
from pgcore.agents import Agent  # noqa: E402
from pgcore.config import TrainConfig  # noqa: E402
from pgcore.losses import policy_gradient_loss  # noqa: E402
from pgcore.studies import baseline_figures, baselines, gradient_variance  # noqa: E402

*low, best = (f"{reward:g}" for reward in baselines.REWARDS)
skewed = baselines.problem_with(max(figures.PROB_C.values))
mean = f"{skewed.expected_reward:.1f}"
level = f"{baselines.problem_with(baseline_figures.MIDDLE).expected_reward:g}"

st.markdown(
    f"""
REINFORCE multiplies each action's push, ∇ log π(a), by what followed: the return. A **baseline**
b is a number taken off first. Here is one decision with three actions that pay {", ".join(low)}
and {best}. Every reward is positive, so without a baseline whichever action happens to be sampled
is pushed up, the worst one too.
"""
)
predict.ask(
    "shrink",
    "You take 10 off every reward. What happens to the **average** of the gradient estimates?",
    [
        Option(
            "It gets shorter: the weights are smaller",
            "The single estimates shrink, not their average. What the pushes on one action lose "
            "is what the pushes on the others lose in the opposite direction.",
        ),
        Option(
            "It turns: some weights are negative now",
            "A negative weight pushes A down when A is sampled. Before, A fell just as much on "
            "average, because the others were pushed up more.",
        ),
        Option(
            "Nothing",
            "The average is the same for every constant. Only the spread around it changes.",
            right=True,
        ),
        Option(
            "Nothing, but only if 10 is the mean reward",
            "The mean reward is not special here: any constant leaves the average alone.",
        ),
    ],
)

st.subheader("Slide the baseline: the mean stays, the spread does not")
figure.show("slide", figures.slide())
st.markdown(
    r"""
- **A dot** is a gradient estimate from a few sampled actions, larger where several agree. **The
  cross** is the exact mean; autograd through $J=\sum_a\pi(a)\,r(a)$ gives the same.
- **The variance** is a parabola in b. At b = 0 the rewards' level is all noise; far above the
  rewards it is noise again: a baseline can hurt. Grey dots are measured on samples.
- **The lowest point** is not the mean reward. A reward counts by π(a) times the squared length of
  its push, and rare actions push longest (the table):
"""
)
st.latex(
    r"b^*=\frac{\mathbb E\,[\,|\nabla\log\pi(a)|^2\;r(a)\,]}{\mathbb E\,[\,|\nabla\log\pi(a)|^2\,]}"
)
st.caption("Greensmith, Bartlett & Baxter (2004), theorem 8")
predict.ask(
    "optimum",
    f"C is taken 9 times in 10, so the mean reward is {mean}. Where is the variance lowest?",
    [
        Option(
            f"At {mean}, the mean reward",
            "The usual choice and a decent one, but not the best: it lets the common action "
            "decide, whose push is short and makes little noise.",
        ),
        Option(
            f"Far below {mean}, near what the rare actions pay",
            f"A and B are rare, but their push is long: nearly all the noise is theirs. The lowest "
            f"point is {baselines.optimal_baseline(skewed):.1f}. Set the probability of C to 0.9.",
            right=True,
        ),
        Option(
            "At 0",
            "There the level of the rewards is all noise. Zero and twice the optimum are equally "
            "bad: a parabola is symmetric.",
        ),
    ],
)
source.show(baselines.estimates, "weights = problem.rewards")
source.show(policy_gradient_loss, "weights).mean()")

st.subheader("Why a constant adds no bias, and what does")
st.markdown(
    r"""
The baseline adds one term an action to the expected gradient. Laid head to tail, the three walk in
a circle: $\sum_a\pi(a)\,\nabla\log\pi(a)\,b = b\,\nabla\sum_a\pi(a) = b\,\nabla 1 = 0$. That needs
one b for all actions. Let it look at the action, $b(a)=b+c\,(r(a)-J)$, and the walk no longer
closes: the gap (dashed) is the **bias**.
"""
)
predict.ask(
    "reward",
    f"Take b(a) = r(a), the perfect guess of every reward (b = {level}, c = 1). All weights are 0, "
    "and so is the variance. What does the agent learn?",
    [
        Option(
            "The same as before, with less noise",
            "Low variance is worth something only if the mean is still the gradient.",
        ),
        Option(
            "Nothing: the expected gradient is zero too",
            "What was taken off each action is exactly what made one better than another.",
            right=True,
        ),
    ],
)
figure.show("walk", figures.walk())
st.markdown(
    """
With many states the same sum is taken in each, so b may depend on the **state**: a value network
V(s) is a fair baseline, however wrong it is. It must not depend on the action.
"""
)

st.subheader("On CartPole: five weights, the same episodes")
figure.show("cartpole", figures.cartpole())
st.markdown(
    f"""
{gradient_variance.N_EPISODES} whole episodes of one agent, each with its own gradient of the policy
network; bars are 95% intervals. γ is 1, so the first four estimate one and the same gradient.
- **Full return**: all rewards of the episode, also those before the action.
- **Reward-to-go** drops those: no action changes the past.
- **Constant baseline** takes the mean off; **value baseline** takes V(s) off.
- **GAE** (λ = {gradient_variance.LAM:g}, chapter 6) predicts the rest with V: far less variance,
  but its mean is shorter and turned. Noise against signal, on the right, is what counts.

**Explained variance**, 1 − Var(R − V) / Var(R), grades V: 1 where it predicts every return R, 0
where it does no better than a constant, below 0 where it does worse.
"""
)
predict.ask(
    "untrained",
    "Before any training the value network's outputs are random. As a baseline, what does it do?",
    [
        Option(
            "It biases the gradient: the values are wrong",
            "V(s) does not see the action, so its terms cancel in every state, right or wrong.",
        ),
        Option(
            "No bias, and no less variance than without it",
            "It knows nothing of the return, so it takes nothing off, and adds a little noise of "
            "its own. Slide to 0 updates, then watch it earn its keep.",
            right=True,
        ),
        Option(
            "It still lowers the variance: any baseline does",
            "Only one that is close to what follows does. A bad one is worse than none.",
        ),
    ],
)
st.markdown(
    f"""
Less noise need not mean faster learning. In the homework, REINFORCE and VPG learn CartPole equally
fast: {TrainConfig.homework("vpg").rows_per_update:,} rows an update average most of it away.
"""
)
source.show(Agent.advantages, "traj.returns - values", docstring=False)
source.show(gradient_variance.weights, "to_go - rollout.values")
chapter.foot(
    __file__,
    "A baseline changes what the gradient costs, never where it points, as long as it does not "
    "look at the action.",
)
