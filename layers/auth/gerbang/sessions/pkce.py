"""Proof Key for Code Exchange: a client first sends a challenge, and later the secret it was made from (RFC 7636)."""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import field
from enum import StrEnum
from hashlib import sha256
from typing import Final, Self

from gerbang.core.dataclass import dataclass

CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""The form of challenges and verifiers (RFC 7636, sections 4.1 and 4.2)."""


class ChallengeMethod(StrEnum):
    """How a challenge is made from a verifier, in GoTrue's spelling."""

    S256 = "s256"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class CodeChallenge:
    """The challenge that a client sends when it asks for a mail."""

    value: str = field(repr=False)
    method: ChallengeMethod

    def to_text(self) -> str:
        """Return the challenge as the text that `from_text` reads."""
        return f"{self.method}:{self.value}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the challenge that `to_text` wrote.

        Raises:
            ValueError: the text is not a challenge.
        """
        method, _, value = text.partition(":")
        if not CHALLENGE.fullmatch(value):
            raise ValueError("not a challenge")
        return cls(value, ChallengeMethod(method))

    def is_met_by(self, verifier: str) -> bool:
        """Return whether the challenge was made from this verifier; compared in constant time."""
        computed = verifier
        if self.method is ChallengeMethod.S256:
            computed = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")
        return hmac.compare_digest(computed.encode(), self.value.encode())
