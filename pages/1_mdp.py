import streamlit as st

from pages.ui import chapter, figure, source

chapter.head(__file__)

from pages.ui import mdp_cartpole, mdp_game, mdp_grid, mdp_strip, mdp_twins, mdp_values  # noqa: E402
from pages.ui import mdp_questions as questions  # noqa: E402
from pgcore.mdp import state_values  # noqa: E402
from pgcore.returns import discounted_returns  # noqa: E402

st.markdown(
    """
A **Markov decision process** (MDP) is a world cut down to what a decision needs. This one is small
enough to be solved exactly. CartPole, which the agents of this app learn, is one too, but nobody
writes down its values: they have to be learned from samples.

#### Four parts
Drag the agent and choose its action. The four parts carry their names in the figure.

- **States** s: where things can stand. Here a square; two of them, the exits, end the episode.
- **Actions** a: what the agent can choose. Here four moves.
- **Transition probabilities** P(s′ | s, a): where it lands. The floor is slippery: with
  probability *slip* the move goes to one side or the other. Into a wall means staying put.
- **Rewards** r: a number for every step. Here a small cost, and +1 or −1 for entering an exit.
"""
)
figure.show("step", mdp_grid.step_figure())
st.markdown(
    """
A **policy** π(a | s) says how likely each action is in each state. It is no part of the MDP: it is
what the agent brings, and the only thing that learning changes.

#### What is a state worth?
An **episode** runs from the start to an exit, and its **return** is the sum of its rewards, each
**discounted**: a reward t steps ahead counts γᵗ as much. The **value** V(s) of a state is the
return to expect from there. The agent's **objective** is the value of the start:
"""
)
st.latex(r"J(\pi) = \mathbb{E}\Big[\sum_t \gamma^t\, r_t\Big] = V(s_\mathrm{start})")
st.markdown(
    """
The figure has the exact value of every square. Arrows mark the best move given these values. The
lines are the last few sampled episodes; the mean return closes in on the exact value (dashed). The
band is two **standard errors** to each side: how far off the mean may be.
"""
)
figure.show("values", mdp_values.value_figure(), live=mdp_values.SAMPLES)
st.markdown(
    """
Try **slip 0.3**: beside the −1 exit the best move is into the wall, since then only slips move the
agent, and none of them leads into the exit. **Step reward −2**: even the −1 exit beats a long way.
**γ 0**: nothing but the next reward counts, and far from the exits any move is best. **Random**:
a policy that picks any move; its arrows say what it should have done, given its values.

An episode that never ends is cut once γᵗ is below """
    f"""{mdp_values.NEGLIGIBLE:g}. With other seeds the band can miss: falls are rare, and until one
is in the sample, the spread looks too small.
"""
)
questions.paid_to_live()
questions.how_many_episodes(*mdp_values.default_error())
st.markdown(
    """
No sampling is needed for the exact values. Each value depends on its neighbours' values
(**Bellman's equation**), which makes one linear equation a square:
"""
)
st.latex(
    r"V(s) = \sum_a \pi(a|s) \sum_{s'} P(s'|s,a)\,\big(r(s,a,s') + \gamma\, V(s')\big)"
    r"\quad\Rightarrow\quad V = (I - \gamma P_\pi)^{-1}\, r_\pi"
)
source.show(state_values, "torch.linalg.solve")
st.markdown(
    """
The agents in this app can't do this. They don't know P, and CartPole has infinitely many states.
What they do have is episodes to sample, as many as they like.

#### How far ahead does γ look?
The weights γᵗ add up to 1 / (1 − γ), the **effective horizon**: a reward every step is worth as
much as that many undiscounted ones. Rewards much further away hardly count.
"""
)
figure.show("strip", mdp_strip.strip_figure())
st.markdown(
    f"""
γ = 0 sees the next reward only. At γ = 1 every reward counts fully, but then a world without an
end has no finite value. **{mdp_strip.REWARDS.values[-1].capitalize()}** turns from a loss into a
gain at a horizon of {mdp_strip.worth_it_from()} steps: how far an agent looks decides what it
wants. Agents compute returns from the last step back:
"""
)
source.show(discounted_returns, "following = rewards[t]")

st.markdown(mdp_cartpole.INTRODUCTION)
questions.which_way()
figure.show("cartpole", mdp_cartpole.state_figure())
st.markdown(
    f"""
The picture is as wide as the track. Dashed: the pole after holding one push for
{mdp_cartpole.HOLD} steps. The table is one step later. There position and angle are the same for
both pushes, since they move with the velocities from **before**: a push shows in the velocities.
"""
)
with st.expander("gymnasium's own code for one step", icon=":material/code:"):
    source.show(mdp_cartpole.physics(), "self.state = np.array", docstring=False)

st.markdown(
    """
#### Markov, or not?
A state has the **Markov property** if the future depends on it and the coming actions alone, not
on how it came about. CartPole's four numbers have it. Hide the velocities, and what is left is an
**observation**: it says something about the state, but not everything.
"""
)
questions.same_picture(mdp_twins.STEPS)
st.markdown(mdp_twins.where_twins_come_from())
figure.show("twins", mdp_twins.twin_figure())
st.markdown(mdp_twins.what_is_missing())
figure.show("missing", mdp_twins.missing_figure())

st.markdown(
    """
#### Be the policy
Keep the pole between the dashed lines and the cart between the posts: +1 for every step. The
physics is gymnasium's. The server sends every state that your next pushes can lead to; the browser
only follows the ones you make.
"""
)
mdp_game.show("game")
mdp_game.scores("game")
chapter.foot(
    __file__,
    "**Settled:** an MDP is states, actions, transition probabilities and rewards. A policy's "
    "value is an expected discounted sum. Where it can't be solved for, it can be sampled, with an "
    "error that falls as 1 / √n. Here you chose left or right; next, a network does.",
)
