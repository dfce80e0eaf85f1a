"""The confirmation page of links (`LinkConfirmationPage=true`) in a browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, Final, override
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.http_servers import Handler, serving
from tests.wire.server import running

BUTTONS: Final = {"en": "Confirm", "id": "Konfirmasi", "it": "Conferma", "es": "Confirmar"}
NARROW: Final = {"width": 320, "height": 640}
LONGEST_WAIT_SECONDS: Final = 30
WIDE: Final = {"width": 1280, "height": 800}


class App(Handler):
    """The app that links redirect to: an empty page."""

    @override
    def respond(self, body: bytes) -> None:
        self.reply()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(App) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[httpx.Client]:
    """A server whose links open a confirmation page."""
    parameters = f"LinkConfirmationPage=true PasswordHashCost=10 SiteUrl={site}"
    with running(tmp_path_factory.mktemp("server"), PARAMETERS=parameters) as server:
        url = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=url, headers={"apikey": "sb_publishable_local"}) as client:
            yield client


def link_to(api: httpx.Client, email: str) -> str:
    """Request a link, and return it from the mail."""
    assert api.post("/auth/v1/otp", json={"email": email}).status_code == 200
    until = monotonic() + LONGEST_WAIT_SECONDS
    while monotonic() < until:
        for mail in api.get("/_local/mailbox.json").json():
            found = re.search(r"http://\S+/auth/v1/verify\?\S+", mail["text"])
            if email in mail["to"] and found:
                return found[0]
        sleep(0.05)
    raise AssertionError(f"no mail reached {email}")


@contextmanager
def opened(browser: Browser, link: str, **options: Any) -> Iterator[Page]:
    """Open a link."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.goto(link)
        yield page


def is_signed_in(page: Page, site: str) -> bool:
    """Wait for the redirect to the app, and say whether it contains a session."""
    page.wait_for_url(f"{site}/**")
    return dict(parse_qsl(urlsplit(page.url).fragment)).get("token_type") == "bearer"


@pytest.mark.parametrize("language", BUTTONS)
def test_the_button_signs_in_and_is_in_the_browsers_language(
    browser: Browser, api: httpx.Client, site: str, language: str
) -> None:
    link = link_to(api, f"{language}@example.com")
    for _ in range(2):  # mail scanners open links, too, and run scripts
        with opened(browser, link) as page:
            assert page.evaluate("performance.getEntriesByType('resource').length") == 0

    with opened(browser, link, locale=language, color_scheme="dark") as page:
        assert page.locator("html").get_attribute("lang") == language
        page.get_by_role("button", name=BUTTONS[language], exact=True).click()
        assert is_signed_in(page, site)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("language", BUTTONS)
def test_the_page_fits_the_screen_and_works_with_the_keyboard(
    browser: Browser, api: httpx.Client, site: str, language: str, size: dict[str, int]
) -> None:
    link = link_to(api, f"{language}-{size['width']}@example.com")

    with opened(browser, link, locale=language, viewport=size) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert is_signed_in(page, site)


def test_the_page_works_without_scripts(browser: Browser, api: httpx.Client, site: str) -> None:
    with opened(browser, link_to(api, "plain@example.com"), java_script_enabled=False) as page:
        page.get_by_role("button").click()
        assert is_signed_in(page, site)
