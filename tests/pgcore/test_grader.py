"""The grader on real files in real processes: right agents, broken ones, and hopeless ones."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pgcore import agents, bugs, grader
from pgcore.__main__ import main
from pgcore.grader import GraderError, Report, check
from pgcore.grading import child, homework, learning, pull
from pgcore.grading.subject import GRADED, Mistake, Subject
from tests.conftest import ROOT

LEARNERS = Path(__file__).parent / "learners"

# learner, the line that is changed, what it becomes, the bug that must be named (None: a sentence),
# and a piece of that sentence.
BROKEN = {
    "reinforce without minus": (
        "reinforce",
        "return -(traj",
        "return (traj",
        "missing_minus",
        "the minus is missing",
    ),
    "vpg, advantage upside down": (
        "vpg",
        "advantages = traj.returns - values",
        "advantages = values - traj.returns",
        "missing_minus",
        "high return less likely",
    ),
    "ppo without minus": (
        "ppo",
        "return -objective",
        "return objective",
        "missing_minus",
        "the minus is missing",
    ),
    "reinforce detached": (
        "reinforce",
        "(traj.log_probs *",
        "(traj.log_probs.detach() *",
        "detached_log_probs",
        "No gradient reaches the policy",
    ),
    "gae on stored log-probabilities under no_grad": (
        "gae",
        "log_probs = Categorical(logits=self.policy(traj.states)).log_prob(traj.actions)",
        "log_probs = traj.log_probs.detach()",
        "detached_log_probs",
        "No gradient reaches the policy",
    ),
    "get_action under no_grad": (
        "vpg",
        "    def get_action",
        "    @torch.no_grad()\n    def get_action",
        "detached_log_probs",
        "No gradient reaches the policy",
    ),
    "vpg, flat against a column": (
        "vpg",
        "(traj.log_probs * advantages).mean()",
        "(traj.log_probs.flatten() * advantages.reshape(-1, 1)).mean()",
        "broadcast",
        "Every action gets the same gradient",
    ),
    "vpg, value loss on (B, B)": (
        "vpg",
        "(advantages**2).mean()",
        "((traj.returns.flatten() - values.reshape(-1, 1)) ** 2).mean()",
        "broadcast",
        "(B, 1) met (B,)",
    ),
    "clip without min": (
        "ppo",
        "torch.min(ratio * advantages, clipped * advantages)",
        "clipped * advantages",
        "clip_without_min",
        "nothing pulls them back",
    ),
    "old log-probabilities from the current policy": (
        "ppo",
        "log_probs - traj.log_probs",
        "log_probs - log_probs.detach()",
        "stale_ratio",
        "the ratio is 1 whatever the old policy was",
    ),
    "softmax at the network's end": (
        "reinforce",
        "nn.Linear(128, n_actions))",
        "nn.Linear(128, n_actions), nn.Softmax(-1))",
        "softmax_twice",
        "ends in Softmax",
    ),
    "softmax before the distribution": (
        "reinforce",
        "logits=self.policy(obs)",
        "logits=self.policy(obs).softmax(-1)",
        "softmax_twice",
        "a softmax of a softmax",
    ),
    "argmax": (
        "ppo",
        "distribution.sample()",
        "distribution.probs.argmax(-1)",
        "argmax",
        "are the same, the likeliest one",
    ),
    "the first step's return on every step": (
        "reinforce",
        "* traj.returns)",
        "* traj.returns[:1])",
        "whole_return",
        "first step's return",
    ),
    "no value loss, advantage with its graph": (
        "ppo",
        " + (advantages**2).mean()",
        "",
        "advantage_not_detached",
        "the value loss is missing",
    ),
    "no ratio": (
        "ppo",
        "torch.min(ratio * advantages, clipped * advantages)",
        "log_probs * advantages",
        "epochs_without_ratio",
        "there is no ratio, so nothing holds the policy",
    ),
    "no ratio, on stored log-probabilities": (
        "ppo",
        "torch.min(ratio * advantages, clipped * advantages)",
        "traj.log_probs * advantages",
        "epochs_without_ratio",
        "no ratio, but the stored log-probabilities",
    ),
    "no clip": (
        "ppo",
        "torch.min(ratio * advantages, clipped * advantages)",
        "ratio * advantages",
        None,
        "the ratio without a clip",
    ),
    "max": ("ppo", "torch.min(", "torch.max(", None, "max instead of min"),
    "clip range 0.2": ("ppo", "epsilon=0.1", "epsilon=0.2", None, "a clip range of 0.2"),
    "sum": ("reinforce", ".mean()", ".sum()", None, "a sum instead of a mean"),
    "no value loss, detached": (
        "vpg",
        "return (advantages**2).mean() - (traj.log_probs * advantages).mean()",
        "return -(traj.log_probs * advantages.detach()).mean()",
        None,
        "No gradient reaches the value network",
    ),
    "uniform actions": (
        "ppo",
        "distribution.sample()",
        "torch.randint(0, distribution.probs.shape[-1], obs.shape[:-1])",
        None,
        "other shares",
    ),
    "actions of shape (N, 1)": (
        "reinforce",
        "distribution.sample()",
        "distribution.sample().unsqueeze(-1)",
        None,
        "must give (4000,) actions: (4000, 1)",
    ),
    "a number instead of a tensor": (
        "reinforce",
        ".mean()",
        ".mean().item()",
        None,
        "get_loss returned a float",
    ),
}

# The same for traj.py, beside a right agent or alone.
BROKEN_STORAGE = {
    "sum runs on": (
        "self.rewards[t] + gamma * self.not_dones[t] *",
        "self.rewards[t] + gamma *",
        "leaking_returns",
        "into the next episode",
    ),
    "end a step off": (
        "self.rewards[t] + gamma * self.not_dones[t]",
        "self.rewards[t] + gamma * self.not_dones[min(t + 1, self.n_steps - 1)]",
        "leaking_returns",
        "taken from the next row",
    ),
    "d for not_dones": ("= 1 - d", "= d", "leaking_returns", "holds d itself"),
    "no ends": ("self.not_dones[t] = 1 - d", "pass", "leaking_returns", "no episode ever ends"),
    "whole return": (
        "        self.returns = torch.stack(rows[::-1])",
        "        whole = rows[::-1]\n"
        "        for t in range(1, len(whole)):\n"
        "            go = self.not_dones[t - 1] == 1\n"
        "            whole[t] = torch.where(go, whole[t - 1], whole[t])\n"
        "        self.returns = torch.stack(whole)",
        "whole_return",
        "whole discounted return",
    ),
    "last row lost": (
        "self.rewards[t] + gamma * self",
        "self.rewards[t] * (t < self.n_steps - 1) + gamma * self",
        None,
        "the last row's own reward is missing",
    ),
    "gamma written in": (
        "self.rewards[t] + gamma * self",
        "self.rewards[t] + 0.99 * self",
        None,
        "taken for 0.99",
    ),
    "returned, not kept": (
        "self.returns = torch.stack(rows[::-1])",
        "return torch.stack(rows[::-1])",
        None,
        "must write its result into self.returns",
    ),
    "gae over an end": (
        "lam * self.not_dones[t] *",
        "lam *",
        "leaking_returns",
        "not_done is missi",
    ),
    "gae, next episode's value": (
        "* after[t] * self.not_dones[t]",
        "* after[t]",
        "leaking_returns",
        "gamma * V_{t+1} * not_done",
    ),
    "gae without lam": ("gamma * lam *", "gamma *", None, "lam is missing"),
    "gae without V": (" - values[t]", "", None, "V_t is not subtracted in delta_t"),
    "gae of an unknown kind": ("- values[t]", "- 2 * values[t]", None, "`advantages` are wrong"),
    "detach to nowhere": (
        "self.log_probs = self.log_probs",
        "self.log_probs",
        None,
        "assigns what",
    ),
    "store detaches": ("= a, r, lp", "= a, r, lp.detach()", "detached_log_probs", "cuts the graph"),
    "columns for rows": (
        "shape = (n_steps, n_envs)",
        "shape = (n_envs, n_steps)",
        None,
        "has shape",
    ),
    "no rewards": ("self.rewards = ", "self.reward = ", None, "must hold `rewards`"),
    "no store": ("def store", "def put", None, "TrajData has no method store"),
    "states": (
        "torch.zeros(*shape, n_obs)",
        "torch.zeros(*shape, n_obs).double()",
        None,
        "float64",
    ),
    "arguments": (", n_actions)", ")", None, "TrajData(n_steps, n_envs, n_obs, n_actions) cannot"),
    "crash": (
        "rows, following = [], ",
        "rows = []; following = rows[0] + ",
        None,
        "failed in line",
    ),
}

# The same for loop.py, below the file of the agent that it trains, and the check that must fail.
BROKEN_LOOP = {
    "reset rows kept": (
        "ppo",
        "field[traj.valid]",
        "field",
        "reset_rows",
        "train: rows",
        "rows only reset an environment",
    ),
    "time limits end the world": (
        "ppo",
        "~traj.terminated[t]",
        "~done[t]",
        "truncation_as_termination",
        "train: time limits",
        "add gamma * V of the observation that step returned",
    ),
    "time limits end the world for GAE": (
        "gae",
        "~traj.terminated[t]",
        "~done[t]",
        "truncation_as_termination",
        "train: time limits",
        "only `terminated` means that nothing follows",
    ),
    "nothing after the last row": (
        "vpg",
        "    done = traj.terminated | traj.truncated\n    advantages",
        "    done = traj.terminated | traj.truncated\n    after[-1] = 0\n    advantages",
        "last_row",
        "train: last row",
        "Whatever follows the rollout's last row is taken for 0",
    ),
    "nothing after the last row, for GAE": (
        "gae",
        "    done = traj.terminated | traj.truncated\n    advantages",
        "    done = traj.terminated | traj.truncated\n    after[-1] = 0\n    advantages",
        "last_row",
        "train: last row",
        "Whatever follows the rollout's last row is taken for 0",
    ),
    "returns run on": (
        "reinforce",
        "* ~done[t] *",
        "*",
        "leaking_returns",
        "train: ends",
        "runs on from one episode into the next",
    ),
    "advantages run on": (
        "gae",
        "* ~done[t] *",
        "*",
        "leaking_returns",
        "train: ends",
        "runs on from one episode into the next",
    ),
    "V of a terminal state": (
        "ppo",
        "after[t] * ~traj.terminated[t]",
        "after[t]",
        "leaking_returns",
        "train: ends",
        "runs on from one episode into the next",
    ),
    "no end anywhere": (
        "vpg",
        "    done = traj.terminated | traj.truncated\n    advantages",
        "    done = traj.terminated = torch.zeros_like(traj.terminated)\n    advantages",
        "leaking_returns",
        "train: ends",
        "runs on from one episode into the next",
    ),
    "whole returns": (
        "reinforce",
        "    traj.returns = advantages + value\n",
        "    traj.returns = advantages.clone()\n"
        "    for t in range(1, len(done)):\n"
        "        inside = traj.valid[t - 1] & ~done[t - 1]\n"
        "        traj.returns[t] = torch.where(inside, traj.returns[t - 1], traj.returns[t])\n",
        "whole_return",
        "train: ends",
        "its episode's whole return",
    ),
    "sign": (
        "reinforce",
        "traj.returns = advantages + value",
        "traj.returns = -(advantages + value)",
        "missing_minus",
        "train: ends",
        "the sign is wrong",
    ),
    "rewards of single steps": (
        "vpg",
        "traj.returns = advantages + value",
        "traj.returns = traj.rewards",
        None,
        "train: ends",
        "the rewards of single steps",
    ),
    "gamma written in": (
        "ppo",
        "estimate(agent, traj, gamma, lam)\n        batch",
        "estimate(agent, traj, 0.99, lam)\n        batch",
        None,
        "train: ends",
        "gamma is taken for 0.99 instead of the 0.8 given",
    ),
    "lam written in": (
        "gae",
        "estimate(agent, traj, gamma, lam)\n        batch",
        "estimate(agent, traj, gamma, 0.95)\n        batch",
        None,
        "train: ends",
        "lam is taken for 0.95 instead of the 0.6 given",
    ),
    "returns of an unknown kind": (
        "vpg",
        "traj.returns = advantages + value",
        "traj.returns = torch.rand_like(value)",
        None,
        "train: ends",
        "not those of the rows' rewards",
    ),
    "no advantages": (
        "gae",
        "traj.advantages = (",
        "traj.advantage = (",
        None,
        "train: runs",
        "AttributeError",
    ),
    "rollout under no_grad": (
        "vpg",
        'in ("REINFORCE", "VPG")',
        'in ("REINFORCE",)',
        "detached_log_probs",
        "train: gradient",
        "hold no graph",
    ),
    "rollout under no_grad, no other gradient": (
        "reinforce",
        'in ("REINFORCE", "VPG")',
        'in ("VPG",)',
        "detached_log_probs",
        "train: runs",
        "backward finds no graph",
    ),
    "PPO rolled out with a graph": (
        "ppo",
        'in ("REINFORCE", "VPG")',
        'in ("REINFORCE", "VPG", "PPO")',
        None,
        "train: runs",
        "carry the rollout's graph into each epoch",
    ),
    "PPO rolled out with a graph, one epoch": (
        "ppo",
        'in ("REINFORCE", "VPG")):\n            traj, obs',
        'in ("REINFORCE", "VPG", "PPO")):\n            agent.name = "X"; traj, obs',
        None,
        "train: gradient",
        "the old policy is a constant",
    ),
    "epochs on a used graph": (
        "vpg",
        "range(4 if",
        "range(3 if True or",
        "epochs_without_ratio",
        "train: runs",
        "Without a ratio a rollout serves one gradient step",
    ),
    "epochs without a ratio": (
        "gae",
        "range(4 if",
        "range(3 if True or",
        "epochs_without_ratio",
        "train: epochs",
        "Each row is used 3 times, and this loss has no ratio",
    ),
    "old log-probabilities computed anew": (
        "ppo",
        "            loss = agent.get_loss(batch)\n",
        "            with torch.no_grad():\n"
        "                new = Categorical(logits=agent.policy(batch.states))\n"
        "                batch.log_probs = new.log_prob(batch.actions)\n"
        "            loss = agent.get_loss(batch)\n",
        "stale_ratio",
        "train: epochs",
        "change from one gradient step to the next",
    ),
    "log-probabilities of other actions": (
        "ppo",
        "distribution.log_prob(action)",
        "distribution.log_prob(1 - action)",
        None,
        "train: epochs",
        "are not those of the actions that were taken",
    ),
    "other actions": (
        "ppo",
        "envs.step(action.numpy())",
        "envs.step(1 - action.numpy())",
        None,
        "train: actions",
        "other actions than the environments got",
    ),
    "the likeliest action": (
        "ppo",
        "        obs, reward, term",
        "        action = distribution.probs.argmax(-1)\n        obs, reward, term",
        "argmax",
        "train: actions",
        "is the likeliest one",
    ),
    "mean reward a step": (
        "ppo",
        "np.mean(returns)",
        "traj.rewards.mean()",
        "blind_metric",
        "train: what is plotted",
        "the mean reward a step,",
    ),
    "mean reward of the rows used": (
        "vpg",
        "np.mean(returns)",
        "batch.rewards.mean().item()",
        "blind_metric",
        "train: what is plotted",
        "without reset rows",
    ),
    "all rewards": (
        "reinforce",
        "np.mean(returns)",
        "traj.rewards.sum(0).mean()",
        "blind_metric",
        "train: what is plotted",
        "the sum of a rollout's rewards, an environment",
    ),
    "the loss is plotted": (
        "ppo",
        "np.mean(returns)",
        "-100 - loss.item()",
        None,
        "train: what is plotted",
        "and train returned -1",
    ),
    "nothing returned": (
        "ppo",
        "    return plot",
        "    print(plot)",
        None,
        "train: what is plotted",
        "must return 4 numbers, the ones to plot, and returned NoneType",
    ),
    "numbers missing": (
        "ppo",
        "return plot",
        "return plot[1:]",
        None,
        "train: what is plotted",
        "4 numbers, one an update: 3",
    ),
    "no step of the optimizer": (
        "vpg",
        "            optimizer.step()",
        "            pass",
        None,
        "train: gradient",
        "weights never change",
    ),
    "no loss": (
        "ppo",
        "range(4 if",
        "range(0 if",
        None,
        "train: runs",
        "never calls agent.get_loss",
    ),
    "one update too few": (
        "ppo",
        "range(n_updates)",
        "range(n_updates - 1)",
        None,
        "train: runs",
        "made 3 updates instead of the 4 asked for",
    ),
    "observations changed": (
        "ppo",
        "                state,\n",
        "                state / 2,\n",
        None,
        "train: rows",
        "states that the last rollout did not show",
    ),
    "no reset": (
        "ppo",
        "obs, _ = envs.reset(seed=0)",
        "obs = np.zeros((envs.num_envs, 4))",
        None,
        "train: runs",
        "envs.step() was called before envs.reset()",
    ),
    "no episode ends": (
        "ppo",
        "returns = rollout(agent, envs, obs, resetting, 32)",
        "returns = rollout(agent, envs, envs.reset()[0], resetting & False, 2); returns = [0]",
        None,
        "train: what is plotted",
        "make them longer",
    ),
    "its own error": (
        "ppo",
        "    plot = []",
        "    plot = missing",
        None,
        "train: runs",
        "NameError: name 'missing' is not defined",
    ),
}

IMPOSSIBLE = {
    "infinite loop": (
        "while True:\n    pass",
        "Stopped after 4 s of CPU: an infinite loop, or very slow. Put what trains or waits under",
    ),
    "waits": ("import time\ntime.sleep(1e6)", "Stopped after 25 s: it waits for something"),
    "ends itself": ("import os\nos._exit(0)", "ended its own process (exit code 0)"),
    "sys.exit": ("import sys\nsys.exit(3)", "it ended the program in line 2"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "The process crashed (signal 11)"),
    "memory": ("x = bytearray(3 * 2**30)", "more memory than it may have"),
    "memory, torch": ("import torch\nx = torch.zeros(2**30)", "more memory than it may have"),
    "syntax": ("class PPO:\n    def", "line 2 is no Python"),
    "not text": ("\x00\x01", "The file cannot be loaded: it is no Python"),
    "its own error": (
        "class E(BaseException):\n    def __str__(self): raise ValueError\nraise E",
        "in line 3 with E.",
    ),
    "import": ("import no_such_thing", "in line 1 with ModuleNotFoundError: No module named"),
    "input": ("input()", "in line 1 with"),
    "nothing": ("print('hello')", "The file defines no agent"),
    "two": (
        "class PPO: pass\nclass VPG: pass",
        "The file defines PPO and VPG: choose one with --algorithm",
    ),
    "nameless": (
        "class Agent:\n    def __init__(self, a, b): self.name = 'Bob'",
        "The class Agent says neither by its own name nor by `name`",
    ),
    "no method": ("class PPO:\n    def get_action(self, obs): pass", "PPO has no method get_loss"),
    "no arguments": (
        "class PPO:\n    def get_action(self, obs): pass\n    def get_loss(self, traj): pass",
        "PPO(n_obs, n_actions) cannot be made: TypeError",
    ),
    "signature": (
        "class PPO:\n    def __init__(self, a, b): pass\n    def get_action(self): pass\n"
        "    def get_loss(self, traj): pass",
        "get_action must be callable as get_action(obs)",
    ),
    "no network": (
        "class PPO:\n    def __init__(self, a, b): pass\n    def get_action(self, obs): pass\n"
        "    def get_loss(self, traj): pass",
        "PPO has no network `policy`",
    ),
}


LOOP_CHECKS = (
    "runs",
    "rows",
    "actions",
    "gradient",
    "ends",
    "time limits",
    "last row",
    "epochs",
    "what is plotted",
)
NEEDS_A_PROCESS = ("infinite loop", "waits", "ends itself", "segfault", "memory", "memory, torch")


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> dict[str, Report]:
    """The reports of what must run in a process of its own, by name; three at a time."""
    folder = tmp_path_factory.mktemp("learners")
    jobs = {name: (LEARNERS / f"{name}.py", {}) for name in GRADED}
    for name in ("vpg", "gae"):
        # A file of its own name, and a helper's beside it, that shadow what the checks import.
        path = folder / name / "torch.py"
        path.parent.mkdir()
        path.write_text("from traj import TrajData\n" + (LEARNERS / f"{name}.py").read_text())
        (path.parent / "traj.py").write_text((LEARNERS / "traj.py").read_text())
        for other in ("pgcore.py", "json.py", "gymnasium.py"):
            (path.parent / other).write_text("raise SystemExit('the wrong module')")
        jobs[f"{name} with TrajData"] = (path, {})
    for name in NEEDS_A_PROCESS:
        path = folder / f"{len(jobs)}.py"
        path.write_text(IMPOSSIBLE[name][0])
        limits = {"wall_seconds": 25} if name == "waits" else {}
        jobs[name] = (path, {"cpu_seconds": 4} | limits)
    with ThreadPoolExecutor(3) as pool:
        reports = pool.map(lambda job: check(job[0], **job[1]), jobs.values())
        return dict(zip(jobs, reports, strict=True))


@pytest.fixture
def grade_here(tmp_path, monkeypatch):
    """grade_here(text) -> the report of what the child would do, without starting a process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def grade(text: str) -> Report:
        path = tmp_path / "mine.py"
        path.write_text(text)
        out = io.StringIO()
        with torch.random.fork_rng():
            child.main(path, None, out)
        sys.modules.pop("learner", None)
        return grader.read_report(out.getvalue())

    return grade


@pytest.mark.parametrize("algorithm", GRADED)
def test_right_agents_pass(graded, algorithm):
    report = graded[algorithm]
    assert report.passed, str(report)
    assert report.algorithm == algorithm
    assert [finding.check for finding in report.findings][-2:] == [
        "learning: bandit",
        "learning: CartPole",
    ]


@pytest.mark.parametrize("algorithm", ["vpg", "gae"])
def test_right_agents_pass_with_their_own_storage(graded, algorithm):
    report = graded[f"{algorithm} with TrajData"]
    assert report.passed, str(report)
    assert report.algorithm == algorithm
    checks = [finding.check for finding in report.findings]
    assert {"TrajData.store", "TrajData.calc_returns", "learning: CartPole"} < set(checks)
    assert "with a TrajData of its own" in report.findings[0].sentence


@pytest.mark.parametrize("name", BROKEN)
def test_broken_agents_are_told_their_bug(grade_here, name):
    learner, old, new, bug, sentence = BROKEN[name]
    text = (LEARNERS / f"{learner}.py").read_text()
    assert text.count(old) == 1
    report = grade_here(text.replace(old, new))
    assert not report.passed
    assert sentence in str(report)
    if bug is None:
        assert not report.bugs, str(report)
    else:
        assert bug in report.bugs, str(report)
        assert bugs.discover()[bug].title in str(report)


@pytest.mark.parametrize("name", BROKEN_STORAGE)
def test_a_broken_storage_is_told_its_bug(grade_here, name):
    old, new, bug, sentence = BROKEN_STORAGE[name]
    text = (LEARNERS / "traj.py").read_text()
    assert text.count(old) == 1
    report = grade_here(text.replace(old, new))
    assert sentence in str(report)
    wrong = [finding for finding in report.findings if not finding.passed]
    assert wrong and all(finding.check.startswith("TrajData.") for finding in wrong)
    assert report.bugs == (() if bug is None else (bug,)), str(report)


@pytest.mark.parametrize("algorithm", GRADED)
def test_a_right_loop_passes(grade_here, algorithm):
    text = "".join((LEARNERS / f"{name}.py").read_text() for name in (algorithm, "loop"))
    report = grade_here(text)
    assert report.passed, str(report)
    checks = [finding.check for finding in report.findings if finding.check.startswith("train: ")]
    assert checks == [f"train: {name}" for name in LOOP_CHECKS]
    assert "and a function train" in report.findings[0].sentence


@pytest.mark.parametrize("name", BROKEN_LOOP)
def test_a_broken_loop_is_told_its_bug(grade_here, name):
    learner, old, new, bug, check_name, sentence = BROKEN_LOOP[name]
    loop = (LEARNERS / "loop.py").read_text()
    assert loop.count(old) == 1
    report = grade_here((LEARNERS / f"{learner}.py").read_text() + loop.replace(old, new))
    wrong = {finding.check: finding for finding in report.findings if not finding.passed}
    assert check_name in wrong, str(report)
    assert sentence in wrong[check_name].sentence
    assert wrong[check_name].bug == bug, str(report)
    assert all(finding.check.startswith("train: ") for finding in wrong.values())
    assert report.bugs == (() if bug is None else (bug,)), str(report)


def test_a_train_of_another_kind_is_not_graded(grade_here):
    text = (LEARNERS / "ppo.py").read_text() + "\n\ndef train(config): raise SystemExit\n"
    report = grade_here(text)
    assert report.passed, str(report)
    (said,) = (each for each in report.findings if each.check.startswith("train: "))
    assert said.sentence.startswith("not graded, as it cannot be called as train(agent, envs, ")


def test_the_assignments_own_loop_is_told_all_its_bugs(grade_here):
    """HOMEWORK.md: reset rows, limits as ends, no bootstrap, and a metric that sees nothing."""
    loop = (LEARNERS / "loop.py").read_text()
    for old, new in (
        ("field[traj.valid]", "field"),
        ('if agent.name == "REINFORCE":', "if True:"),
        ("np.mean(returns)", "traj.rewards.mean()"),
    ):
        assert loop.count(old) == 1
        loop = loop.replace(old, new)
    report = grade_here((LEARNERS / "ppo.py").read_text() + loop)
    assert set(report.bugs) == {
        "reset_rows",
        "truncation_as_termination",
        "last_row",
        "blind_metric",
    }, str(report)


def test_a_loop_that_starts_every_rollout_afresh_and_takes_minibatches_is_right(grade_here):
    loop = (LEARNERS / "loop.py").read_text()
    for old, new in (
        (
            "    for _ in range(n_updates):\n",
            "    for _ in range(n_updates):\n"
            "        obs, _ = envs.reset()\n"
            "        resetting[:] = False\n"
            "        agent.so_far[:] = 0\n",
        ),
        (
            "            loss = agent.get_loss(batch)\n",
            "            some = torch.randperm(len(batch.actions))[:24]\n"
            "            part = {name: field[some] for name, field in vars(batch).items()}\n"
            "            part['returns'] = part['returns'] / part['returns'].std()\n"
            "            loss = agent.get_loss(SimpleNamespace(**part))\n",
        ),
    ):
        assert loop.count(old) == 1
        loop = loop.replace(old, new)
    report = grade_here((LEARNERS / "ppo.py").read_text() + loop)
    assert report.passed, str(report)


def test_every_bug_of_the_clinic_is_named_for_some_broken_file():
    named = {row[3] for row in (*BROKEN.values(), *BROKEN_LOOP.values())}
    named |= {row[2] for row in BROKEN_STORAGE.values()}
    assert named - {None} == set(bugs.discover())


def test_a_storage_alone_can_be_right(grade_here):
    report = grade_here((LEARNERS / "traj.py").read_text())
    assert report.passed and report.algorithm is None
    names = [finding.check.removeprefix("TrajData.") for finding in report.findings]
    assert names == ["file", "store", "calc_returns", "calc_gae", "detach"]


def test_gae_needs_its_sum(grade_here):
    text = (LEARNERS / "traj.py").read_text().replace("def calc_gae", "def gae")
    assert grade_here(text).passed
    report = grade_here(text + (LEARNERS / "gae.py").read_text())
    assert [finding.sentence for finding in report.findings if not finding.passed] == [
        "TrajData has no method calc_gae."
    ]


def test_pgcores_own_storage_is_not_graded(grade_here):
    text = "from pgcore.trajectory import TrajData\n" + (LEARNERS / "reinforce.py").read_text()
    report = grade_here(text.replace("return -(", "return ("))
    assert not any("TrajData" in finding.check for finding in report.findings)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_graded_is_one_sentence(graded, grade_here, name):
    report = graded[name] if name in NEEDS_A_PROCESS else grade_here(IMPOSSIBLE[name][0])
    wrong = [finding for finding in report.findings if not finding.passed]
    assert len(wrong) == 1, str(report)
    assert IMPOSSIBLE[name][1] in wrong[0].sentence
    assert "\n" not in wrong[0].sentence and wrong[0].sentence.endswith((".", "?"))


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("-objective + advantages**2", "get_loss returned a tensor of shape (10, 5)"),
        ("None", "get_loss returned a NoneType"),
        ("-objective.mean() + float('nan')", "a number that is not finite"),
        ("self.get_loss(traj)", "RecursionError: maximum recursion depth exceeded."),
        ("objective @ 3", "in line 26 with TypeError"),
    ],
)
def test_a_loss_that_is_no_number_is_said_once(grade_here, new, sentence):
    text = (LEARNERS / "ppo.py").read_text() + "\nprint('{\"check\": 1}')\n"
    report = grade_here(text.replace("-objective.mean() + (advantages**2).mean()", new))
    (wrong,) = (finding for finding in report.findings if not finding.passed)
    assert wrong.check == "loss" and sentence in wrong.sentence
    assert {"networks", "get_action"} < {each.check for each in report.findings if each.passed}


@pytest.mark.parametrize("attempt", [learning.check_bandit, learning.check_cartpole])
def test_an_agent_that_stands_still_does_not_learn(attempt):
    class Still(agents.REINFORCE):
        def get_loss(self, traj):
            return 0 * super().get_loss(traj)

    with pytest.raises(Mistake, match="its return went from"):
        attempt(Subject(Still, "reinforce", "Still"))


def test_a_loop_in_a_method_is_named_with_its_check(tmp_path):
    text = (LEARNERS / "reinforce.py").read_text()
    path = tmp_path / "agent.py"
    path.write_text(text.replace("        return -", "        while True: pass\n        return -"))
    last = check(path, cpu_seconds=3).findings[-1]
    assert (last.check, last.passed) == ("loss", False)
    assert "infinite loop" in last.sentence


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such limits")
def test_a_stricter_limit_of_the_shell_is_kept():
    """Nobody may raise a hard limit: to try would end the checks with a traceback."""
    code = (
        "import resource as r\n"
        "from pgcore.grading.limits import limit\n"
        "r.setrlimit(r.RLIMIT_CPU, (20, 20))\n"
        "limit(cpu_seconds=60, memory_mb=500)\n"
        "print(*r.getrlimit(r.RLIMIT_CPU), r.getrlimit(r.RLIMIT_AS)[0] > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split()[:2] == ["20", "20"], done.stderr


def run(monkeypatch, capfd, *args: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["pgcore", "check", *args])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, *capfd.readouterr()


def test_command_line(tmp_path, monkeypatch, capfd):
    """Prints do not reach the report, nothing is left behind, and a choice between two is made."""
    text = (LEARNERS / "reinforce.py").read_text() + "\nclass PPO: pass\nprint('{\"end\": 1}')\n"
    (tmp_path / "mine.py").write_text(text.replace("-(traj", "(traj"))
    path = str(tmp_path / "mine.py")
    code, out, err = run(monkeypatch, capfd, path, "--algorithm", "reinforce")
    assert (code, err) == (1, "")
    assert out.startswith("ok    file: class REINFORCE, graded as REINFORCE\n")
    assert "likely mistake: The missing minus sign (pgcore/bugs/missing_minus.py)" in out
    assert '"end"' not in out
    assert [one.name for one in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere.py", "cannot be read: No such file or directory."),
        (".", "cannot be read: Is a directory."),
        ("a.ipynb", "is a notebook: copy the agent's class into a .py file."),
    ],
)
def test_unreadable(tmp_path, monkeypatch, capfd, name, says):
    (tmp_path / "a.ipynb").write_text("{}")
    code, out, err = run(monkeypatch, capfd, str(tmp_path / name))
    assert (code, out) == (2, "")
    assert err.startswith("python -m pgcore check: ") and err.endswith(says + "\n")


def test_unknown_algorithm():
    with pytest.raises(GraderError, match="one of reinforce, vpg, ppo, gae, not 'dqn'"):
        check(LEARNERS / "ppo.py", "dqn")


@pytest.mark.parametrize(
    ("algorithm", "expected"), [("reinforce", -0.2369), ("vpg", 0.0618), ("ppo", 0.9314)]
)
def test_the_assignments_reference_values(algorithm, expected):
    _, value = homework.reference_networks()
    traj = homework.reference_rollout(algorithm)
    with torch.no_grad():
        values = value(traj.states).squeeze(-1)
        right = homework.right_losses(algorithm, traj, values)
        wrong = list(homework.mistakes(algorithm, traj, values))
    assert right == [pytest.approx(expected, abs=1e-4)]
    # No mistake may hide behind the right number.
    assert all(abs(candidate.value - right[0]) > homework.TOLERANCE for candidate in wrong)
    assert {candidate.bug for candidate in wrong} - {None} <= set(bugs.discover())


def test_samples_are_every_sign_with_every_ratio():
    returns, ratios = pull.sample_weights()
    pairs = set(zip((returns > 0).flatten().tolist(), ratios.flatten().tolist(), strict=True))
    assert len(pairs) == 2 * len(pull.RATIOS)
    assert (returns != 0).all() and returns.mean().abs() > 0.1
