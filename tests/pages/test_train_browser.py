"""The Train page as a student meets it: a real server, a real browser, real training."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from pgcore import checkpoints
from pgcore.checkpoints import Checkpoint
from pgcore.config import TrainConfig
from pgcore.runs import COLUMNS
from pgcore.train import Trainer
from tests.conftest import ROOT, assert_no_exception, start_server, wait_idle
from tests.pages import figures

pytestmark = pytest.mark.browser
PATIENCE = 90_000
RETURNS = '[aria-label^="Episode return by"]'
SHORT = "n_updates=12&n_envs=8&n_steps=64&checkpoint_every=4"
ENDLESS = "n_updates=100000&n_envs=4&n_steps=32&checkpoint_every=100000"


class Wire:
    """A connection to the server that can be cut and mended, as a network does it."""

    def __init__(self, url: str) -> None:
        self._far = url.rpartition(":")[2]
        self._whole = True
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole = False
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", int(self._far)))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        self._open.add(source)
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server with room for all runs here, and the folder in which it keeps them."""
    cwd = tmp_path_factory.mktemp("served")
    (cwd / ".streamlit").symlink_to(ROOT / ".streamlit")
    process, url = start_server(cwd=cwd, MAX_TRAINING_JOBS="8")
    yield url, cwd
    process.terminate()
    process.wait(timeout=60)


def new_tab(chromium, url: str, query: str):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}/train?{query}")
    press(page, "Start", only_wait=True)
    wait_idle(page, PATIENCE)
    return page


@pytest.fixture
def train(served, chromium):
    """train("seed=3") -> the Train page in a browser session of its own."""
    opened = []

    def open_(query: str = ""):
        opened.append(page := new_tab(chromium, served[0], query))
        return page

    yield open_
    for page in opened:
        page.close()


@pytest.fixture(scope="module")
def finished(served, chromium):
    """A page with one finished run, for tests that only look at it."""
    page = new_tab(chromium, served[0], SHORT)
    full_speed(page)
    press(page, "Start")
    wait_status(page, "Done")
    wait_idle(page, PATIENCE)
    yield page
    page.close()


@pytest.fixture(scope="module")
def cut_off(served, chromium):
    """Three runs whose tabs were cut off, and when: the first test asks for them, the last one too.

    The grace period takes its time; the other tests use it.
    """
    wires = [Wire(served[0]), Wire(served[0])]
    elsewhere = new_tab(chromium, wires[0].url, ENDLESS)
    both = new_tab(chromium, wires[1].url, ENDLESS)
    closed = new_tab(chromium, served[0], ENDLESS)
    for page, name in ((elsewhere, "elsewhere"), (both, "blip-then-closed"), (closed, "closed")):
        keep_on_disk(page, name)
        press(page, "Start")
        wait_curve(page, 0)
    to_page(elsewhere, "Quiz")
    for wire, page in zip(wires, (elsewhere, both), strict=True):
        wire.cut()
        wait_connection(page, lost=True)
    # One blip as short as can be, one of some seconds.
    wires[1].mend()
    elsewhere.wait_for_timeout(3000)
    wires[0].mend()
    for page in (elsewhere, both):
        wait_connection(page, lost=False)
    wait_update(both, update_of(both) + 1)
    both.close()
    closed.close()
    yield elsewhere, time.time()
    elsewhere.close()
    for wire in wires:
        wire.close()


def press(page, name: str, only_wait: bool = False) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    button.wait_for()
    if not only_wait:
        button.click()


def full_speed(page) -> None:
    page.get_by_text("Full speed", exact=True).click()


def wait_status(page, text: str) -> None:
    page.locator("[data-testid=stProgress]").get_by_text(re.compile(rf"^{text}\b")).wait_for()


def update_of(page) -> int:
    """The number of updates in the progress bar's text."""
    text = page.locator("[data-testid=stProgress]").inner_text()
    return int(re.search(r"update ([\d,]+) of", text)[1].replace(",", ""))


def wait_update(page, at_least: int) -> None:
    wait_for(page, lambda: update_of(page) >= at_least)


def curves(page) -> list[dict]:
    """Each run's line on the return chart: its name, length in pixels, opacity."""
    return page.locator(f"{RETURNS} .mark-line path").evaluate_all(
        """paths => paths.map(path => ({
            run: /run: ([^;]*)/.exec(path.getAttribute('aria-label'))[1],
            length: path.getTotalLength(),
            opacity: Number(path.getAttribute('opacity')),
        }))"""
    )


def drawn(page) -> list[dict]:
    """The curves, once a poll's time changes nothing: a chart is drawn later than the words."""
    deadline, now = time.monotonic() + PATIENCE / 1000, curves(page)
    while True:
        page.wait_for_timeout(600)
        before, now = now, curves(page)
        if now == before:
            return now
        assert time.monotonic() < deadline


def wait_curve(page, longer_than: float) -> None:
    page.wait_for_function(
        """([chart, least]) => {
            const path = document.querySelector(chart + ' .mark-line path');
            return path && path.getTotalLength() > least;
        }""",
        arg=[RETURNS, longer_than],
        timeout=PATIENCE,
    )


def x_ticks(page) -> set[str]:
    axis = page.locator(f'{RETURNS} [aria-label^="X-axis"] .role-axis-label text')
    return set(axis.all_text_contents())


def wait_for(page, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def metrics_lines(folder: Path) -> int:
    return len((folder / "metrics.csv").read_text().splitlines())


def keep_on_disk(page, name: str) -> None:
    page.get_by_text("Keep on disk", exact=True).click()
    box = page.get_by_label("Folder name")
    box.fill(name)
    box.press("Enter")
    wait_idle(page, PATIENCE)


def to_page(page, title: str, idle: bool = True) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
    path = "" if title == "Start here" else title.lower()
    page.wait_for_url(re.compile(rf":\d+/{path}(\?.*)?$"))
    if idle:
        wait_idle(page, PATIENCE)


def wait_connection(page, lost: bool) -> None:
    page.wait_for_function(
        """lost => {
            const app = document.querySelector('[data-testid=stApp]');
            return (app.dataset.testConnectionState === 'CONNECTED') !== lost;
        }""",
        arg=lost,
        timeout=PATIENCE,
    )


def wait_lines(folder: Path, more_than: int) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while metrics_lines(folder) <= more_than:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # another process writes: there is nothing to wait on


def ended_at(folder: Path) -> float:
    """When the run stopped, which left a second checkpoint behind it; waits for that."""
    deadline = time.monotonic() + PATIENCE / 1000
    while len(kept := list((folder / "checkpoints").iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # another process writes: there is nothing to wait on
    return max(file.stat().st_mtime for file in kept)


def test_a_run_trains_on_right_after_a_blip(served, cut_off):
    """First of all, for the last test's sake."""
    folder = served[1] / "runs" / "elsewhere"
    wait_lines(folder, metrics_lines(folder))


# One run ------------------------------------------------------------------------------------------


def test_a_run_grows_pauses_goes_on_and_stops(train):
    page = train("n_updates=2000&n_envs=8&n_steps=64")
    press(page, "Start")
    wait_status(page, "Running")
    wait_curve(page, 0)
    first = curves(page)[0]["length"]
    chart = page.locator(RETURNS)
    chart.evaluate("node => { node.mark = 'mine'; node.querySelector('svg').mark = 'mine' }")
    wait_curve(page, first)
    # There is something to watch while it trains.
    page.get_by_text("Untrained: return").wait_for()

    page.mouse.move(0, 0)
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = x_ticks(page)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    wait_for(page, lambda: x_ticks(page) != before)
    zoomed = x_ticks(page)
    at = update_of(page)
    wait_update(page, at + 12)
    assert x_ticks(page) == zoomed != before
    assert chart.evaluate("node => [node.mark, node.querySelector('svg').mark]") == ["mine"] * 2

    press(page, "Pause")
    wait_status(page, "Paused")
    at, line = update_of(page), drawn(page)
    page.wait_for_timeout(1500)  # three polls: what is awaited is that nothing happens
    assert update_of(page) == at
    assert curves(page) == line
    press(page, "Resume")
    wait_update(page, at + 3)
    press(page, "Stop")
    wait_status(page, "Stopped")
    wait_idle(page, PATIENCE)
    assert chart.evaluate("node => [node.mark, node.querySelector('svg').mark]") == ["mine"] * 2
    assert x_ticks(page) == zoomed
    chart.dblclick(position={"x": box["width"] / 2, "y": box["height"] / 2})
    wait_for(page, lambda: x_ticks(page) == before)
    assert_no_exception(page)


def test_a_double_click_starts_one_run_and_it_goes_on_while_one_reads_another_page(train):
    page = train(ENDLESS)
    page.get_by_role("button", name="Start", exact=True).dblclick()
    wait_status(page, "Running")
    wait_curve(page, 0)
    wait_idle(page, PATIENCE)
    assert len(curves(page)) == 1
    assert page.get_by_role("button", name="Start", exact=True).is_disabled()
    at = update_of(page)
    to_page(page, "Start here")
    to_page(page, "Train")
    wait_status(page, "Running")
    wait_curve(page, 0)
    assert update_of(page) > at
    assert len(curves(page)) == 1
    asked = page.evaluate("Object.fromEntries(new URL(location.href).searchParams)")
    assert asked["n_updates"] == "100000"
    assert_no_exception(page)


def test_start_right_after_typing(train):
    """Leaving the box and pressing Start are one movement: neither may be lost."""
    page = train(f"{SHORT}&clip_eps=7")
    page.get_by_text("The link asks for something that does not exist").wait_for()
    page.get_by_text("Full speed", exact=True).click()
    page.get_by_role("spinbutton", name="Seed").fill("7")
    press(page, "Start")
    wait_status(page, "Done")
    assert [one["run"] for one in curves(page)] == ["#1 PPO edited, seed 7"]


# A finished run -----------------------------------------------------------------------------------


def gifs(page):
    images = page.locator("[data-testid=stImage] img")
    images.nth(1).wait_for()
    return images


def test_two_episodes_play_side_by_side(finished):
    images = gifs(finished)
    assert images.count() == 2
    left, right = (images.nth(i).bounding_box() for i in (0, 1))
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    for i in (0, 1):
        data = finished.request.get(images.nth(i).get_attribute("src")).body()
        with Image.open(io.BytesIO(data)) as gif:
            assert gif.format == "GIF" and gif.n_frames > 5
        # It moves on the screen, too.
        shot, deadline = images.nth(i).screenshot(), time.monotonic() + 30
        while images.nth(i).screenshot() == shot:
            assert time.monotonic() < deadline
    alts = [images.nth(i).get_attribute("alt") for i in (0, 1)]
    assert re.fullmatch(r"Untrained: an episode of \d+ steps\.", alts[0])
    assert re.fullmatch(r"After update 12: an episode of \d+ steps\.", alts[1])


def test_the_slider_goes_over_the_checkpoints(finished):
    gifs(finished)
    thumb = figures.slider(finished, "policy", "checkpoint")
    for update in (8, 4, 0):
        thumb.press("ArrowLeft")
        finished.get_by_text(f"After update {update}: return").wait_for()
    thumb.press("End")
    finished.get_by_text("After update 12: return").wait_for()
    wait_idle(finished, PATIENCE)


def test_a_new_random_episode(finished):
    before = [gifs(finished).nth(i).get_attribute("src") for i in (0, 1)]
    press(finished, "New random episode")
    for i in (0, 1):
        finished.wait_for_function(
            "([i, before]) => document.querySelectorAll('[data-testid=stImage] img')[i]"
            "?.getAttribute('src') !== before",
            arg=[i, before[i]],
            timeout=PATIENCE,
        )
    wait_idle(finished, PATIENCE)
    assert_no_exception(finished)


def test_downloads(finished):
    with finished.expect_download() as waiting:
        finished.get_by_role("button", name=re.compile("^Metrics of #1 PPO")).click()
    text = Path(waiting.value.path()).read_text()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert len(text.splitlines()) == 13
    assert waiting.value.suggested_filename == "metrics-run-1.csv"
    with finished.expect_download() as waiting:
        press(finished, "This episode as GIF")
    with Image.open(waiting.value.path()) as gif:
        assert gif.n_frames > 5
    with finished.expect_download() as waiting:
        press(finished, "This checkpoint")
    loaded = Checkpoint.load(Path(waiting.value.path()))
    assert loaded.update == 12 and loaded.config.n_steps == 64
    wait_idle(finished, PATIENCE)


def lines(page, chart: str) -> list[tuple[list[str], str | None]]:
    """Each line of a chart: its points as the browser has them, and its dashes."""
    return page.locator(f"{chart} .mark-line path").evaluate_all(
        """paths => paths.map(path => [
            path.getAttribute('d').match(/[-\\d.]+,[-\\d.]+/g),
            path.getAttribute('stroke-dasharray'),
        ])"""
    )


def test_a_fork_branches_off_its_parent(train):
    page = train("n_updates=6&n_envs=8&n_steps=64&checkpoint_every=2")
    full_speed(page)
    press(page, "Start")
    wait_status(page, "Done")
    page.get_by_text("Fork from here: #1 after update 6").wait_for()
    wait_idle(page, PATIENCE)
    figures.slider(page, "policy", "checkpoint").press("ArrowLeft")
    page.get_by_text("Fork from here: #1 after update 4").wait_for()
    button = page.get_by_role("button", name="Fork", exact=True)
    page.get_by_text("This is the run's own value").wait_for()
    assert button.is_disabled()
    rate = page.locator("[class*=st-key-fork_][class*=_learning_rate] input")
    rate.fill("0.1")
    rate.press("Enter")
    page.get_by_text("learning rate 0.025 → 0.1", exact=True).wait_for()
    # The second half of a double click must not start another.
    button.dblclick()
    wait_for(page, lambda: len(curves(page)) == 2 and curves(page)[1]["length"] > 0)
    wait_status(page, "Done")
    wait_idle(page, PATIENCE)
    assert update_of(page) == 24
    names = [one["run"] for one in curves(page)]
    label = "#2 fork of #1 at update 4: learning rate 0.025 → 0.1"
    assert names == ["#1 PPO edited, seed 0", label]
    for chart in (RETURNS, '[aria-label^="Entropy by environment steps"]'):
        # The last poll comes a moment after the end: the parent's point and 20 updates.
        wait_for(page, lambda chart=chart: len(lines(page, chart)[1][0]) == 1 + 20)
        (parent, whole), (branch, broken) = lines(page, chart)
        # Its first point is the parent's at update 4; the first rollout is the same, too.
        assert branch[0] in parent[:-2] and branch[0] != parent[0], chart
        assert whole != broken == "7,3"
    symbols = page.locator(f"{RETURNS} .role-legend-symbol path")
    dashes = [symbols.nth(i).get_attribute("stroke-dasharray") for i in (0, 1)]
    assert dashes == [whole, broken]
    page.get_by_text("Broken line: a fork").wait_for()
    assert_no_exception(page)


# The link, and files that come in -----------------------------------------------------------------


def test_a_link_reproduces_the_form_and_so_does_a_reload(train):
    page = train("seed=3&clip_eps=0.3")
    for _ in range(2):
        assert page.get_by_role("spinbutton", name="Seed").input_value() == "3"
        page.get_by_text("Every setting").click()
        assert page.get_by_role("spinbutton", name="Clip eps").input_value() == "0.3"
        wait_idle(page, PATIENCE)
        asked = page.evaluate("Object.fromEntries(new URL(location.href).searchParams)")
        preset = {"algorithm": "ppo", "preset": "fast", "env_id": "CartPole-v1"}
        assert asked == preset | {"seed": "3", "clip_eps": "0.3"}
        page.reload()
        press(page, "Start", only_wait=True)
        wait_idle(page, PATIENCE)
    page.get_by_text("Every setting").click()
    box = page.get_by_role("spinbutton", name="N envs")
    box.fill("0")
    box.press("Enter")
    page.get_by_text("N_envs must be from 1 to 4,096, not 0.").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('button')].some("
        "button => button.innerText.includes('Start') && button.disabled)"
    )
    assert_no_exception(page)


def upload(page, name: str, data: bytes) -> None:
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def test_checkpoint_files(train):
    page = train("seed=5")
    trainer = Trainer(TrainConfig.fast("vpg", n_updates=3, n_envs=4, n_steps=32))
    list(trainer.run())
    data = checkpoints.take(trainer).data
    upload(page, "photo.safetensors", b"\x89PNG" * 100)
    page.get_by_text("This is not a checkpoint, or it is damaged.").wait_for()
    upload(page, "flipped.safetensors", data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    page.get_by_text("The checkpoint is damaged.").wait_for()
    assert_no_exception(page)
    # Nothing is lost: the form is as it was, and a good file goes on.
    assert page.get_by_role("spinbutton", name="Seed").input_value() == "5"
    upload(page, "good.safetensors", data)
    page.get_by_text("VPG on CartPole-v1 after update 3.").wait_for()
    full_speed(page)
    press(page, "Continue this run")
    wait_status(page, "Done")
    assert update_of(page) == 23
    assert curves(page)[0]["run"].startswith("#1 VPG edited")
    assert_no_exception(page)


# Sessions, pages, tabs ----------------------------------------------------------------------------


def test_two_sessions_do_not_see_each_other(train, finished):
    other = train(SHORT)
    assert other.get_by_text("Nothing trained yet").is_visible()
    assert other.get_by_text("Watch it play").count() == 0
    assert finished.locator(RETURNS).is_visible()


def test_a_second_run_beside_the_first(finished):
    page, first = finished, curves(finished)
    page.get_by_text("VPG", exact=True).click()
    wait_idle(page, PATIENCE)
    press(page, "Start")
    page.wait_for_function(
        "chart => document.querySelectorAll(chart + ' .mark-line path').length === 2",
        arg=RETURNS,
        timeout=PATIENCE,
    )
    wait_status(page, "Done")
    wait_idle(page, PATIENCE)
    names = {one["run"]: one for one in curves(page)}
    assert set(names) == {"#1 PPO edited, seed 0", "#2 VPG fast, seed 0"}
    assert names["#1 PPO edited, seed 0"]["opacity"] == first[0]["opacity"] == 1
    # A click on a name singles its run out, a second one brings the others back.
    legend = page.locator(f"{RETURNS} .role-legend-label text")
    legend.filter(has_text="#2 VPG").click()
    page.wait_for_function(
        """chart => [...document.querySelectorAll(chart + ' .mark-line path')].some(
            path => path.getAttribute('aria-label').includes('#1 PPO')
                && Number(path.getAttribute('opacity')) < 0.2)""",
        arg=RETURNS,
    )
    assert {one["run"]: one["opacity"] for one in curves(page)}["#2 VPG fast, seed 0"] == 1
    # Two files to take along, and a choice of the run to watch.
    assert page.get_by_role("button", name=re.compile("^Metrics of #")).count() == 2
    page.get_by_label("Run", exact=True).wait_for()


def test_a_link_opened_first_thing_after_the_start(chromium):
    """No page of the app has run yet: the table of contents is ours all the same."""
    process, url = start_server()
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        missing = []
        page.on("response", lambda answer: answer.status >= 400 and missing.append(answer.url))
        page.goto(f"{url}/train?seed=4")
        press(page, "Start", only_wait=True)
        wait_idle(page, PATIENCE)
        links = page.locator("[data-testid=stSidebarNavLink]").all_inner_texts()
        titles = [text.strip().splitlines()[-1] for text in links]
        assert titles[:2] == ["Start here", "Decision processes"]
        assert page.get_by_role("spinbutton", name="Seed").input_value() == "4"
        # Streamlit looks for its server below the page's own address first; nothing else is amiss.
        assert {one.removeprefix(url) for one in missing} <= {
            "/train/_stcore/health",
            "/train/_stcore/host-config",
        }
    finally:
        context.close()
        process.terminate()
        process.wait(timeout=60)


def test_a_blip_does_not_stop_a_run_and_a_closed_tab_does(served, cut_off):
    (elsewhere, gone), runs = cut_off, served[1] / "runs"
    # After a blip, too: the lease was taken again, not lost.
    for name in ("blip-then-closed", "closed"):
        assert gone < ended_at(runs / name) < gone + 30
    # The other blip came before: its grace period is over, and its run trains on.
    for _ in range(2):
        wait_lines(runs / "elsewhere", metrics_lines(runs / "elsewhere"))
    to_page(elsewhere, "Train", idle=False)  # hundreds of updates: it has much to draw
    wait_status(elsewhere, "Running")
