"""The Chromium of this machine, controlled by Playwright."""

import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.not_run import not_run

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser. If this machine has none, the test is skipped (in CI it fails).

    Its scope is a module, because Playwright keeps an event loop running that would disturb other modules.
    """
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        not_run("tests of pages", "there is no Chromium. Install it: apt-get install chromium, or Google Chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
