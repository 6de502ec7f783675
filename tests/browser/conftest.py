"""A real browser for the tests of pages; each test gets a page of its own, under watch."""

import os
import shutil
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOCAL = ("127.0.0.1", "localhost", None)  # None: data:, blob: and file: go nowhere


@dataclass
class Watch:
    """What a page did and should not do; the test fails with what is left here at its end.

    Attributes:
        errors: scripts' errors that nothing caught.
        requests: addresses on other machines that were asked for; nothing was sent.
    """

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        missing = f"no browser: {', '.join(BROWSERS)} are not on the path; see CONTRIBUTING.md"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Chromium's own sandbox refuses root.
    options = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture
def watch():
    watch = Watch()
    yield watch
    assert watch == Watch()


@pytest.fixture
def page(browser, watch):
    def refuse(route):
        watch.requests.append(route.request.url)
        route.abort()

    def hang_up(socket):
        watch.requests.append(socket.url)
        socket.close()

    context = browser.new_context()
    context.on("weberror", lambda one: watch.errors.append(str(one.error)))
    context.route(is_elsewhere, refuse)
    context.route_web_socket(is_elsewhere, hang_up)
    yield context.new_page()
    context.close()


def is_elsewhere(url):
    return urlsplit(url).hostname not in LOCAL
