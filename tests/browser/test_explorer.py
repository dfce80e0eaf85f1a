"""The API explorer at `/docs` in a browser, in four languages."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, override

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from gerbang_docs.texts import LANGUAGES, Catalogue
from playwright.sync_api import Browser, Page, expect

from tests.http_servers import Handler, serving
from tests.wire.server import Server, running

CATALOGUE: Final = Catalogue()
WIDE: Final = {"width": 1440, "height": 900}
PHONE: Final = {"width": 320, "height": 700}
REGISTER: Final = "post-auth-register"
ME: Final = "get-api-auth-me"
of_every_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server"), PARAMETERS="PasswordHashCost=10 LimitRegistration=1000/60"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


@contextmanager
def opened(browser: Browser, url: str, path: str = "/docs", **options: Any) -> Iterator[Page]:
    """Open the page. After the test, check that there were no errors, no foreign requests and no stored data."""
    problems: list[str] = []
    loaded: list[str] = []
    defaults: dict[str, Any] = {"locale": "en", "viewport": WIDE, "reduced_motion": "reduce"}
    with browser.new_context(**(defaults | options)) as context:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None,
        )
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(url + path)
        expect(page.locator("#mailbox")).to_be_visible()
        yield page
        assert problems == []
        assert [each for each in loaded if not each.startswith((url, "data:"))] == []
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def send(page: Page, status: int) -> None:
    """Click Send, and wait for an answer with this status."""
    page.locator("#send").click()
    expect(page.locator("#answer .pill")).to_have_text(re.compile(f"^{status} "))
    expect(page.locator("#send")).to_be_enabled()


SHOW_ALL: Final = """async keys => {
    const texts = [];
    for (const key of keys) {
        location.hash = key;
        while (!document.querySelector(`nav a[aria-current][href="#${key}"]`)) await new Promise(requestAnimationFrame);
        texts.push(document.querySelector("main").innerText);
    }
    return texts;
}"""
"""Returns the text of the page for each endpoint."""


def assert_accessible(page: Page) -> None:
    """Check that axe finds no accessibility problems."""
    results = Axe().run(page)
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in results.response["violations"]] == []


@of_every_language
def test_a_user_registers_signs_in_and_signs_out_by_clicks(browser: Browser, url: str, language: str) -> None:
    def button(text: str) -> str:
        return CATALOGUE.text(text, language)

    with opened(browser, url, locale=language) as page:
        assert page.locator("html").get_attribute("lang") == language
        assert page.locator("#send").inner_text() == button("Send")
        send(page, 200)
        page.locator("#next").click()
        page.locator(".request").get_by_role("button", name=button("Use this code")).click()
        send(page, 200)
        page.get_by_role("button", name=button("Use this session")).click()
        page.locator("#next").click()
        send(page, 200)
        name = page.locator("#session .who").inner_text()
        assert re.fullmatch(r"user\.\w+@example\.com", name)
        assert name in page.locator("#answer pre").first.inner_text()
        page.locator("#next").click()
        send(page, 200)
        page.get_by_role("button", name=button("Use this session")).click()
        page.locator("#next").click()
        send(page, 200)
        assert page.locator("#steps .done").count() == 5
        expect(page.locator("#session .who")).to_have_count(0)


def test_input_is_not_stored_when_the_page_is_reloaded(browser: Browser, url: str) -> None:
    with opened(browser, url, f"/docs#{REGISTER}") as page:
        address = json.loads(page.locator("#body").input_value())["email"]
        page.reload()
        assert json.loads(page.locator("#body").input_value())["email"] != address


def test_edited_method_url_headers_and_body_are_sent(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        page.locator("#method").fill("PATCH")
        page.locator("#url").fill(f"{url}/auth/otp?edited=1")
        page.locator("#headers").fill("Content-Type: application/json\nX-Edited: yes")
        page.locator("#body").fill('{"email": "edited@example.com"}')
        with page.expect_request("**/auth/otp?edited=1") as sent:
            send(page, 405)
        assert (sent.value.method, sent.value.headers["x-edited"]) == ("PATCH", "yes")
        assert sent.value.post_data == '{"email": "edited@example.com"}'

        page.locator("#method").fill("post")
        page.locator("#headers").fill("Content-Type: text/plain")
        send(page, 415)

        page.locator("#headers").fill("no colon")
        page.locator("#send").click()
        expect(page.locator("#answer [role=alert]")).to_contain_text("Line 1 of the headers")
        page.get_by_role("button", name="Restore the example").click()
        assert page.locator("#method").input_value() == "POST"


def test_json_is_checked_while_it_is_typed(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        page.locator("#body").fill('{\n  "email": "mira@example.com",\n}')
        expect(page.locator("#validity")).to_have_text("Not valid JSON: line 3, column 1.")
        assert page.locator("#body").get_attribute("aria-invalid") == "true"
        send(page, 400)
        expect(page.locator("#answer .meaning")).to_contain_text("Send one JSON object")

        page.locator("#body").fill('{"email": "mira@example.com"}')
        expect(page.locator("#validity")).to_have_text("Valid JSON.")
        assert page.locator("#body").get_attribute("aria-invalid") == "false"


def test_the_language_comes_from_the_url_or_the_browser_or_is_english(browser: Browser, url: str) -> None:
    for path, locale, language in (
        ("/docs?lang=es", "id", "es"),
        ("/docs", "it-CH", "it"),
        ("/docs?lang=xx", "fr", "en"),
    ):
        with opened(browser, url, path, locale=locale) as page:
            assert page.locator("html").get_attribute("lang") == language
            assert page.locator("#language").input_value() == language


def test_choosing_a_language_changes_the_url_and_keeps_the_input(browser: Browser, url: str) -> None:
    with opened(browser, url, f"/docs#{ME}") as page:
        page.locator("#headers").fill("X-Edited: yes")
        page.locator("#language").select_option("id")
        expect(page.locator("#send")).to_have_text("Kirim")
        assert page.url == f"{url}/docs?lang=id#{ME}"
        assert page.locator("#headers").input_value() == "X-Edited: yes"
        page.reload()
        expect(page.locator("#send")).to_have_text("Kirim")


def test_every_endpoint_is_shown_completely_in_every_language(browser: Browser, url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    with opened(browser, url) as page:
        keys = page.locator("nav a").evaluate_all("links => links.map(link => link.hash.slice(1))")
        assert len(keys) >= sum(len(item) for item in document["paths"].values()) - 2  # two only raise errors
        for language in LANGUAGES:
            page.locator("#language").select_option(language)
            for key, text in zip(keys, page.evaluate(SHOW_ALL, keys), strict=True):
                assert not re.search(r"\[object|undefined|\bNaN\b|\{\w+\} ", text.replace("{user_id}", "")), key


def test_endpoints_are_found_by_path_and_by_description(browser: Browser, url: str) -> None:
    with opened(browser, url, "/docs?lang=it") as page:
        everything = page.locator("nav a").count()
        page.locator("#search").fill("password reimpostare")
        assert 0 < page.locator("nav a").count() < everything
        page.locator("#search").fill("/auth/v1/admin")
        assert all("/auth/v1/admin" in text for text in page.locator("nav a").all_inner_texts())
        page.locator("#search").fill("nothing like this")
        expect(page.locator("#none")).to_be_visible()


def test_the_copied_code_works(browser: Browser, url: str, tmp_path: Path) -> None:
    with opened(browser, url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator("#body").fill('{"email": "it\'s \\"fine\\"@example.com"}')
        copied = {}
        for name in ("curl", "JavaScript", "Python"):
            page.get_by_role("tab", name=name).click()
            page.locator(".code").get_by_role("button", name="Copy").click()
            copied[name] = page.evaluate("navigator.clipboard.readText()")
        answered = page.evaluate(
            f"(async () => {{ {copied['JavaScript'].replace('console.log', 'return Array.of')} }})()"
        )

    (tmp_path / "copied.py").write_text(copied["Python"], "utf-8")
    python = subprocess.run([sys.executable, "copied.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    curl = subprocess.run(["sh", "-c", copied["curl"]], capture_output=True, text=True, check=True)

    assert answered[0] == 400
    assert python.stdout.startswith("400 ")
    assert curl.stdout.startswith("HTTP/1.1 400")
    for printed in (str(answered[1]), python.stdout, curl.stdout):
        assert "password: Field required" in printed


@pytest.mark.parametrize(
    ("language", "scheme"), [("en", "light"), ("en", "dark"), ("id", "light"), ("it", "dark"), ("es", "light")]
)
def test_every_view_is_accessible(browser: Browser, url: str, language: str, scheme: str) -> None:
    with opened(browser, url, locale=language, color_scheme=scheme) as page:
        assert_accessible(page)
        page.locator("#body").fill("{")
        send(page, 400)
        assert_accessible(page)
        page.locator("nav a[href='#post-auth-login-with-anonymous']").click()
        send(page, 200)
        assert_accessible(page)
        page.locator("#use").click()
        page.locator("nav a[href='#get-auth-v1-verify']").click()
        assert_accessible(page)
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        page.locator("#menu").click()
        page.locator("#search").fill("nothing like this")
        assert_accessible(page)


@of_every_language
def test_the_page_fits_a_phone(browser: Browser, url: str, language: str) -> None:
    with opened(browser, url, locale=language, viewport=PHONE, has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        box = page.locator("#language").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]
        page.locator("#menu").click()
        page.locator("nav a[href='#post-auth-v1-admin-users']").click()
        expect(page.locator("nav")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_page_works_with_the_keyboard(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # skips the list
        assert page.evaluate("document.activeElement.id") == "main"
        while page.evaluate("document.activeElement.id") != "body":
            page.keyboard.press("Tab")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#answer .pill")).to_have_text(re.compile("^200 "))
        while page.evaluate("document.activeElement.id") != "tab-curl":
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == "tab-JavaScript"
        expect(page.locator("#snippet")).to_contain_text("await fetch(")


class OtherSite(Handler):
    """An API without CORS headers."""

    @override
    def respond(self, body: bytes) -> None:
        self.reply()


def test_a_cors_error_is_explained(browser: Browser, url: str) -> None:
    with serving(OtherSite) as port:
        elsewhere = f"http://127.0.0.1:{port}"
        with browser.new_context(locale="en") as context:
            page = context.new_page()
            page.goto(f"{url}/docs#{ME}")
            page.locator("#url").fill(f"{elsewhere}/api/auth/me")
            page.locator("#headers").fill("")
            page.locator("#send").click()
            expect(page.locator("#answer [role=alert]")).to_contain_text(
                f"Either {elsewhere} does not answer, or its CORS settings do not name {url}: add it to "
                "CorsAllowOrigins."
            )


def test_scripts_and_styles_have_a_nonce_that_changes(url: str) -> None:
    policies, pages = zip(
        *(
            (response.headers["content-security-policy"], response.text)
            for response in (httpx.get(f"{url}/docs") for _ in "12")
        ),
        strict=True,
    )
    nonces = [set(re.findall(r"'nonce-([\w-]{16,})'", policy)) for policy in policies]

    assert nonces[0] != nonces[1]
    for policy, page, found in zip(policies, pages, nonces, strict=True):
        assert set(re.findall(r'nonce="([^"]+)"', page)) == found
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


def test_make_run_prints_its_address_first(server: Server) -> None:
    [first, *_] = [line for line in server.output().splitlines() if "://" in line and "Listening" not in line]

    assert first.split() == ["Try", "it:", f"http://127.0.0.1:{server.port}/docs"]


def test_the_explorer_can_be_turned_off(tmp_path: Path) -> None:
    with running(tmp_path, PARAMETERS="ApiDocs=false") as server:
        answers = [httpx.get(f"http://127.0.0.1:{server.port}{path}") for path in ("/docs", "/openapi.json")]

        assert [answer.status_code for answer in answers] == [404, 404]
        assert "Try it:" not in server.output()
