"""Many runs on the Train page as a student meets them: real processes, and one that fails."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.conftest import assert_no_exception, wait_idle

pytestmark = pytest.mark.browser
PATIENCE = 120_000
# Values in units of 1e-30: their loss is not a finite number.
SWEEP = (
    "train?mode=many&algorithms=vpg&presets=fast&seeds=2"
    "&vary1=value_scale&values1=20,1e-30&vary2=n_updates&values2="
)


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def wait_status(page, text: str) -> None:
    page.locator("[data-testid=stProgress]").get_by_text(re.compile(f"^{text}")).wait_for()
    wait_idle(page, PATIENCE)


def workers_left() -> list[psutil.Process]:
    """Of this process's server."""
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "popen_loky" in " ".join(one.cmdline())]


def test_a_sweep_from_start_to_download_and_one_that_is_stopped(open_page):
    page = open_page(SWEEP + "2")
    page.set_default_timeout(PATIENCE)
    button(page, "Start").click()
    wait_status(page, "Done · 4 of 4 runs · 2 failed")
    said = page.locator("[data-testid=stAlert]").inner_text()
    assert "2 of the runs failed" in said and "count as not solved" in said
    assert "VPG fast · n_updates 2 · value_scale 1e-30, seed 0: update 1: the loss" in said
    page.get_by_text("Show every seed", exact=True).click()
    page.get_by_label("Mean return of fresh episodes by environment steps").first.wait_for()
    page.get_by_text("Neither is known before each group has a finished run.").wait_for()
    with page.expect_download() as download:
        button(page, "results.csv").click()
    told = pd.read_csv(Path(download.value.path()))
    assert told["seed"].tolist() == [0, 1, 0, 1]
    assert told["error"].notna().tolist() == [False, False, True, True]
    assert told["final_return"].notna().tolist() == [True, True, False, False]
    # Long enough to be stopped.
    values = page.get_by_label("over the values").nth(1)
    values.fill("3000")
    button(page, "Start").click()
    wait_status(page, "Running")
    assert "values2=3000" in page.url
    button(page, "Stop").click()
    wait_status(page, r"Stopped · \d of 4 runs")
    deadline = time.monotonic() + 60
    while workers_left() and time.monotonic() < deadline:
        time.sleep(0.05)  # polling other processes: there is nothing to wait on
    assert workers_left() == []
    # One run is where it was, and a reload keeps the form.
    page.reload()
    button(page, "Start").wait_for()
    wait_idle(page, PATIENCE)
    assert page.get_by_label("over the values").nth(1).input_value() == "3000"
    assert_no_exception(page)
