"""What a reader with a screen reader, a keyboard or weak eyes meets: axe-core on every page."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.conftest import wait_idle

PAGES = (
    "",
    "mdp",
    "log_probs",
    "reinforce",
    "baselines",
    "ppo_clip",
    "gae",
    "train",
    "train?panel=many",
    "inside_an_update",
    "bug_clinic",
    "bug_clinic?mode=blind",
    "quiz",
)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
STREAMLITS = {
    "exclude": [
        # Its list has groups between the entries.
        ["[data-testid=stSidebarNavItems]"],
        # Formulas scroll sideways where they do not fit.
        [".katex-display"],
        # In the dark: the primary colour on a tint of itself, and white on it on a button. No
        # colour has 4.5 to 1 for both.
        ["[data-testid=stButtonGroup] [data-selected=true]"],
    ]
}
"""What Streamlit draws, and no theme can mend."""


@pytest.mark.browser
@pytest.mark.parametrize("path", PAGES)
def test_axe_has_no_complaint(open_page, path):
    page = open_page(path, color_scheme="light")
    # A figure draws after the script has ended.
    page.wait_for_function(
        "() => [...document.querySelectorAll('.stBidiComponent')].every(each =>"
        " !each.querySelector('*')?.shadowRoot?.querySelector('.plots:empty'))"
    )
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wait_idle(page)
        page.wait_for_timeout(300)
        for each in Axe().run(page, STREAMLITS, RULES).response["violations"]:
            found[f"{scheme}: {each['help']}"] = [
                f"{node['html'][:120]}: {node['failureSummary'].splitlines()[-1]}"
                for node in each["nodes"][:3]
            ]
    assert not found
