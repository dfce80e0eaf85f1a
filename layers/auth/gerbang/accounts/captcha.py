"""CAPTCHAs: a provider confirms that the visitor's browser has solved its challenge.

Turnstile and hCaptcha verify in the same way: a form with the deployment's secret, the token, and the client address.
Time and size of the answer are limited. Without an answer, the request fails (docs/decisions/0032-captcha.md).
"""

import json
import ssl
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from gerbang.accounts.outbound import Outbound, Unanswered
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.cached_secret import CachedSecret

VERIFY_URLS: Final = {
    "turnstile": "https://challenges.cloudflare.com/turnstile/v0/siteverify",
    "hcaptcha": "https://api.hcaptcha.com/siteverify",
}
"""Where each provider verifies tokens."""

_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}

LONGEST_TOKEN: Final = 8 * 1024
"""Characters. Turnstile's have at most 2,048, hCaptcha's a few thousand."""

_OUR_FAULT: Final = frozenset({"missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch"})
"""Error codes of a secret that is missing or wrong: an operator must put the right one into Secrets Manager."""

_THEIR_FAULT: Final = frozenset({"internal-error", "bad-request"})
"""Error codes of a provider that could not verify the token."""


class CaptchaFailed(AuthError):
    """The request has no CAPTCHA token, or one that the provider does not confirm."""

    code = "captcha_failed"


class CaptchaUnavailable(DependencyUnavailable):
    """The provider did not say whether the token is good; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Captcha:
    """Verifies CAPTCHA tokens at one provider. Follows no redirects (ASVS 15.3.2)."""

    url: str
    secret: CachedSecret[str]
    log_event: LogEvent
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    """Makes the TLS context that verifies certificate and host name."""
    step_timeout: timedelta = timedelta(seconds=2)
    """For each connection attempt and each read."""
    deadline: timedelta = timedelta(seconds=4)
    """For the whole request: name look-up, each address of the name, an answer that comes byte by byte (F29)."""

    def check(self, key: KeyKind, token: str | None, client_address: str) -> None:
        """Check the token of a request. A request with the secret API key, which a back end has, needs no token.

        Raises:
            CaptchaFailed: there is no token, or the provider does not confirm it.
            CaptchaUnavailable: the provider does not answer in time, or with anything but a verdict.
            DependencyUnavailable: the secret could not be read.
        """
        if key is KeyKind.SECRET:
            return
        if token is None or not 1 <= len(token) <= LONGEST_TOKEN:
            raise CaptchaFailed("no token")
        fields = {"secret": self.secret.get(), "response": token, "remoteip": client_address}
        verdict = _read(self._ask(fields))
        if verdict.get("success") is True:
            return
        errors = verdict.get("error-codes")
        codes = {code for code in errors if isinstance(code, str)} if isinstance(errors, list) else set[str]()
        if codes & _OUR_FAULT:
            self.log_event("captcha_secret_wrong", Severity.ERROR)
            raise CaptchaUnavailable("the secret is wrong")
        if codes & _THEIR_FAULT or verdict.get("success") is not False:
            raise CaptchaUnavailable("no verdict")
        raise CaptchaFailed("not confirmed")

    @cached_property
    def _outbound(self) -> Outbound:
        return Outbound(context=self.trust(), step_timeout=self.step_timeout, deadline=self.deadline)

    def _ask(self, fields: dict[str, str]) -> bytes:
        """Return the body of the provider's answer."""
        try:
            return self._outbound.post(self.url, urlencode(fields).encode(), _FORM)
        except Unanswered as unanswered:
            raise CaptchaUnavailable(str(unanswered)) from None


def _read(answer: bytes) -> dict[str, Any]:
    try:
        verdict = json.loads(answer.decode())
    except (ValueError, RecursionError):
        raise CaptchaUnavailable("answered no JSON") from None
    if not isinstance(verdict, dict):
        raise CaptchaUnavailable("answered no object")
    return verdict
