"""python -m pgcore train, in a process of its own where that matters, else main() itself."""

from __future__ import annotations

import csv
import re
import signal
from pathlib import Path

import pytest

from pgcore import runs
from pgcore.config import TrainConfig
from tests.pgcore import toys
from tests.pgcore.conftest import process

SHORT = ["--n-updates", "3", "--n-envs", "2", "--n-steps", "8", "--checkpoint-every", "2"]


def rows(path: Path) -> list[dict[str, str]]:
    """metrics.csv without the one column that varies."""
    with (path / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_as_in_the_readme(tmp_path):
    """The very command, in a process of its own, cut short."""
    args = ["train", "--algorithm", "ppo", "--preset", "fast", "--seed", "1", "--n-updates", "2"]
    running = process(tmp_path, *args)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert "2/2" in err and "update/s" in err  # the progress bar
    assert re.search(r"^100 fresh episodes: mean return \d+\.\d \(not solved: 475\)$", out, re.M)
    path = tmp_path / "runs" / "ppo-fast-seed1"
    config = TrainConfig.from_json((path / "config.json").read_text())
    assert config == TrainConfig.fast("ppo", seed=1, n_updates=2)
    assert [row["update"] for row in rows(path)] == ["1", "2"]


def test_interrupted_and_continued(tmp_path, command):
    # Long enough (over a second after update 3) that the signal arrives in the middle.
    settings = ["--n-updates", "16", "--n-envs", "64", "--n-steps", "192", "--seed", "2"]
    running = process(tmp_path, "train", *settings, "--name", "cut")
    seen = ""
    while not re.search(r"\b[3-9]/16\b", seen):  # in the middle of the run
        piece = running.stderr.read(1)
        assert piece, seen
        seen += piece
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "Traceback" not in err
    assert "Stopped. Continue with: python -m pgcore train --resume runs/cut\n" in err
    assert 3 <= len(rows(tmp_path / "runs" / "cut")) < 16
    code, _, err = command("train", "--resume", "runs/cut")
    assert code == 0, err
    code, _, err = command("train", *settings, "--name", "straight")
    assert code == 0, err
    assert rows(tmp_path / "runs" / "cut") == rows(tmp_path / "runs" / "straight")


@pytest.mark.parametrize("preset", ["fast", "homework"])
@pytest.mark.parametrize("algorithm", ["reinforce", "vpg", "ppo", "gae"])
def test_every_preset_trains(tmp_path, command, preset, algorithm):
    code, out, err = command("train", f"--algorithm={algorithm}", f"--preset={preset}", *SHORT)
    assert code == 0, err
    path = tmp_path / "runs" / f"{algorithm}-{preset}-seed0"
    assert f"Kept in runs/{path.name}" in out
    short = {"n_updates": 3, "n_envs": 2, "n_steps": 8, "checkpoint_every": 2}
    written = TrainConfig.from_json((path / "config.json").read_text())
    assert written == TrainConfig.preset(preset, algorithm, **short)
    assert list(runs.checkpoint_files(path)) == [0, 2, 3]
    assert len(rows(path)) == 3


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCar-v0", toys.BANDIT])
def test_other_environments(command, env_id):
    code, out, err = command("train", "--env-id", env_id, *SHORT)
    assert code == 0, err
    assert "20 fresh episodes: mean return" in out
    # "Solved" is known of the offered ones alone.
    assert ("solved: -100" in out) == (env_id == "Acrobot-v1")


def test_a_run_is_made_longer(tmp_path, command):
    assert command("train", *SHORT, "--name", "a")[0] == 0
    # 60 is also the preset's own number of updates: asked for, it counts.
    for n_updates in ("5", "60"):
        assert command("train", "--resume", "runs/a", "--n_updates", n_updates)[0] == 0
        assert rows(tmp_path / "runs" / "a")[-1]["update"] == n_updates
    longer = [*SHORT, "--n-updates", "60", "--name", "b"]
    del longer[:2]
    assert command("train", *longer)[0] == 0
    assert rows(tmp_path / "runs" / "a") == rows(tmp_path / "runs" / "b")


# Mistakes -----------------------------------------------------------------------------------------


def sentence(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    problem = err.strip().splitlines()[-1]
    assert problem.startswith("python -m pgcore train: ") and problem.endswith(".")
    return problem.removeprefix("python -m pgcore train: ")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--preset", "slow"], "preset must be one of fast, homework, not 'slow'"),
        (["--algorithm", "magic"], "algorithm must be one of gae, ppo, reinforce, vpg"),
        (["--name", "../x"], "a run's name is made of letters"),
        (["--name", "/tmp/x"], "a run's name is made of letters"),
        (["--root", "/proc/no"], "the run folder /proc/no/ppo-fast-seed0 cannot be written"),
        (["--root", "file"], "the run folder file/ppo-fast-seed0 cannot be written"),
        (["--root", "x" * 300], "cannot be written: File name too long"),
        (["--resume", "nothing"], "nothing holds no checkpoint"),
        (["--resume", "file"], "file holds no checkpoint"),
        (["--env-id", "Pendulum-v1"], "Pendulum-v1 does not fit: its actions are Box"),
        (["--env-id", "Taxi-v4"], "Taxi-v4 does not fit: its observations are Discrete(500)"),
        (["--env-id", "Taxi-v3"], "Taxi-v3 cannot be made: .* deprecated"),
        (["--env-id", "LunarLander-v3"], "LunarLander-v3 cannot be made: Box2D is not installed"),
        (["--env-id", "Nowhere-v0"], "Nowhere-v0 cannot be made: .* doesn't exist"),
        (["--env-id", "no_such_module:X-v0"], "no_such_module:X-v0 .*No module named"),
        (["--env-id", toys.STARTS_AT_ONE], "its actions do not count from 0"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_one_sentence(tmp_path, command, args, says):
    (tmp_path / "file").write_text("no folder")
    problem = sentence(command("train", *args))
    assert re.search(says.replace("(", r"\(").replace(")", r"\)"), problem), problem
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--clip-eps", "0"], "clip_eps must be above 0 and below 1, not 0.0."),
        (["--clip-eps", "2"], "clip_eps must be above 0 and below 1, not 2.0."),
        (["--n-envs", "0"], "n_envs must be from 1 to 4,096, not 0."),
        (["--seed", "-1"], "seed must be from 0 to 2,147,483,647, not -1."),
        (["--learning-rate", "nan"], "learning_rate must be above 0 and below 10, not nan."),
        (["--hidden", "0"], "hidden must be 1 to 3 layers of 1 to 512 units each."),
        (["--seed", "abc"], "Error parsing --seed"),
        (["--seed"], "Missing value for argument '--seed'"),
        (["--algorithm"], "Missing value for argument '--algorithm'"),
        (["--init", "zeros"], "invalid choice 'zeros' for argument '--init'"),
        (["--env-id", " "], "env_id must name an environment, for example CartPole-v1."),
        (["--colour", "red"], "Unrecognized options: --colour"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_setting(tmp_path, command, args, says):
    """tyro's answer: the sentence in a box, with the setting's help under it."""
    code, out, err = command("train", *args)
    text = " ".join(err.replace("│", " ").split())
    assert code == 2
    assert out == ""
    assert says in text and "Traceback" not in err
    assert not any(tmp_path.iterdir())


def test_mistakes_when_resuming(tmp_path, command):
    assert command("train", *SHORT, "--name", "a")[0] == 0
    before = rows(tmp_path / "runs" / "a")
    assert "already holds a run" in sentence(command("train", *SHORT, "--name", "a"))
    resume = ["train", "--resume", "runs/a"]
    assert "already at update 3" in sentence(command(*resume))
    assert "already at update 3" in sentence(command(*resume, "--n-updates", "2"))
    for others in (["--seed", "3"], ["--algorithm=gae"], ["--preset", "homework"]):
        assert "leave out --" in sentence(command(*resume, "--n-updates", "9", *others))
    assert rows(tmp_path / "runs" / "a") == before
    newest = runs.checkpoint_files(tmp_path / "runs" / "a")[3]
    newest.write_bytes(newest.read_bytes()[:-5])
    assert "damaged" in sentence(command(*resume, "--n-updates", "9"))
    assert rows(tmp_path / "runs" / "a") == before


def test_a_run_that_diverges_says_so(tmp_path, command):
    # Returns in units of 1e-16: their squares leave float32 once the steps have grown.
    args = ["--algorithm=vpg", "--preset=homework", "--learning-rate=9.9", "--value-scale=1e-16"]
    problem = sentence(command("train", *args, "--n-envs=8", "--n-steps=64", "--name=a"))
    failed = re.match(r"update (\d+): the loss or its gradient is no longer a finite num", problem)
    # What came before is kept.
    assert len(rows(tmp_path / "runs" / "a")) == int(failed[1]) - 1 > 0


def test_usage(command):
    for args in ((), ("fly",)):
        code, out, err = command(*args)
        assert (code, out) == (2, "")
        assert err.startswith("usage: python -m pgcore {train")
    code, out, _ = command("--help")
    assert code == 0 and out.startswith("usage: python -m pgcore {train")
    code, out, _ = command("train", "--algorithm", "gae", "--help")
    assert code == 0
    assert "--clip-eps FLOAT" in out and "Step size of Adam." in out


def test_a_fork(tmp_path, command):
    assert command("train", *SHORT, "--name", "a")[0] == 0
    fork = ["train", "--fork", "runs/a", "--at", "2"]
    code, out, err = command(*fork, "--learning-rate", "0.1", "--n-updates", "4")
    assert code == 0, err
    assert "Fork of runs/a at update 2: learning rate 0.025 → 0.1\n" in out
    path = tmp_path / "runs" / "a-at2-learning_rate-0.1"
    assert [row["update"] for row in rows(path)] == ["3", "4"]
    # With nothing changed: the parent once more.
    assert command(*fork, "--name", "b")[0] == 0
    assert rows(tmp_path / "runs" / "b") == rows(tmp_path / "runs" / "a")[2:]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--fork", "runs/a", "--at", "1"], "no checkpoint of update 1; it has those of 0, 2, 3."),
        (["--fork", "runs/a", "--at=x"], "no checkpoint of update x"),
        (["--fork", "runs/a", "--at", "2", "--seed", "5"], "seed cannot change at a fork"),
        (["--fork", "runs/a"], "n_updates must be above 3, the update of the fork, not 3."),
        (["--fork", "runs/a", "--preset", "fast"], "leave out --preset."),
        (["--fork", "runs/a", "--resume=runs/a"], "leave out --resume."),
        (["--fork", "runs/a", "--at", "2", "--name", "a"], "already holds a run"),
        (["--fork", "nothing"], "nothing holds no checkpoint"),
        (["--fork="], "--fork needs the folder of a run"),
        (["--at", "2"], "--at belongs to --fork"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_when_forking(tmp_path, command, args, says):
    assert command("train", *SHORT, "--name", "a")[0] == 0
    assert says in sentence(command("train", *args))
    assert [one.name for one in (tmp_path / "runs").iterdir()] == ["a"]
