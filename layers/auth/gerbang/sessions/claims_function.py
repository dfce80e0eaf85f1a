"""Asks the operator's Lambda function for claims to add to access tokens.

Its answer is bounded in time (`gerbang.storage.functions`) and size, and cannot change the claims that Gerbang sets. If
it fails, a setting decides whether the request fails, or the token has no added claims. (docs/decisions/0038-claims.md)
"""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NoReturn

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.sessions.claims import NO_CLAIMS, Occasion
from gerbang.storage.accounts import User
from gerbang.storage.functions import FunctionFailed
from gerbang.storage.profiles import providers_of

LARGEST_CLAIMS: Final = 1024
"""Characters of JSON, in ASCII: every request carries them, and API Gateway takes 10,240 bytes of headers in all."""

RESERVED: Final = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}  # RFC 7519, section 4.1
    | {"session_id", "gen", "role", "aal", "amr", "token_use", "auth_time"}
    | {"email", "email_verified", "phone", "is_anonymous", "app_metadata", "user_metadata"}
)
"""Claims that only Gerbang sets. The function may return any other claim, `scope` included."""


class OnFailure(StrEnum):
    """What happens to a sign-in or refresh if the function fails."""

    UNAVAILABLE = "503"
    WITHOUT = "without"


class ClaimsUnavailable(DependencyUnavailable):
    """The function did not answer, or its answer has claims that may not be signed; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsFunction:
    """Asks the function for claims. It is an `ExtraClaims`."""

    invoke: Callable[[bytes], bytes]
    """Invokes the function with a JSON event, and returns its JSON answer."""
    on_failure: OnFailure
    log_event: LogEvent

    def __call__(self, user: User, session_id: str, occasion: Occasion) -> Mapping[str, object]:
        """Return the claims of an account.

        Raises:
            ClaimsUnavailable: the function failed, and the setting does not allow tokens without its claims.
        """
        try:
            return _claims_in(self.invoke(_event(user, session_id, occasion)))
        except (ClaimsUnavailable, FunctionFailed) as failure:
            self.log_event("claims_failed", Severity.WARNING, user_id=user.user_id, reason=str(failure))
            if self.on_failure is OnFailure.WITHOUT:
                return NO_CLAIMS
            raise ClaimsUnavailable(str(failure)) from failure


def _event(user: User, session_id: str, occasion: Occasion) -> bytes:
    """Return the function's event. Members may be added to it, and its version rises if one changes."""
    account = {
        "id": user.user_id,
        "email": user.email,
        "email_verified": user.email_verified_at is not None,
        "username": user.username,
        "name": user.name,
        "role_id": user.role_id,
        "is_anonymous": user.is_anonymous,
        "organization_id": user.organization_id,
        "created_at": to_epoch(user.created_at),
        "providers": providers_of(user),
        "app_metadata": dict(user.app_metadata),
        "user_metadata": dict(user.user_metadata),
    }
    return json.dumps({"version": 1, "occasion": occasion, "session_id": session_id, "account": account}).encode()


def _claims_in(answer: bytes) -> Mapping[str, object]:
    """Return the member `claims` of an answer.

    Raises:
        ClaimsUnavailable: it has none, or claims that may not be signed.
    """
    try:
        parsed: Any = json.loads(answer, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise ClaimsUnavailable("answered no JSON") from None
    claims = parsed.get("claims") if isinstance(parsed, dict) else None
    if not isinstance(claims, dict):
        raise ClaimsUnavailable("answered no object with an object `claims`")
    if taken := sorted(RESERVED & claims.keys()):
        raise ClaimsUnavailable(f"answered claims that are not its own: {', '.join(taken)}")
    if (size := len(json.dumps(claims, separators=(",", ":")))) > LARGEST_CLAIMS:
        raise ClaimsUnavailable(f"answered {size} characters of claims, more than {LARGEST_CLAIMS}")
    return claims


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and infinities are no JSON (RFC 8259, section 6)
