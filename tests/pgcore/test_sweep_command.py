"""python -m pgcore sweep: real runs, its tables, its interruption, its mistakes."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from pgcore import comparison
from pgcore.plan import grid
from pgcore.sweep import run_one
from tests.pgcore.conftest import process

TINY = {"n_updates": 2, "n_envs": 2, "n_steps": 8}
FIXED = [word for name, value in TINY.items() for word in ("--vary", name, str(value))]
HERE = ["--backend", "serial", "--folder", "kept", *FIXED]


def runs_in(folder: Path) -> dict[str, float]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def test_from_words_to_tables(tmp_path, command):
    words = ["--algorithms", "ppo", "vpg", "--vary", "learning-rate", "0.01", "1e-3"]
    code, out, err = command("sweep", *words, "--seeds", "3", *HERE)
    assert code == 0, err
    assert "12/12" in err
    settings = {"learning_rate": [0.01, 0.001]} | {name: [v] for name, v in TINY.items()}
    configs = grid(["fast"], ["ppo", "vpg"], settings, range(3))
    compared = comparison.groups(configs, map(run_one, configs))
    assert comparison.summary_lines(compared) in out
    assert "0 of 3" in out and "learning_rate 0.001" in out
    results = pd.read_csv(tmp_path / "kept" / "results.csv")
    assert results["final_return"].tolist() == [
        run.final_return for group in compared for run in group.results
    ]
    assert results["weights"].nunique() == 12
    summary = pd.read_csv(tmp_path / "kept" / "summary.csv")
    assert summary["iqm"].tolist() == comparison.summary(compared)["iqm"].tolist()
    # The same command again reads what is there.
    kept = runs_in(tmp_path / "kept")
    assert len(kept) == 12
    again, same_out, _ = command("sweep", *words, "--seeds", "3", *HERE)
    assert (again, same_out) == (0, out)
    assert runs_in(tmp_path / "kept") == kept


def test_a_failed_run_is_one_line_and_the_rest_goes_on(tmp_path, command):
    words = ["--vary", "env_id", "Nope-v0", "CartPole-v1", "--seeds", "4", "7"]
    code, out, err = command("sweep", *words, *HERE)
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("Failed: ")]
    assert len(lines) == 2 and "Traceback" not in err
    assert "env_id Nope-v0" in lines[0] and "seed 4: Nope-v0 cannot be made" in lines[0]
    assert "count as not solved" in out
    summary = pd.read_csv(tmp_path / "kept" / "summary.csv")
    assert summary["seeds"].tolist() == [0, 2] and summary["failed"].tolist() == [2, 0]
    results = pd.read_csv(tmp_path / "kept" / "results.csv")
    assert results["seed"].tolist() == [4, 7, 4, 7]


def test_interrupted_and_resumed(tmp_path, command):
    words = ["--seeds", "3", "--folder", "kept", "--workers", "2", *FIXED]
    # Long enough that the signal arrives in the middle; evaluated at both ends only.
    words[words.index("n_updates") + 1] = "60"
    words += ["--vary", "checkpoint_every", "60"]
    running = process(tmp_path, "sweep", *words, new_group=True)
    seen = ""
    while not re.search(r"\b[12]/3\b", seen):
        piece = running.stderr.read(1)
        assert piece, seen
        seen += piece
    # As a terminal's Ctrl-C does: to every process of the group.
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "Traceback" not in err, err
    told = re.search(r"Stopped\. (\d+) of 3 runs are kept in kept: the same command goes on", err)
    kept = runs_in(tmp_path / "kept")
    assert len(kept) == int(told[1]) < 3
    wait_until_gone(running.pid)
    code, out, err = command("sweep", *words, "--backend", "serial")
    assert code == 0, err
    assert "0 of 3" in out
    assert kept.items() <= runs_in(tmp_path / "kept").items()


def wait_until_gone(group: int) -> None:
    """Until no process of the group is left."""
    deadline = time.monotonic() + 60
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)  # polling other processes: there is nothing to wait on
        pytest.fail("a process of the sweep outlives it")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--algorithms", "magic"], "algorithm must be one of gae, ppo, reinforce, vpg"),
        (["--presets", "slow"], "preset must be one of fast, homework, not 'slow'."),
        (["--vary"], "name a setting and its values, for example"),
        (["--vary", "colour", "red"], "there is no setting named 'colour'."),
        (["--vary", "clip_eps"], "clip_eps needs at least one value."),
        (["--vary", "clip_eps", "2"], "clip_eps must be above 0 and below 1, not 2.0."),
        (["--vary", "gamma", "1", "--vary", "gamma", "0"], "gamma is varied twice"),
        (["--vary", "seed", "3"], "seed is not a setting to vary: choose seeds."),
        (["--seeds", "0"], "a sweep needs at least one seed."),
        (["--seeds", "5", "-1"], "seed must be from 0"),
        (["--algorithms"], "a sweep needs at least one algorithm."),
        (["--workers", "0"], "workers must be at least 1, or -1"),
        (["--folder", "file"], "the folder file cannot be written: File exists."),
        (["--folder", "/proc/no"], "the folder /proc/no cannot be written"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence(tmp_path, command, args, says):
    (tmp_path / "file").write_text("no folder")
    code, out, err = command("sweep", *args)
    assert (code, out) == (2, "")
    problem = err.strip().splitlines()[-1]
    assert problem.startswith(f"python -m pgcore sweep: {says}") and problem.endswith(".")
    assert "Traceback" not in err


def test_help_is_complete(command):
    code, out, _ = command("sweep", "--help")
    assert code == 0
    for word in ("--algorithms", "--presets", "--vary", "--seeds", "--backend", "--workers"):
        assert word in out
    assert "goes on where it was interrupted" in " ".join(out.split())
    assert "gae, ppo, reinforce, vpg" in out
    code, _, err = command("sweep", "--backend", "cloud")
    assert code == 2 and "invalid choice" in err
