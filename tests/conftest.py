"""A real server and a real browser, shared by the tests that need them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# Before anybody imports torch: networks this small run slower on more threads than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A deadline would be a timed assertion, and the machine may be busy.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IDLE = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app && app.dataset.testScriptState === 'notRunning'
    && app.dataset.testConnectionState === 'CONNECTED'
    && !document.querySelector('[data-stale=true],[data-testid=stSkeleton]');
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(
    cwd: Path = ROOT, script: Path = ROOT / "app.py", **environment: str
) -> tuple[subprocess.Popen[bytes], str]:
    """The app as a user starts it, on a free port; returns when it answers."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        "--server.headless=true",
        f"--server.port={port}",
    ]
    process = subprocess.Popen(command, cwd=cwd, env=os.environ | environment)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return process, url
        except OSError:
            time.sleep(0.1)  # polling another process: there is nothing to wait on
    process.kill()
    raise RuntimeError("the app did not start within 60 seconds")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    process, url = start_server()
    yield url
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture(scope="session")
def chromium():
    if not Path(CHROMIUM).exists():
        message = (
            "no Chromium at /usr/bin/chromium: browser tests need it (apt-get install chromium)"
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def wait_idle(page, timeout: int = 30_000) -> None:
    """Until Streamlit has run the script and painted what it sent."""
    page.wait_for_function(IDLE, timeout=timeout)


def assert_no_exception(page) -> None:
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.fixture(scope="session")
def window(chromium):
    """One browser window: each tab is a session of its own, what was fetched serves all of them."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def open_page(server: str, chromium, window) -> Iterator[Callable]:
    """open_page("train?seed=3") -> a Playwright page in a session of its own, idle.

    Options, such as has_touch=True, make it a window of its own.
    """
    opened = []

    def open_(path: str = "", width: int = 1280, height: int = 900, **options):
        size = {"width": width, "height": height}
        if options:
            opened.append(chromium.new_context(viewport=size, **options))
            page = opened[-1].new_page()
        else:
            opened.append(page := window.new_page())
            page.set_viewport_size(size)
        page.goto(f"{server}/{path}")
        page.wait_for_selector("[data-testid=stApp]")
        wait_idle(page)
        return page

    yield open_
    for one in opened:
        one.close()
