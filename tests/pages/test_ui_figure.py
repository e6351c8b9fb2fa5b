import base64
import json

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import charts, controls, figure, figure_pack
from tests.conftest import ROOT, start_server, wait_idle
from tests.pages import figures

X = controls.slider("x", "X", 0.0, 1.0, 0.1, default=0.5)
WAY = controls.choice("way", "Way", ["up", "down"])
AXES = charts.Axis("t", "t", (0, 3)), charts.Axis("y", "y", (0, 1))


def frame(xs=X.values, ways=WAY.values):
    rows = [
        {"x": x, "way": way, "t": t, "y": x * t, "word": f"{way} {t}"}
        for way in ways
        for x in xs
        for t in range(3)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def build(**options):
    chart = charts.layers(charts.points("rows", *AXES, name="marker"))
    return figure.build(
        [X, WAY],
        {"rows": figure.Rows(frame(), ("way", "x"))},
        [figure.Plot(chart, "three points", drag={"x": "x"})],
        **options,
    )


def page():
    from tests.pages.test_ui_figure import build, figure

    figure.show("f", build())


def open_page(**query):
    at = AppTest.from_function(page, default_timeout=30)
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def test_the_browser_gets_the_rows_of_each_position():
    sent = figures.payload(open_page())
    for x in X.keys:
        for way in WAY.keys:
            rows = sorted(figures.rows(sent, "rows", x=x, way=way), key=lambda row: row["t"])
            assert [row["t"] for row in rows] == [0, 1, 2]
            assert [row["word"] for row in rows] == [f"{way} {t}" for t in range(3)]
            np.testing.assert_allclose(
                [row["y"] for row in rows], float(x) * np.arange(3), rtol=1e-6
            )


def test_link_then_default():
    assert figures.payload(open_page())["start"] == {"x": 5, "way": 0}
    at = open_page(x="0.3", way="down")
    assert figures.payload(at)["start"] == {"x": 3, "way": 1}
    assert not at.warning


def test_bad_link_says_so_and_keeps_the_rest():
    at = open_page(x="9", way="down")
    assert figures.payload(at)["start"] == {"x": 5, "way": 1}
    assert ["outside 0 to 1" in notice.value for notice in at.warning] == [True]


@pytest.mark.parametrize(
    "reported",
    [
        None,
        3,
        "x",
        {"x": "99"},
        {"x": "-1"},
        {"x": 2},
        {"x": 0.5},
        {"x": ["0.5"]},
        {"y": "0.5"},
        {"x": None},
        {"x": True},
    ],
)
def test_what_a_browser_reports_is_checked(reported):
    kept = {"x": "0.4", "way": "down"}
    assert figure._checked(build(), reported, kept) == kept


def test_what_a_browser_reports_is_kept():
    kept = {"x": "0.4", "way": "down"}
    assert figure._checked(build(), {"x": "0.7", "way": "up"}, kept) == {"x": "0.7"}


def growing_page():
    import streamlit as st

    from tests.pages.test_ui_figure import AXES, charts, controls, figure, frame

    most = st.session_state.get("most", 3)
    x = controls.slider("x", "X", 0, most, 1, default=most, told="server")
    plot = figure.Plot(charts.layers(charts.points("rows", *AXES)), "points")
    rows = figure.Rows(frame(xs=range(most + 1)), ("x",))
    asked = figure.asked("f", "x")
    st.session_state["got"] = asked, figure.show("f", figure.build([x], {"rows": rows}, [plot]))


def test_another_figure_takes_its_place():
    at = AppTest.from_function(growing_page, default_timeout=30)
    at.query_params["x"] = "banana"  # not the link's business
    assert at.run().session_state["got"] == (None, {"x": 3}) and not at.warning
    # On its default it follows the default, moved it stays.
    at.session_state["most"] = 5
    assert at.run().session_state["got"] == (None, {"x": 5})
    assert figures.payload(at)["start"] == {"x": 5}
    at.session_state["f kept"]["now"] = {"x": "4"}
    at.session_state["most"] = 6
    assert at.run().session_state["got"] == ("4", {"x": 4})
    at.session_state["most"] = 2
    assert at.run().session_state["got"] == ("4", {"x": 2})
    assert at.query_params["x"] in ("banana", ["banana"])


def test_the_browser_knows_what_of_a_figure_can_stay():
    def marks(alt="points", **changes):
        x = controls.slider("x", "X", **{"stop": 2, "default": 1} | changes)
        plot = figure.Plot(charts.layers(charts.points("rows", *AXES)), alt)
        made = figure.build([x], {"rows": figure.Rows(frame(xs=x.values), ("x",))}, [plot])
        head = json.loads(made.packed[4 : 4 + int.from_bytes(made.packed[:4], "little")])
        return made.digest, head["charts"], head["form"]

    def same(**changes):
        return [a == b for a, b in zip(marks(), marks(**changes), strict=True)]

    assert same() == [True, True, True]
    assert same(stop=3, default=3) == [False, True, True]
    assert same(alt="dots") == [False, False, True]
    assert same(help="?") == [False, True, False]


def test_rows_that_no_control_can_choose_are_an_error():
    chart = charts.layers(charts.points("rows", *AXES))
    plots = [figure.Plot(chart, "points")]
    with pytest.raises(ValueError, match="'z' must be a control and a column"):
        figure.build([X], {"rows": figure.Rows(frame(), ("z",))}, plots)
    with pytest.raises(ValueError, match="which the control has not"):
        figure.build([X], {"rows": figure.Rows(frame(xs=[0.15]), ("x",))}, plots)
    with pytest.raises(ValueError, match="none of the tables"):
        figure.build([X], {"other": figure.Rows(frame(), ("x",))}, plots)


@pytest.mark.parametrize("values", [(0.1, 0.2, 0.3), (3, 1, 2), (7,)])
def test_each_value_of_a_control_is_found_in_any_order(values):
    given = pd.Series([values[-1] + 1e-12, values[0], values[-1] + 0.04, np.nan])
    last = len(values) - 1
    assert figure_pack._index(given, values).tolist() == [last, 0, -1, -1]


def test_a_panel_stands_among_the_plots():
    html = figure.text("rows.word")
    panel = figure.Panel(html, width=200)
    made = figure.build([X], {"rows": figure.Rows(frame())}, [panel])
    length = int.from_bytes(made.packed[:4], "little")
    assert json.loads(made.packed[4 : 4 + length])["plots"] == [{"html": html, "width": 200}]


def test_html_is_escaped():
    made = (
        figure.meter("<script>", "a.b")
        + figure.sentence('a."x')
        + figure.table("<t>", {"<c>": ("<h>", "")})
    )
    assert "<script>" not in made
    assert "<h>" not in made
    assert "<c>" not in made


def test_vega_is_where_streamlit_keeps_it():
    assert figure_pack._vega().startswith("loadVegaEmbed.")


@pytest.mark.browser
def test_a_figure_follows_the_theme_and_the_width(open_page):
    page = open_page("ppo_clip", color_scheme="light")
    svg = figures.find(page, "clip").locator(".plot svg").first
    title = svg.locator(".role-axis-title text").first
    assert title.get_attribute("fill") == "#111111"
    figures.drag(page, "clip", (0.5, 0.5), (0.3, 0.5))
    ratio = figures.state(page, "clip")["ratio"]
    # The server hears of it 150 ms after the release; a change of theme may build the figure anew.
    figures.wait_url(page, "ratio", ratio)
    wait_idle(page)
    page.emulate_media(color_scheme="dark")
    light = "e => e.querySelector('.role-axis-title text')?.getAttribute('fill') === '#F2F2F2'"
    root = figures.find(page, "clip").element_handle()
    page.wait_for_function(light, arg=root)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("e => e.querySelector('svg')?.clientWidth < 370", arg=root)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert figures.state(page, "clip")["ratio"] == ratio


@pytest.mark.browser
def test_fingers(open_page):
    page = open_page("ppo_clip", width=390, has_touch=True, is_mobile=True)
    knob = figures.slider(page, "clip", "ratio")
    box = knob.bounding_box()
    assert box["height"] >= 44
    page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    assert figures.state(page, "clip")["ratio"] in {"0.5", "0.52", "0.54", "0.48"}
    plot = figures.find(page, "clip").locator(".plot svg").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert float(figures.state(page, "clip")["ratio"]) > 1.4


def test_what_the_browser_has_is_not_sent_again():
    at = open_page()
    whole = at.get("bidi_component")[0].proto.bytes
    at.session_state[figure.THERE] = frozenset({build().digest})
    again = at.run().get("bidi_component")[0].proto.bytes
    assert whole.endswith(build().packed)
    assert len(again) < len(whole) - len(build().packed) + 10
    at.session_state[figure.THERE] = frozenset({"another"})
    assert at.run().get("bidi_component")[0].proto.bytes == whole


@pytest.mark.browser
def test_a_release_brings_only_what_changes(open_page):
    page = open_page("log_probs")
    figures.find(page, "gradient-3")
    asked, told = [], []
    wire = page.context.new_cdp_session(page)
    wire.on("Network.webSocketFrameSent", lambda event: asked.append(event))
    wire.on(
        "Network.webSocketFrameReceived",
        lambda event: told.append(base64.b64decode(event["response"]["payloadData"])),
    )
    wire.send("Network.enable")

    def release():
        asked.clear(), told.clear()
        figures.slider(page, "policy-3", "za").press("ArrowRight")
        page.wait_for_timeout(1000)  # what is awaited is that nothing more comes
        assert asked
        return b"".join(told)

    # The first one also tells the server what is here; then new rows come, and no chart.
    release()
    drawn = page.locator(".st-key-gradient-3 .plots").inner_html()
    answer = release()
    assert b'"start"' in answer
    assert b'"vega"' not in answer
    assert page.locator(".st-key-gradient-3 .plots").inner_html() != drawn


FORGETFUL = """
import streamlit as st
from tests.pages.test_ui_figure import build, figure

if "opened" not in st.session_state:
    st.session_state["opened"] = True
    st.session_state[figure.THERE] = frozenset({build().digest})
figure.show("f", build())
"""


@pytest.mark.browser
def test_a_figure_that_the_browser_has_lost_is_sent_again(tmp_path, chromium):
    """The server believes that the browser has it; a new tab has nothing."""
    script = tmp_path / "forgetful.py"
    script.write_text(FORGETFUL)
    process, url = start_server(script=script, PYTHONPATH=str(ROOT))
    page = chromium.new_page()
    try:
        page.goto(url)
        assert figures.state(page, "f") == {"x": "0.5", "way": "up"}
    finally:
        page.close()
        process.terminate()
        process.wait(timeout=30)
