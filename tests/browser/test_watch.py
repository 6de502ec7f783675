"""The watch over a page sees what it is there for."""

import pytest

from tests.browser.conftest import Watch, is_elsewhere

PAGE = """
<img src="http://elsewhere.example/a.png">
<script src="https://127.0.0.1.example/b.js"></script>
<script>
new WebSocket("ws://elsewhere.example/c");
fetch("http://192.0.2.1/d").catch(() => {});
setTimeout(() => { document.title = "late"; throw new Error("not caught"); });
</script>
"""


def test_what_a_page_must_not_do_is_seen(page, watch):
    page.set_content(PAGE)
    page.wait_for_function("document.title === 'late'")
    page.wait_for_load_state("networkidle")
    assert watch.errors == ["not caught"]
    assert sorted(watch.requests) == [
        "http://192.0.2.1/d",
        "http://elsewhere.example/a.png",
        "https://127.0.0.1.example/b.js",
        "ws://elsewhere.example/c",
    ]
    watch.errors.clear()
    watch.requests.clear()


def test_a_page_that_does_nothing_of_it_is_let_be(page, watch):
    page.set_content("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><script>1</script>")
    assert watch == Watch()


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("http://127.0.0.1:8888/lab", False),
        ("http://localhost/", False),
        ("data:text/html,<p>", False),
        ("file:///etc/hostname", False),
        ("http://localhost.example/", True),
        ("http://localhost@elsewhere.example/", True),
        ("http://127.0.0.1:80@elsewhere.example/", True),
    ],
)
def test_only_this_machine_is_here(url, elsewhere):
    assert is_elsewhere(url) == elsewhere
