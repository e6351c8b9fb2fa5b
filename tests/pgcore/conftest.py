"""The command line, in this process and in one of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pgcore.__main__ import main
from tests.conftest import ROOT


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """command("train", ...) in an empty folder -> exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pgcore", *args])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = 0 if end.code is None else end.code
        return code, *capfd.readouterr()

    return run


def process(cwd: Path, *args: str, new_group: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pgcore", *args],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=new_group,
    )
