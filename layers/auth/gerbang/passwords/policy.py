"""What a new password must be. Applied when one is set, never at sign-in (ASVS 6.2.10)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final
from unicodedata import normalize

from gerbang.core.errors import AuthError, FieldError

LONGEST: Final = 256
"""Code points. NIST SP 800-63B-4, 3.1.1.2, asks for 64 at least; the cost of hashing does not grow with length."""

SHORTEST: Final = 8
"""Code points, unless the deployment asks for more (ASVS 6.2.1)."""

LONGEST_UNNORMALISED: Final = 4 * LONGEST
"""Code points that are normalised at most: it takes time that grows faster than the text. NFC makes no four of one."""

LEFT_OVER: Final = 4
"""A password must have more than this many characters besides the person's address or name."""

DOCUMENTED_EXAMPLES: Final = frozenset({"secret123", "newpassword123"})
"""Passwords in SnapOTP's documentation: its example requests must work as printed."""

_SHORTEST_IDENTIFIER: Final = 4
"""Shorter names are found in passwords by chance."""


class UnacceptablePassword(AuthError):
    """The password may not be set; `reason` says why, in words for its owner and without repeating it."""

    code = "weak_password"

    def __init__(self, rule: str, reason: str, field: str) -> None:
        """Keep the rule's name, for the log and for clients that know it, the words, and which password it is."""
        super().__init__(rule)
        self.rule = rule
        self.reason = reason
        self.field_errors = (FieldError(field, reason),)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One rule of composition: a predicate and what to say where it does not hold."""

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
that the contract asks for. (docs/decisions/0005-composition-rules.md)"""

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
"""What an operator may require (`PasswordRequiredCharacters`), in the words of Supabase's `password_requirements`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """The rules for new passwords at one door of the deployment."""

    shortest: int = SHORTEST
    requirements: tuple[Requirement, ...] = ()
    service_name: str = "gerbang"
    field: str = "password"
    """What the request calls the new password, so that an error names the right one."""

    def asking_for(self, *requirements: Requirement) -> "PasswordPolicy":
        """Return these rules with others of composition, those of one contract."""
        return replace(self, requirements=(*self.requirements, *requirements))

    def naming(self, field: str) -> "PasswordPolicy":
        """Return these rules for a request that calls the new password *field*."""
        return replace(self, field=field)

    def check(self, password: str, *, about: Iterable[str | None] = ()) -> None:
        """Accept a password, or say which rule it breaks.

        *about* are the texts that say who the person is: address, user name, name. Length is counted in code points
        of the NFC form, which is what is hashed.

        Raises:
            UnacceptablePassword: with the rule and the reason.
        """
        text = normalize("NFC", password) if len(password) <= LONGEST_UNNORMALISED else password
        if len(text) < self.shortest:
            raise self._refusal("length", f"Password must be at least {self.shortest} characters long")
        if len(text) > LONGEST:
            raise self._refusal("length", f"Password must be at most {LONGEST} characters long")
        for requirement in self.requirements:
            if not requirement.holds(text):
                raise self._refusal("characters", requirement.reason)
        folded = text.casefold()
        if folded in common_passwords() and folded not in DOCUMENTED_EXAMPLES:
            raise self._refusal("common", "This password is too common. Choose another one.")
        for identifier in _identifiers((*about, self.service_name)):
            if identifier in folded and len(folded) - len(identifier) <= LEFT_OVER:
                raise self._refusal("personal", "Password must not be made of your name or e-mail address")

    def _refusal(self, rule: str, reason: str) -> UnacceptablePassword:
        return UnacceptablePassword(rule, reason, self.field)


@cache
def common_passwords() -> frozenset[str]:
    """Return 3,000 of the commonest passwords of 8 characters or more, case-folded.

    Half of them are the commonest with a letter and a digit, which is what a rule of composition leaves; the others the
    commonest without. From the ranking that ships with zxcvbn (MIT licence), itself counted in leaks.
    """
    return frozenset(files("gerbang.passwords").joinpath("common_passwords.txt").read_text("utf-8").split())


def _identifiers(about: Iterable[str | None]) -> set[str]:
    whole = [normalize("NFC", text).casefold() for text in about if text]
    parts = [part for text in whole for part in (text.partition("@")[0], text.replace(" ", ""), *text.split())]
    return {text for text in (*whole, *parts) if len(text) >= _SHORTEST_IDENTIFIER}
