"""Proof Key for Code Exchange: what a client shows of a secret first, and the secret later (RFC 7636)."""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Final, Self

CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""A challenge, and a verifier (RFC 7636, sections 4.1 and 4.2)."""


class ChallengeMethod(StrEnum):
    """How a challenge is made of a verifier, in GoTrue's spelling."""

    S256 = "s256"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class CodeChallenge:
    """What a client shows of its verifier when it asks for a mail."""

    value: str = field(repr=False)
    method: ChallengeMethod

    def to_text(self) -> str:
        """Return the challenge as the text that `from_text` reads."""
        return f"{self.method}:{self.value}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the challenge that `to_text` wrote.

        Raises:
            ValueError: it wrote no such text.
        """
        method, _, value = text.partition(":")
        if not CHALLENGE.fullmatch(value):
            raise ValueError("not a challenge")
        return cls(value, ChallengeMethod(method))

    def is_met_by(self, verifier: str) -> bool:
        """Say whether the challenge was made of this verifier; compared in constant time."""
        made = verifier
        if self.method is ChallengeMethod.S256:
            made = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")
        return hmac.compare_digest(made.encode(), self.value.encode())
