import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.ui import controls

RATIO = controls.slider("ratio", "Ratio", 0.02, 2.0, 0.02, default=1.4)
SEED = controls.slider("seed", "Seed", 0, 99, default=7)
RATE = controls.slider("rate", "Learning rate", values=(0.001, 0.01, 0.1), default=0.01)
WAY = controls.choice("way", "Way", ["TD error", "GAE"])


def test_grid_ends_and_labels():
    assert len(RATIO.values) == 100
    assert (RATIO.values[0], RATIO.values[-1]) == (0.02, 2.0)
    assert RATIO.keys[-1] == "2"
    assert RATIO.labels[-1] == "2.00"
    assert SEED.labels[:2] == ("0", "1")
    assert RATE.labels == ("0.001", "0.010", "0.100")
    assert controls.slider("a", "A", -1.0, 1.0, 0.5, default=0.0).labels[0] == "−1.0"


def test_default_must_be_a_value():
    with pytest.raises(ValueError, match="none of its values"):
        controls.slider("a", "A", 0, 10, 2, default=3)


@pytest.mark.parametrize(
    ("control", "text", "value"),
    [
        (RATIO, "1.4", 1.4),
        (RATIO, "1.415", 1.42),
        (RATIO, " 2 ", 2.0),
        (SEED, "12", 12),
        (SEED, "1e1", 10),
        (RATE, "0.002", 0.001),
        (WAY, "GAE", "GAE"),
    ],
)
def test_links_that_make_sense(control, text, value):
    assert control.values[control.parse(text)] == value


@pytest.mark.parametrize(
    ("control", "text", "says"),
    [
        (RATIO, "", "not a number"),
        (RATIO, "nan", "not a number"),
        (RATIO, "1,4", "not a number"),
        (RATIO, "2.1", "outside 0.02 to 2"),
        (RATIO, "inf", "outside"),
        (SEED, "-1", "outside 0 to 99"),
        (WAY, "gae", "none of TD error, GAE"),
    ],
)
def test_links_that_do_not(control, text, says):
    with pytest.raises(controls.BadValue, match=says) as caught:
        control.parse(text)
    shown = control.labels[control.values.index(control.default)]
    assert str(caught.value).endswith(f": the page uses {shown}.")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=2000))
def test_any_link_gives_a_value_or_a_short_sentence(text):
    for control in (RATIO, SEED, RATE, WAY):
        try:
            assert control.values[control.parse(text)] in control.values
        except controls.BadValue as problem:
            assert len(str(problem)) < 250


def page():
    import streamlit as st

    from pages.ui import controls

    rate = controls.slider("rate", "Learning rate", values=(0.001, 0.01, 0.1), default=0.01)
    way = controls.choice("way", "Way", ["TD error", "GAE"])
    st.text(f"{rate.widget()} {way.widget()}")


def open_page(**query):
    at = AppTest.from_function(page)
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def test_widgets_follow_the_link():
    at = open_page(rate="0.1", way="GAE")
    assert not at.exception
    assert not at.warning
    assert at.text[0].value == "0.1 GAE"


@pytest.mark.parametrize("query", [{"rate": "x"}, {"rate": "7"}, {"way": "SARSA"}])
def test_widgets_fall_back_with_one_notice(query):
    at = open_page(**query)
    assert not at.exception
    assert len(at.warning) == 1
    assert at.text[0].value == "0.01 TD error"
