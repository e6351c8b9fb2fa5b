"""Chapter 1's predictions, with what each answer gets right or wrong."""

from __future__ import annotations

from pages.ui import predict
from pages.ui.predict import Option
from pgcore.studies import mdp


def paid_to_live() -> None:
    """A positive step reward."""
    forever = mdp.solve(slip=0.2, step_reward=0.1, gamma=0.99).start_value
    predict.ask(
        "paid",
        "Every step now **pays** 0.1 instead of costing 0.04; γ is 0.99 and the exits still pay "
        "+1 and −1. What does the best policy do?",
        [
            Option(
                "Hurry to the +1 exit: it is still the biggest reward",
                "The exit also ends the episode, and with it all further pay. An agent maximises "
                "the sum of its rewards, not the largest one.",
            ),
            Option(
                "Stay away from both exits for ever",
                f"Walking on is worth {forever:.1f}, the exit at most 1.1. Set the step reward to "
                "0.1 and look at the arrows. CartPole pays +1 a step, and there staying is the "
                "whole task.",
                right=True,
            ),
            Option(
                "Walk around for a while, then take +1 before γ eats it up",
                "Discounting shrinks what comes later, but it shrinks the exit as well: whenever "
                "the agent could leave, staying is worth the same again.",
            ),
        ],
    )


def how_many_episodes(standard_error: float, episodes: int) -> None:
    """The square-root law."""
    predict.ask(
        "many",
        f"After {episodes} episodes the standard error is {standard_error:.3f}. How many episodes "
        "make it a quarter of that?",
        [
            Option(
                f"{4 * episodes}: four times as many",
                "That halves it. The error falls with the square root of the number of episodes.",
            ),
            Option(
                f"{16 * episodes:,}: sixteen times as many",
                "Standard error = spread / √n. Move the slider there: a quarter or so, since the "
                "spread is estimated too. This law makes gradients from sampled episodes noisy, "
                "and chapters 3, 4 and 6 reduce the spread instead.",
                right=True,
            ),
            Option(
                "It depends on the size of the grid",
                "The grid sets the spread of one return. How fast the mean closes in depends on n "
                "alone.",
            ),
        ],
    )


def which_way() -> None:
    """A push moves the cart, and the pole the other way."""
    predict.ask(
        "way",
        "The cart is at rest and the pole upright. One push to the **right**: which way does the "
        "pole start to tip?",
        [
            Option(
                "To the right, along with the cart",
                "The push acts on the cart, not on the pole. The cart runs away under it, and the "
                "top stays behind.",
            ),
            Option(
                "To the left",
                "The foot of the pole is pushed out from under it. So to stop a pole that falls to "
                "the right, push right.",
                right=True,
            ),
            Option(
                "Not at all: upright stays upright",
                "Upright is a balance only while nobody pushes. And CartPole has no action that "
                "pushes nothing.",
            ),
        ],
    )


def same_picture(steps: int) -> None:
    """Hidden velocities."""
    predict.ask(
        "same",
        f"Two moments look the same: same position, same angle. The same {steps} pushes follow. Do "
        "the two poles move alike?",
        [
            Option(
                "Yes: CartPole is deterministic",
                "It is, given all four numbers. Position and angle are only two of them: how fast "
                "each is changing is not in the picture.",
            ),
            Option(
                "Not necessarily: the picture does not show the velocities",
                "One observation, two futures. Press Play below, then show the velocities.",
                right=True,
            ),
            Option(
                "No: CartPole adds noise to every step",
                "Only the first state of an episode is random. After that the same state and the "
                "same push give the same next state, to the last bit.",
            ),
        ],
    )
