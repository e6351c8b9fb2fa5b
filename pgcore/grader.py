"""Check a learner's own agent: the homework's tests, then what they cannot see.

The file runs in a process of its own, never in this one, and only when somebody at a terminal or in
a notebook asks: the app does not import this module. Limits are on CPU seconds, memory and
wall-clock seconds; on Windows on wall-clock seconds alone, on macOS not on memory. They protect
from accidents, not from malice: grade no file that you would not run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pgcore import bugs
from pgcore.grading.subject import GRADED

ROOT = Path(__file__).resolve().parent.parent


class GraderError(ValueError):
    """The request itself is wrong: no such file, or no such algorithm."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    check: str
    passed: bool
    sentence: str
    bug: str | None = None
    """Name of a file in pgcore/bugs: the likely mistake."""


@dataclass(frozen=True)
class Report:
    """What the grader found."""

    algorithm: str | None
    """What the class was graded as; None if no class was found."""
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(finding.passed for finding in self.findings)

    @property
    def bugs(self) -> tuple[str, ...]:
        """Names of the clinic's bugs that were recognised, without repetition."""
        return tuple(dict.fromkeys(f.bug for f in self.findings if f.bug is not None))

    def __str__(self) -> str:
        clinic = bugs.discover()
        lines = []
        for finding in self.findings:
            mark = "ok   " if finding.passed else "WRONG"
            lines.append(f"{mark} {finding.check}: {finding.sentence}")
            if finding.bug is not None:
                bug = clinic[finding.bug]
                lines.append(f"      likely mistake: {bug.title} (pgcore/bugs/{finding.bug}.py)")
                lines.append(f"      cure: {bug.fix}")
        wrong = sum(not finding.passed for finding in self.findings)
        lines.append(
            "All checks passed."
            if self.passed
            else f"{wrong} of {len(self.findings)} checks failed"
            + ("." if self.algorithm is None else "; learning is tried once all others pass.")
        )
        return "\n".join(lines)


def check(
    file: str | Path,
    algorithm: str | None = None,
    *,
    cpu_seconds: int = 60,
    wall_seconds: float = 180,
    memory_mb: int = 2048,
) -> Report:
    """Grade the agent class in a Python file, and its TrajData, in a process of its own.

    Args:
        file: defines a class REINFORCE, VPG, PPO or GAE, or Agent with one of these as its `name`;
            perhaps the homework's TrajData too, or that alone; perhaps the loop that trains it,
            train(agent, envs, n_updates, gamma, lam), which makes its own optimizer, steps the
            vector environment envs, hands agent.get_loss the rows that count, and returns the
            number to plot for each of the n_updates rollouts.
        algorithm: one of GRADED, where the file defines several.
        cpu_seconds, wall_seconds: after so many the process is ended.
        memory_mb: what it may take beyond Python's and torch's own.
    Returns:
        Report; whatever the file does, an outcome is one sentence.
    Raises:
        GraderError: if the file cannot be read, or the algorithm is none of GRADED.
    """
    path = Path(file)
    if algorithm is not None and algorithm not in GRADED:
        raise GraderError(f"algorithm must be one of {', '.join(GRADED)}, not {algorithm!r}.")
    try:
        path.read_bytes()
        path = path.resolve()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise GraderError(f"{path} cannot be read: {problem}.") from None
    if path.suffix == ".ipynb":
        raise GraderError(f"{path} is a notebook: copy the agent's class into a .py file.")
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        events.touch()
        # -P and -B: nothing in the learner's folder shadows a module of ours, and nothing is left.
        command = [sys.executable, "-P", "-B", "-m", "pgcore.grading.child", str(events), str(path)]
        command += [algorithm or "", str(cpu_seconds), str(memory_mb)]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        timed_out = False
        try:
            process.wait(wall_seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _end(process)
        text = events.read_text("utf-8", errors="replace")
    code = process.returncode
    if timed_out:
        why = f"Stopped after {wall_seconds:g} s: it waits for something, or loops without end."
    elif hasattr(signal, "SIGXCPU") and code == -signal.SIGXCPU:
        why = f"Stopped after {cpu_seconds} s of CPU: an infinite loop, or very slow."
    elif code < 0:
        why = (
            f"The process crashed (signal {-code}): native code failed, or it needed more than the "
            f"{memory_mb:,} MB it may have."
        )
    else:
        why = f"The file ended its own process (exit code {code})."
    return read_report(text, why)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started."""
    if hasattr(os, "killpg"):
        # The group is gone if the process ended and had started no other.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def read_report(text: str, why: str = "The checks did not end.") -> Report:
    """The report that the child's events make.

    Args:
        text: JSON, a line an event.
        why: what to say of the check under way, if the process ended before its last event.
    """
    algorithm, doing, ended = None, "file", False
    findings = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # the last line, if the process was ended while it wrote
            continue
        if "check" in event:
            findings.append(Finding(**event))
        algorithm = event.get("algorithm", algorithm)
        doing = event.get("start", doing)
        ended = ended or "end" in event
    if not ended:
        if doing == "file":
            why += ' Put what trains or waits under `if __name__ == "__main__":`.'
        findings.append(Finding(doing, False, why))
    return Report(algorithm, tuple(findings))
