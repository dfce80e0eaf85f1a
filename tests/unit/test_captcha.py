"""gerbang.accounts.captcha, against a server that answers as a provider may; and where CAPTCHAs are asked for."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, override
from urllib.parse import parse_qs

import pytest
from gerbang.accounts.captcha import (
    LONGEST_TOKEN,
    VERIFY_URLS,
    Captcha,
    CaptchaFailed,
    CaptchaUnavailable,
)
from gerbang.accounts.outbound import LARGEST_ANSWER_BYTES
from gerbang.container import Container
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.provider_settings import InvalidSettings
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.cached_secret import CachedSecret
from gerbang.settings import Settings

from tests.fakes import FakeClock, RecordingLog
from tests.gateway_events import body_of, json_event
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY, deployment_with_low_limits, environment
from tests.unit.mail_fakes import MailDeployment

HOME: Final = "192.0.2.1"
LITTLE: Final = timedelta(milliseconds=300)

type Script = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Provider:
    """A provider that answers as a test says, and keeps the forms that it was sent."""

    script: Script
    forms: list[dict[str, list[str]]] = field(default_factory=list[dict[str, list[str]]])
    url: str = ""


def answering(body: bytes, status: int = 200, **headers: str) -> Script:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """Answer byte by byte, each in time, and all of it too late."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def hanging(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


@contextmanager
def provider(script: Script) -> Iterator[Provider]:
    made = Provider(script)

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.forms.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
            with suppress(OSError):  # the client has gone
                made.script(self)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_port}/siteverify"
        yield made
        server.shutdown()


def captcha(url: str, log: RecordingLog | None = None) -> Captcha:
    return Captcha(
        url=url,
        secret=CachedSecret(lambda: "the secret", FakeClock()),
        log_event=log or RecordingLog(),
        step_timeout=LITTLE,
        deadline=2 * LITTLE,
    )


def check(captcha: Captcha, token: str | None = "a token", key: KeyKind = KeyKind.PUBLISHABLE) -> None:
    captcha.check(key, token, HOME)


# The verdict


def test_a_token_that_the_provider_confirms_passes() -> None:
    with provider(answering(b'{"success": true, "challenge_ts": "2026-03-23"}')) as there:
        check(captcha(there.url))

    assert there.forms == [{"secret": ["the secret"], "response": ["a token"], "remoteip": [HOME]}]


@pytest.mark.parametrize(
    "codes", ['["invalid-input-response"]', '["timeout-or-duplicate"]', "[]", "null", "[1]", '"x"']
)
def test_a_token_that_it_does_not_confirm_fails(codes: str) -> None:
    with (
        provider(answering(b'{"success": false, "error-codes": %s}' % codes.encode())) as there,
        pytest.raises(CaptchaFailed),
    ):
        check(captcha(there.url))


@pytest.mark.parametrize("token", [None, "", "x" * (LONGEST_TOKEN + 1)])
def test_without_a_token_the_provider_is_not_asked(token: str | None) -> None:
    with provider(answering(b'{"success": true}')) as there:
        with pytest.raises(CaptchaFailed):
            check(captcha(there.url), token)

        assert there.forms == []


def test_a_back_end_solves_no_captcha() -> None:
    check(captcha("http://127.0.0.1:1/"), None, KeyKind.SECRET)


# Failures of the provider are no pass

NO_VERDICTS: Final[dict[str, Script]] = {
    "500": answering(b'{"success": true}', 500),
    "404": answering(b'{"success": true}', 404),
    "redirect": answering(b"", 302, location="http://127.0.0.1:1/"),
    "empty": answering(b""),
    "page": answering(b"<html>"),
    "no UTF-8": answering(b"\xff"),
    "list": answering(b"[true]"),
    "boolean": answering(b"true"),
    "empty object": answering(b"{}"),
    "text": answering(b'{"success": "true"}'),
    "number": answering(b'{"success": 1}'),
    "its error": answering(b'{"success": false, "error-codes": ["internal-error"]}'),
    "huge": answering(b'{"success": true, "x": "%s"}' % (b"x" * LARGEST_ANSWER_BYTES)),
    "deep": answering(b"[" * LARGEST_ANSWER_BYTES),
    "slow": dripping,
    "silent": hanging,
    "closed": lambda handler: handler.connection.close(),
}


@pytest.mark.covers("F43")
@pytest.mark.parametrize("script", NO_VERDICTS.values(), ids=NO_VERDICTS.keys())
def test_a_provider_that_gives_no_verdict_is_no_pass(script: Script) -> None:
    with provider(script) as there:
        started_at = time.monotonic()

        with pytest.raises(CaptchaUnavailable):
            check(captcha(there.url))

        assert time.monotonic() - started_at < 4 * LITTLE.total_seconds()


def test_a_provider_that_is_down_is_no_pass() -> None:
    with provider(answering(b"")) as there:
        pass

    with pytest.raises(CaptchaUnavailable):
        check(captcha(there.url))


@pytest.mark.parametrize("code", ["missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch"])
def test_a_wrong_secret_is_told_to_the_operator(code: str) -> None:
    log = RecordingLog()

    with (
        provider(answering(b'{"success": false, "error-codes": ["%s"]}' % code.encode())) as there,
        pytest.raises(CaptchaUnavailable),
    ):
        check(captcha(there.url, log))

    [note] = log.notes
    assert (note.event, note.severity) == ("captcha_secret_wrong", Severity.ERROR)


def test_a_secret_that_cannot_be_read_is_no_pass() -> None:
    def fail() -> str:
        raise DependencyUnavailable("secret")

    with pytest.raises(DependencyUnavailable):
        check(replace_secret(captcha("http://127.0.0.1:1/"), fail))


def replace_secret(made: Captcha, read: Callable[[], str]) -> Captcha:
    return Captcha(url=made.url, secret=CachedSecret(read, FakeClock()), log_event=made.log_event)


# Where they are asked for

ADDRESSED: Final = {"email": "carol@example.com", "password": "Correct-horse-42", "type": "signup"}
GUARDED: Final = [
    ("auth/v1/signup", ADDRESSED, {}),
    ("auth/v1/signup", {}, {}),
    ("auth/v1/otp", ADDRESSED, {}),
    ("auth/v1/recover", ADDRESSED, {}),
    ("auth/v1/resend", ADDRESSED, {}),
    ("auth/v1/token", ADDRESSED, {"grant_type": "password"}),
]
OPEN: Final = [
    ("auth/v1/token", {"refresh_token": "x.y.z"}, {"grant_type": "refresh_token"}),
    ("auth/v1/token", {"id_token": "dan", "provider": "google"}, {"grant_type": "id_token"}),
    ("auth/v1/verify", {"type": "email", "email": "carol@example.com", "token": "123456"}, {}),
]


def guarded_world(there: Provider) -> MailDeployment:
    made = deployment_with_low_limits()
    return replace(made, base=replace(made.base, captcha=captcha(there.url)))


def send(
    there: Provider, folder: str, body: dict[str, Any], query: dict[str, str], *, key: str = PUBLISHABLE_KEY
) -> dict[str, Any]:
    event = json_event(body, headers={"content-type": "application/json", "apikey": key}, query=query)
    return environment(folder, guarded_world(there))(event)


@pytest.mark.parametrize(("folder", "body", "query"), GUARDED)
def test_a_request_of_a_visitor_needs_a_good_token(folder: str, body: dict[str, Any], query: dict[str, str]) -> None:
    token = {"gotrue_meta_security": {"captcha_token": "a token"}}
    with provider(answering(b'{"success": true}')) as there:
        passed = send(there, folder, body | token, query)
        missing = send(there, folder, body, query)
        there.script = answering(b'{"success": false}')
        failed = send(there, folder, body | token, query)
        there.script = answering(b"", 500)
        unavailable = send(there, folder, body | token, query)
        by_a_back_end = send(there, folder, body, query, key=SECRET_KEY)

    codes = [body_of(answer).get("error_code") for answer in (missing, failed, unavailable)]
    assert codes == ["captcha_failed", "captcha_failed", "request_timeout"]
    assert [answer["statusCode"] for answer in (missing, failed, unavailable)] == [400, 400, 503]
    for answer in (passed, by_a_back_end):
        assert body_of(answer).get("error_code") in {None, "invalid_credentials"}


@pytest.mark.parametrize("security", [None, {}, [], "a token", {"captcha_token": None}, {"captcha_token": 1}])
def test_a_token_of_another_form_is_none(security: object) -> None:
    with provider(answering(b'{"success": true}')) as there:
        answer = send(there, "auth/v1/otp", ADDRESSED | {"gotrue_meta_security": security}, {})

        assert body_of(answer)["error_code"] == "captcha_failed"
        assert there.forms == []


@pytest.mark.parametrize(("folder", "body", "query"), OPEN)
def test_what_shows_another_proof_needs_none(folder: str, body: dict[str, Any], query: dict[str, str]) -> None:
    with provider(answering(b'{"success": false}')) as there:
        answer = send(there, folder, body, query)

    assert body_of(answer).get("error_code") != "captcha_failed"
    assert there.forms == []


# Settings


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("provider=turnstile secret=s url=", VERIFY_URLS["turnstile"]),
        ("provider=hcaptcha secret=s url=", VERIFY_URLS["hcaptcha"]),
        ("provider=hcaptcha secret=s url=http://127.0.0.1:3000/_local/captcha", "http://127.0.0.1:3000/_local/captcha"),
    ],
)
def test_the_setting_chooses_the_provider(text: str, url: str) -> None:
    made = Container({"CAPTCHA": text}).captcha

    assert made is not None
    assert made.url == url


@pytest.mark.parametrize(
    "text",
    [
        "secret=s",
        "provider=recaptcha secret=s url=",
        "provider=turnstile secret= url=",
        "provider=turnstile secret=s url=https://evil.example/",
        "provider=turnstile secret=s url=http://127.0.0.1.evil.example/",
        "provider=turnstile secret=s url=http://127.0.0.1@evil.example/",
    ],
)
def test_a_setting_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(InvalidSettings, match="CAPTCHA"):
        assert Settings({"CAPTCHA": text}).captcha


def test_without_a_captcha_nothing_more_is_imported() -> None:
    program = (
        "import sys; from gerbang.container import Container\n"
        "from gerbang.http.callers import ApiKeyAndCaptcha\n"
        "before = set(sys.modules)\n"
        "assert Container({'CAPTCHA': 'provider=none secret= url='}).captcha is None\n"
        "print(sorted(set(sys.modules) - before))\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "layers" / "auth")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.strip() == "[]"
