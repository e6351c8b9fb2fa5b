"""The process in which a learner's file runs: limits, then the checks, each written as it ends.

Started by pgcore.grader alone. What it writes is JSON, a line an event, to the file it is given.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import TextIO

import torch

from pgcore.grading import behaviour, homework, learning, loop, storage, subject
from pgcore.grading.limits import limit
from pgcore.grading.subject import Mistake, NoAgent, NoLoss, Subject, explain

CHECKS: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("interface", subject.check_interface),
    ("networks", homework.check_networks),
    ("loss", homework.check_loss),
    ("get_action", behaviour.check_get_action),
    ("policy gradient", behaviour.check_policy_gradient),
    ("value gradient", behaviour.check_value_gradient),
    ("clip", behaviour.check_clip),
)
NEED_A_LOSS = ("policy gradient", "value gradient", "clip")
"""Where get_loss gives no number, these would only say so again."""
LEARNING: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("learning: bandit", learning.check_bandit),
    ("learning: CartPole", learning.check_cartpole),
)


def load(file: Path) -> ModuleType:
    """The learner's file as a module named "learner", its folder importable."""
    sys.path.insert(0, str(file.parent))
    loader = SourceFileLoader("learner", str(file))
    spec = spec_from_loader("learner", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules["learner"] = module
    loader.exec_module(module)
    return module


def main(file: Path, algorithm: str | None, out: TextIO) -> None:
    """Run every check, and write its outcome before the next one starts."""

    def write(**event: object) -> None:
        print(json.dumps(event), file=out, flush=True)

    def outcome(check: str, sentence: str, passed: bool = False, bug: str | None = None) -> bool:
        write(check=check, passed=passed, sentence=sentence, bug=bug)
        return passed

    def attempt(check: str, doing: Callable[[], str], while_: str) -> bool:
        write(start=check)
        try:
            return outcome(check, doing(), True)
        except Mistake as mistake:
            if isinstance(mistake, NoLoss):
                without_loss.append(check)
            return outcome(check, mistake.sentence, bug=mistake.bug)
        # The learner's code may raise anything, SystemExit and KeyboardInterrupt included.
        except BaseException as error:
            if check == "loss":
                without_loss.append(check)
            return outcome(check, explain(error, file, while_))

    without_loss: list[str] = []
    agents: list[Subject] = []
    stores: list[type] = []
    loops: list[loop.Loop] = []

    def find() -> str:
        # Sampling draws from the global generator: this process is the learner's alone.
        torch.manual_seed(0)
        module = load(file)
        own = storage.find(module)
        stores.extend([] if own is None else [own])
        train = loop.find(module)
        loops.extend([] if train is None else [train])
        try:
            agent = subject.find(module, algorithm)
        except NoAgent:
            if not stores or algorithm is not None:
                raise
            return "class TrajData, and no agent to grade with it"
        agents.append(agent if own is None else replace(agent, storage=own))
        write(algorithm=agent.algorithm)
        also = " with a TrajData of its own" if stores else ""
        also += " and a function train" if loops else ""
        return f"class {agent.label}, graded as {agent.algorithm.upper()}{also}"

    def run(name: str, check: Callable[[], str]) -> bool:
        torch.manual_seed(0)
        return attempt(name, check, f"In the check of {name}")

    passed = attempt("file", find, "The file cannot be loaded")
    for agent in agents:
        for name, check in CHECKS:
            if name == "clip" and agent.algorithm not in ("ppo", "gae"):
                continue
            if without_loss and name in NEED_A_LOSS:
                continue
            passed = run(name, partial(check, agent)) and passed
            if name == "interface" and not passed:
                break
    for own in stores:
        for name, look in storage.checks(own, any(a.algorithm == "gae" for a in agents)):
            passed = run(name, look) and passed
    for agent, train in product(agents if passed else (), loops):
        for name, look in loop.Graded(agent, train).checks():
            passed = run(name, look) and passed
    for agent in agents if passed else ():
        for name, check in LEARNING:
            if not run(name, partial(check, agent)):
                break
    write(end=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    out_path, file_path, asked, cpu, memory = sys.argv[1:]
    with Path(out_path).open("a", encoding="utf-8") as stream:
        limit(int(cpu), int(memory))
        main(Path(file_path), asked or None, stream)
        stream.flush()
    # Threads that the learner's file started must not keep the process alive.
    os._exit(0)
