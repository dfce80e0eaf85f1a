"""Time-based one-time passwords (RFC 6238) as code apps show them: SHA-1, six digits, 30 seconds.

A secret is not stored. It is derived from the lasting key and the ids of account and factor, so that a copy of the
table cannot make codes. (docs/decisions/0041-second-factor.md)
"""

import hmac
import re
from base64 import b32encode
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from gerbang.core.clock import to_epoch
from gerbang.sessions.keys import Keys, Purpose, hkdf_sha256

DIGITS: Final = 6
STEP_SECONDS: Final = 30
"""RFC 6238, section 5.2."""

SKEW_STEPS: Final = 1
"""How many steps a code may be early or late: clocks differ, and typing takes time (RFC 6238, sections 5.2 and 6)."""

SECRET_BYTES: Final = 20
"""As long as the hash (RFC 4226, section 4, R6; RFC 6238, section 5.1)."""

CODE_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")


def secret_of(keys: Keys, user_id: str, factor_id: str) -> bytes:
    """Return the secret of a factor: always the same, whichever master secret is the current one.

    Raises:
        DependencyUnavailable: the keys could not be read.
    """
    info = f"{Purpose.TOTP_SECRET}\0{user_id}\0{factor_id}"
    return hkdf_sha256(keys.lasting(), info=info.encode(), length=SECRET_BYTES)


def code_of(secret: bytes, step: int) -> str:
    """Return the code of a time step: HOTP of its number (RFC 4226, section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_at(at: datetime) -> int:
    """Return the number of the time step that an instant is in."""
    return to_epoch(at) // STEP_SECONDS


def step_of(secret: bytes, code: str, *, at: datetime) -> int | None:
    """Return the latest time step, around an instant, that a code is of; None if it is not a current code.

    Every step is compared, in constant time.
    """
    now = step_at(at)
    steps = range(now - SKEW_STEPS, now + SKEW_STEPS + 1)
    matching = [step for step in steps if hmac.compare_digest(code_of(secret, step).encode(), code.encode())]
    return max(matching, default=None)


def shown_secret(secret: bytes) -> str:
    """Return a secret in base 32, as people type it into an app."""
    return b32encode(secret).decode("ascii")


def uri(secret: bytes, *, issuer: str, account: str) -> str:
    """Return the URI for a QR code: the `otpauth` format of Google Authenticator, which all apps read."""
    parameters = {
        "algorithm": "SHA1",
        "digits": DIGITS,
        "issuer": issuer,
        "period": STEP_SECONDS,
        "secret": shown_secret(secret),
    }
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"
