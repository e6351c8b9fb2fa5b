"""Predictions, sources, and the order of the chapters."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import chapter, predict, source
from tests.conftest import ROOT, start_server


def asking():
    from pages.ui import predict

    predict.ask(
        "q",
        "Which?",
        [
            predict.Option("wrong", "a misconception"),
            predict.Option("right", "the reason", right=True),
            predict.Option("odd", "another misconception"),
        ],
    )


def shown(at):
    return [[each.value for each in kind] for kind in (at.warning, at.success)]


def test_a_wrong_answer_names_its_misconception_first():
    at = AppTest.from_function(asking).run()
    assert at.button(key="q check").disabled
    at.radio[0].set_value(0).run()
    at.button(key="q check").click().run()
    assert shown(at) == [["**wrong** — a misconception"], ["**right** — the reason"]]
    assert "another misconception" in at.markdown[-1].value


def test_the_right_answer_needs_no_warning():
    at = AppTest.from_function(asking).run()
    at.radio[0].set_value(1).run()
    at.button(key="q check").click().run()
    assert shown(at) == [[], ["**right** — the reason"]]


def test_skipping_reveals():
    at = AppTest.from_function(asking).run()
    assert shown(at) == [[], []]
    at.button(key="q skip").click().run()
    assert shown(at) == [[], ["**right** — the reason"]]
    assert "a misconception" in at.markdown[-1].value


def filling():
    from pages.ui import predict

    predict.fill(
        "t",
        "Fill in",
        [predict.Case("row one", "a", "because a"), predict.Case("row two", "b", "because b")],
        ["a", "b"],
        columns=2,
    )


def test_a_table_is_checked_row_by_row():
    at = AppTest.from_function(filling).run()
    at.segmented_control[0].set_value("a").run()
    at.segmented_control[1].set_value("a").run()
    at.button(key="t check").click().run()
    texts = [each.value for each in at.markdown]
    assert ":material/check: **a**. because a" in texts
    assert ":material/close: **b**. because b" in texts


def test_questions_must_have_their_answer():
    with pytest.raises(ValueError, match="exactly one"):
        predict.ask("q", "?", [predict.Option("a", "b"), predict.Option("c", "d")])
    with pytest.raises(ValueError, match="none of the answers"):
        predict.fill("q", "?", [predict.Case("a", "b", "c")], ["d"])


def sample(x: float) -> float:
    """One sentence.

    More.
    """
    return x + 1 if x < 2 else x


def test_source_is_the_running_code():
    where, code, docstring = source.parts(sample)
    assert where.startswith("tests/pages/test_ui_reading.py, line ")
    assert code == "def sample(x: float) -> float:\n    return x + 1 if x < 2 else x"
    assert docstring.startswith("One sentence.")


def test_linked_source_lights_up_and_is_escaped():
    made = source.linked(sample, {"return": "term=sum"})
    assert made.count('data-set="term=sum"') == 1
    assert "x &lt; 2" in made
    with pytest.raises(ValueError, match="no line"):
        source.linked(sample, {"torch": "term=sum"})


def test_chapters_are_the_files_in_order():
    files = sorted(path.name for path in (ROOT / "pages").glob("[1-6]_*.py"))
    assert set(files) <= {each.file for each in chapter.CHAPTERS}
    assert [each.file for each in chapter.CHAPTERS if each.exists] == files


@pytest.mark.browser
def test_the_first_visitor_may_come_by_a_link(chromium):
    """Streamlit would run the page alone, without app.py: no title, no navigation."""
    process, url = start_server()
    try:
        page = chromium.new_page()
        page.goto(f"{url}/ppo_clip?ratio=0.5")
        page.get_by_role("link", name="The PPO clip").wait_for(timeout=60_000)
        assert "ratio=0.5" in page.url
        page.close()
    finally:
        process.terminate()
        process.wait(timeout=30)
