import io
import re
import subprocess
import sys
from urllib.parse import urlparse

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pgcore import ready
from tests.conftest import ROOT, assert_no_exception, wait_idle

FRESH = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
assert len(app.get("image")) == 2
assert "torch" not in sys.modules
"""


def test_opens_without_torch():
    subprocess.run([sys.executable, "-c", FRESH], cwd=ROOT, check=True, timeout=120)


def test_captions_tell_the_shipped_numbers():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    captions = [element.captions[0] for element in app.get("image")]
    shipped = ready.load()
    for episode, caption in zip((shipped.untrained, shipped.trained), captions, strict=True):
        assert f"return {episode.total_return:g} in {episode.length} steps" in caption
    assert "then it failed" in captions[0]
    assert "the time limit" in captions[1]


def test_a_page_that_is_missing_is_left_out():
    # On its own, without app.py's navigation, no page is known.
    app = AppTest.from_file(str(ROOT / "pages" / "home.py"), default_timeout=60).run()
    assert not app.exception
    assert not app.get("page_link")
    assert [heading.value for heading in app.subheader] == ["Before and after training"]


def test_every_press_plays_new_episodes():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    seen = {image_urls(app)}
    for _ in range(2):
        app.button(key="new_episodes").click().run()
        assert not app.exception
        seen.add(image_urls(app))
    assert len(seen) == 3


def image_urls(app: AppTest) -> tuple[str, ...]:
    """Streamlit names a file by its content."""
    return tuple(element.proto.imgs[0].url for element in app.get("image"))


def gifs(page) -> list[str]:
    images = page.locator("[data-testid=stMain] [data-testid=stImage] img")
    images.nth(1).wait_for()
    sources = []
    for i in range(images.count()):
        image = images.nth(i)
        assert image.get_attribute("alt")
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") > 0
        box = image.bounding_box()
        assert box["width"] > 200 and box["height"] > 100
        sources.append(image.evaluate("e => e.src"))
    return sources


@pytest.mark.browser
def test_two_animations_a_button_that_changes_them_and_the_links(open_page):
    page = open_page("")
    before = gifs(page)
    assert len(before) == 2
    for source in before:
        gif = Image.open(io.BytesIO(page.request.get(source).body()))
        assert gif.format == "GIF" and gif.n_frames > 2 and gif.info["loop"] == 0
    page.get_by_role("button", name="New episodes").click()
    page.wait_for_function(
        "old => [...document.querySelectorAll('[data-testid=stImage] img')]"
        ".every(image => !old.includes(image.src))",
        arg=before,
        timeout=60_000,
    )
    wait_idle(page)
    assert_no_exception(page)
    assert len(set(gifs(page)) | set(before)) == 4
    # The links, to every page and most of all to Train.

    def paths(selector: str) -> set[str]:
        links = page.locator(selector)
        links.first.wait_for()
        return {urlparse(link.evaluate("e => e.href")).path for link in links.all()}

    listed = paths("[data-testid=stMain] [data-testid=stPageLink] a")
    assert listed == paths("[data-testid=stSidebarNavLink]") - {"/"}
    page.get_by_role("button", name="Train one yourself").click()
    page.wait_for_url(re.compile(r"/train(\?|$)"))  # the form writes itself there
    page.get_by_role("heading", name="Train", exact=True).wait_for(timeout=60_000)
    wait_idle(page, timeout=60_000)
    assert_no_exception(page)


@pytest.mark.browser
def test_fits_a_phone(open_page):
    page = open_page("", width=390, height=844)
    gifs(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for link in page.locator("[data-testid=stMain] [data-testid=stPageLink] a").all():
        box = link.bounding_box()
        assert box["x"] + box["width"] <= 390
