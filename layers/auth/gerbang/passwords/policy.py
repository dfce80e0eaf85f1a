"""The rules for new passwords. They apply when a password is set, never at sign-in (ASVS 6.2.10)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Final
from unicodedata import normalize

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, FieldError

LONGEST: Final = 256
"""Code points. NIST SP 800-63B-4, 3.1.1.2, asks for 64 at least; the cost of hashing does not grow with length."""

SHORTEST: Final = 8
"""Code points, unless the deployment asks for more (ASVS 6.2.1)."""

LONGEST_UNNORMALIZED: Final = 4 * LONGEST
"""Longer texts are not normalized, because that takes time that grows faster than the text. NFC makes one code point of
four at most, so the normal form of a longer text is longer than `LONGEST`, too."""

LEFT_OVER: Final = 4
"""A password must have more than this many characters in addition to the person's address or name."""

DOCUMENTED_EXAMPLES: Final = frozenset({"secret123", "newpassword123"})
"""Passwords in SnapOTP's documentation: its example requests must work as printed."""

_SHORTEST_IDENTIFIER: Final = 4
"""Shorter names are found in passwords by chance."""


class UnacceptablePassword(AuthError):
    """The password may not be set; `reason` tells its owner why, without repeating it."""

    code = "weak_password"

    def __init__(self, rule: str, reason: str, field: str) -> None:
        """Keep the rule's name, for the log and for clients that know it, the message, and the field it is about."""
        super().__init__(rule)
        self.rule = rule
        self.reason = reason
        self.field_errors = (FieldError(field, reason),)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One rule of composition: a predicate, and the message if it does not hold."""

    holds: Callable[[str], bool]
    reason: str


ONE_LETTER: Final = Requirement(
    lambda password: any(character.isalpha() for character in password),
    "Password must contain at least one letter",
)

ONE_LOWER_CASE_LETTER: Final = Requirement(
    lambda password: any(character.islower() for character in password),
    "Password must contain at least one lower-case letter",
)

ONE_SYMBOL: Final = Requirement(
    lambda password: any(not character.isalnum() and not character.isspace() for character in password),
    "Password must contain at least one symbol",
)

ONE_UPPER_CASE_LETTER: Final = Requirement(
    lambda password: any(character.isupper() for character in password),
    "Password must contain at least one upper-case letter",
)
"""BotLaunch's rule; any letter with the upper-case property counts. A deviation from NIST SP 800-63B-4, 3.1.1.2(5),
that its API requires. (docs/decisions/0005-composition-rules.md)"""

ONE_DIGIT: Final = Requirement(
    lambda password: any(character.isdecimal() for character in password),
    "Password must contain at least one digit",
)
"""BotLaunch's rule, as above."""


REQUIRED_CHARACTERS: Final = {
    "": (),
    "letters_digits": (ONE_LETTER, ONE_DIGIT),
    "lower_upper_letters_digits": (ONE_LOWER_CASE_LETTER, ONE_UPPER_CASE_LETTER, ONE_DIGIT),
    "lower_upper_letters_digits_symbols": (ONE_LOWER_CASE_LETTER, ONE_UPPER_CASE_LETTER, ONE_DIGIT, ONE_SYMBOL),
}
"""What an operator may require (`PasswordRequiredCharacters`), as in Supabase's `password_requirements`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """The rules for new passwords of one kind of request."""

    shortest: int = SHORTEST
    requirements: tuple[Requirement, ...] = ()
    service_name: str = "gerbang"
    field: str = "password"
    """What the request calls the new password, so that an error names the right one."""

    def asking_for(self, *requirements: Requirement) -> "PasswordPolicy":
        """Return these rules with more rules of composition, those of one API."""
        return replace(self, requirements=(*self.requirements, *requirements))

    def naming(self, field: str) -> "PasswordPolicy":
        """Return these rules for a request that calls the new password *field*."""
        return replace(self, field=field)

    def check(self, password: str, *, about: Iterable[str | None] = ()) -> None:
        """Check a password against the rules.

        *about* are the texts that identify the person: address, user name, name. Length is counted in code points
        of the NFC form, which is what is hashed.

        Raises:
            UnacceptablePassword: it breaks a rule; the error has the rule and the reason.
        """
        text = normalized(password)
        if len(text) < self.shortest:
            raise self._error("length", f"Password must be at least {self.shortest} characters long")
        if len(text) > LONGEST:
            raise self._error("length", f"Password must be at most {LONGEST} characters long")
        for requirement in self.requirements:
            if not requirement.holds(text):
                raise self._error("characters", requirement.reason)
        folded = text.casefold()
        if folded in common_passwords() and folded not in DOCUMENTED_EXAMPLES:
            raise self._error("common", "This password is too common. Choose another one.")
        for identifier in _identifiers((*about, self.service_name)):
            if identifier in folded and len(folded) - len(identifier) <= LEFT_OVER:
                raise self._error("personal", "Password must not be made of your name or e-mail address")

    def _error(self, rule: str, reason: str) -> UnacceptablePassword:
        return UnacceptablePassword(rule, reason, self.field)


def normalized(password: str) -> str:
    """Return the NFC form of a password. A text that is too long to be a password is returned unchanged."""
    return normalize("NFC", password) if len(password) <= LONGEST_UNNORMALIZED else password


@cache
def common_passwords() -> frozenset[str]:
    """Return 3,000 of the commonest passwords of 8 characters or more, case-folded.

    Half of them are the commonest that have a letter and a digit, since those pass rules of composition; the others are
    the commonest that do not. From zxcvbn's ranking (MIT licence), which was counted in leaked passwords.
    """
    return frozenset(files("gerbang.passwords").joinpath("common_passwords.txt").read_text("utf-8").split())


def _identifiers(about: Iterable[str | None]) -> set[str]:
    whole = [normalize("NFC", text).casefold() for text in about if text]
    parts = [part for text in whole for part in (text.partition("@")[0], text.replace(" ", ""), *text.split())]
    return {text for text in (*whole, *parts) if len(text) >= _SHORTEST_IDENTIFIER}
