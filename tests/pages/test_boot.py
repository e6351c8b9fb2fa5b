import pytest
from tests.conftest import assert_no_exception


@pytest.mark.browser
def test_home(open_page):
    page = open_page("")
    assert_no_exception(page)
    page.screenshot(path="/tmp/home.png")
