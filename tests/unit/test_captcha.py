"""gerbang.accounts.captcha, with a local server as the provider; and which requests need a CAPTCHA."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from gerbang.accounts.captcha import LONGEST_TOKEN, VERIFY_URLS, Captcha, CaptchaFailed, CaptchaUnavailable
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
from tests.unit.http_servers import HttpServer, Script, answering, answering_slowly, http_server, not_answering
from tests.unit.mail_deployment import MailDeployment

HOME: Final = "192.0.2.1"
TIMEOUT: Final = timedelta(milliseconds=300)


def forms(provider: HttpServer) -> list[dict[str, list[str]]]:
    """The forms that the provider was sent."""
    return [parse_qs(body.decode()) for body in provider.bodies]


def captcha(url: str, log: RecordingLog | None = None) -> Captcha:
    return Captcha(
        url=url,
        secret=CachedSecret(lambda: "the secret", FakeClock()),
        log_event=log or RecordingLog(),
        step_timeout=TIMEOUT,
        deadline=2 * TIMEOUT,
    )


def check(captcha: Captcha, token: str | None = "a token", key: KeyKind = KeyKind.PUBLISHABLE) -> None:
    captcha.check(key, token, HOME)


# The provider's verdict


def test_a_confirmed_token_is_accepted() -> None:
    with http_server(answering(b'{"success": true, "challenge_ts": "2026-03-23"}')) as provider:
        check(captcha(provider.url))

    assert forms(provider) == [{"secret": ["the secret"], "response": ["a token"], "remoteip": [HOME]}]


@pytest.mark.parametrize(
    "codes", ['["invalid-input-response"]', '["timeout-or-duplicate"]', "[]", "null", "[1]", '"x"']
)
def test_a_token_that_is_not_confirmed_is_rejected(codes: str) -> None:
    with (
        http_server(answering(b'{"success": false, "error-codes": %s}' % codes.encode())) as provider,
        pytest.raises(CaptchaFailed),
    ):
        check(captcha(provider.url))


@pytest.mark.parametrize("token", [None, "", "x" * (LONGEST_TOKEN + 1)])
def test_a_missing_token_is_rejected_without_asking_the_provider(token: str | None) -> None:
    with http_server(answering(b'{"success": true}')) as provider:
        with pytest.raises(CaptchaFailed):
            check(captcha(provider.url), token)

        assert forms(provider) == []


def test_a_back_end_needs_no_captcha() -> None:
    check(captcha("http://127.0.0.1:1/"), None, KeyKind.SECRET)


# Failures of the provider

UNUSABLE_ANSWERS: Final[dict[str, Script]] = {
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
    "slow": answering_slowly,
    "silent": not_answering,
    "closed": lambda handler: handler.connection.close(),
}


@pytest.mark.covers("F43")
@pytest.mark.parametrize("script", UNUSABLE_ANSWERS.values(), ids=UNUSABLE_ANSWERS.keys())
def test_an_unusable_answer_of_the_provider_is_an_error(script: Script) -> None:
    with http_server(script) as provider:
        started_at = time.monotonic()

        with pytest.raises(CaptchaUnavailable):
            check(captcha(provider.url))

        assert time.monotonic() - started_at < 4 * TIMEOUT.total_seconds()


def test_an_unreachable_provider_is_an_error() -> None:
    with http_server(answering(b"")) as provider:
        pass

    with pytest.raises(CaptchaUnavailable):
        check(captcha(provider.url))


@pytest.mark.parametrize("code", ["missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch"])
def test_a_wrong_secret_is_logged_as_an_error(code: str) -> None:
    log = RecordingLog()

    with (
        http_server(answering(b'{"success": false, "error-codes": ["%s"]}' % code.encode())) as provider,
        pytest.raises(CaptchaUnavailable),
    ):
        check(captcha(provider.url, log))

    [note] = log.notes
    assert (note.event, note.severity) == ("captcha_secret_wrong", Severity.ERROR)


def test_an_unreadable_secret_is_an_error() -> None:
    def fail() -> str:
        raise DependencyUnavailable("secret")

    with pytest.raises(DependencyUnavailable):
        check(replace_secret(captcha("http://127.0.0.1:1/"), fail))


def replace_secret(captcha: Captcha, read: Callable[[], str]) -> Captcha:
    return Captcha(url=captcha.url, secret=CachedSecret(read, FakeClock()), log_event=captcha.log_event)


# Which requests need a CAPTCHA

BODY: Final = {"email": "carol@example.com", "password": "Correct-horse-42", "type": "signup"}
PROTECTED: Final = [
    ("auth/v1/signup", BODY, {}),
    ("auth/v1/signup", {}, {}),
    ("auth/v1/otp", BODY, {}),
    ("auth/v1/recover", BODY, {}),
    ("auth/v1/resend", BODY, {}),
    ("auth/v1/token", BODY, {"grant_type": "password"}),
]
UNPROTECTED: Final = [
    ("auth/v1/token", {"refresh_token": "x.y.z"}, {"grant_type": "refresh_token"}),
    ("auth/v1/token", {"id_token": "dan", "provider": "google"}, {"grant_type": "id_token"}),
    ("auth/v1/verify", {"type": "email", "email": "carol@example.com", "token": "123456"}, {}),
]


def deployment_with_captcha(provider: HttpServer) -> MailDeployment:
    app = deployment_with_low_limits()
    return app.with_parts(captcha=captcha(provider.url))


def send_request(
    provider: HttpServer, folder: str, body: dict[str, Any], query: dict[str, str], *, key: str = PUBLISHABLE_KEY
) -> dict[str, Any]:
    event = json_event(body, headers={"content-type": "application/json", "apikey": key}, query=query)
    return environment(folder, deployment_with_captcha(provider))(event)


@pytest.mark.parametrize(("folder", "body", "query"), PROTECTED)
def test_a_protected_request_needs_a_valid_token(folder: str, body: dict[str, Any], query: dict[str, str]) -> None:
    token = {"gotrue_meta_security": {"captcha_token": "a token"}}
    with http_server(answering(b'{"success": true}')) as provider:
        passed = send_request(provider, folder, body | token, query)
        missing = send_request(provider, folder, body, query)
        provider.script = answering(b'{"success": false}')
        failed = send_request(provider, folder, body | token, query)
        provider.script = answering(b"", 500)
        unavailable = send_request(provider, folder, body | token, query)
        by_back_end = send_request(provider, folder, body, query, key=SECRET_KEY)

    codes = [body_of(answer).get("error_code") for answer in (missing, failed, unavailable)]
    assert codes == ["captcha_failed", "captcha_failed", "request_timeout"]
    assert [answer["statusCode"] for answer in (missing, failed, unavailable)] == [400, 400, 503]
    for answer in (passed, by_back_end):
        assert body_of(answer).get("error_code") in {None, "invalid_credentials"}


@pytest.mark.parametrize("security", [None, {}, [], "a token", {"captcha_token": None}, {"captcha_token": 1}])
def test_a_malformed_token_counts_as_missing(security: object) -> None:
    with http_server(answering(b'{"success": true}')) as provider:
        answer = send_request(provider, "auth/v1/otp", BODY | {"gotrue_meta_security": security}, {})

        assert body_of(answer)["error_code"] == "captcha_failed"
        assert forms(provider) == []


@pytest.mark.parametrize(("folder", "body", "query"), UNPROTECTED)
def test_a_request_with_another_proof_needs_no_captcha(
    folder: str, body: dict[str, Any], query: dict[str, str]
) -> None:
    with http_server(answering(b'{"success": false}')) as provider:
        answer = send_request(provider, folder, body, query)

    assert body_of(answer).get("error_code") != "captcha_failed"
    assert forms(provider) == []


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
    configured = Container({"CAPTCHA": text}).captcha

    assert configured is not None
    assert configured.url == url


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
def test_an_invalid_setting_is_reported_by_name(text: str) -> None:
    with pytest.raises(InvalidSettings, match="CAPTCHA"):
        assert Settings({"CAPTCHA": text}).captcha


def test_without_a_captcha_no_further_module_is_imported() -> None:
    program = (
        "import sys; from gerbang.container import Container\n"
        "from gerbang.http.callers import ApiKeyAndCaptcha\n"
        "before = set(sys.modules)\n"
        "assert Container({'CAPTCHA': 'provider=none secret= url='}).captcha is None\n"
        "print(sorted(set(sys.modules) - before))\n"
    )

    process = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "layers" / "auth")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert process.stdout.strip() == "[]"
