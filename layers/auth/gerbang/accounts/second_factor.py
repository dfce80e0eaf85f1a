"""Verify a code of a second factor, to raise a session or to complete a sign-in that waits for it.

A code works once. The time step of the last one is a part of the account, and the write that raises or opens the
session also records it, on the condition that it is as it was read. Wrong codes are counted by account over all
factors and challenges. Recovery codes, which cannot be guessed, are counted by client address only, so that a stranger
who knows the password and uses up the tries does not lock the owner out. (docs/decisions/0041-second-factor.md)
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from gerbang.accounts import recovery_codes, totp
from gerbang.accounts.challenges import ChallengeExpired, ChallengeNotFound, Challenges
from gerbang.accounts.factors import (
    FactorNotFound,
    GuestsHaveNoFactors,
    as_read,
    bounded,
    living_factor,
)
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.concurrency import run_concurrently
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, TooManyAttempts
from gerbang.sessions.assurance import InsufficientLevel, check_level
from gerbang.sessions.claims import Occasion
from gerbang.sessions.first_factor import FirstFactor, FirstFactors, InvalidFirstFactorToken
from gerbang.sessions.keys import Keys
from gerbang.sessions.sessions import Authenticated, Sessions, SignedIn
from gerbang.storage.accounts import Factor, User
from gerbang.storage.devices import learned_device
from gerbang.storage.families import AAL1, Authentication, Family, FamilyTable
from gerbang.storage.records import to_value
from gerbang.storage.store import Change, Plus, Store
from gerbang.storage.users import UserTable, learned_locale, not_disabled


class WrongCode(AuthError):
    """The code is wrong, of another time, or was used before."""

    code = "mfa_verification_failed"


VERIFICATION_ERRORS: Final = (
    GuestsHaveNoFactors,
    FactorNotFound,
    InsufficientLevel,
    ChallengeNotFound,
    ChallengeExpired,
    WrongCode,
    TooManyAttempts,
)
"""What `SecondFactor.verify` raises, except `SessionEnded` and `DependencyUnavailable`."""

COMPLETION_ERRORS: Final = (InvalidFirstFactorToken, WrongCode, TooManyAttempts)
"""What `SecondFactor.sign_in` raises, except `DependencyUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    """What an accepted code changes in its account, and how it authenticates."""

    user: User
    changes: dict[str, Change]
    method: str
    factor_id: str
    """Empty for a recovery code."""
    verifies_factor: bool = False
    """Whether the code is the first one of a new factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """Checks codes of apps, and recovery codes."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    keys: Keys
    challenges: Challenges
    first_factors: FirstFactors
    rate_limits: RateLimits
    tries: Limit
    """Wrong codes of an account, over all its factors; a right one clears them."""
    address_limit: Limit
    """Failures of one client address, shared with passwords."""
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def verify(
        self, caller: Authenticated, factor_id: str, *, challenge_id: str, code: str, client: Client
    ) -> SignedIn:
        """Raise the caller's session by a code of a factor, or a recovery code; return it with new tokens.

        The first code of a factor verifies it, and removes other factors that are not verified. The account's other
        sessions with one factor end. With the account's first factor, its epoch is raised, so that sign-ins that have
        begun fail, too. Two round trips.

        Raises:
            GuestsHaveNoFactors, FactorNotFound: there is no such factor.
            ChallengeNotFound, ChallengeExpired: the challenge is not this session's, or too old.
            InsufficientLevel: the factor is new, and the session has not shown another one that the account has.
            WrongCode: the code is wrong or was used.
            TooManyAttempts: there were too many wrong codes.
            SessionEnded: the session ended meanwhile.
        """
        living_factor(caller.user, factor_id, at=self.now())
        self.challenges.check(challenge_id, caller.family, factor_id)
        with self._attempt(caller.user.user_id, code, client, lambda: self._sessions_to_end(caller)) as attempt:
            ending = attempt.alongside
            for _ in range(CHANGE_TRIES):
                accepted = self._accept(caller.user, code, (self._verifiable(caller, factor_id),))
                raised = self._raise_session(caller, accepted, ending, attempt)
                if raised is not None:
                    return raised
                caller = self.sessions.read_again(caller)
                ending = self._sessions_to_end(caller)
        raise KeptChanging("account or its sessions")

    def sign_in(self, mfa_token: str, code: str, client: Client) -> SignedIn:
        """Open the session that a sign-in waits for, by a code of any factor, or a recovery code. Two round trips.

        Raises:
            InvalidFirstFactorToken: the token is wrong or expired, or the account has changed.
            WrongCode: the code is wrong or was used.
            TooManyAttempts: there were too many wrong codes.
        """
        first = self.first_factors.read(mfa_token)
        with self._attempt(first.user_id, code, client, lambda: self.users.find(first.user_id)) as attempt:
            user = attempt.alongside
            for _ in range(CHANGE_TRIES):
                if user is None or user.epoch != first.epoch or not user.may_sign_in(self.now()):
                    raise InvalidFirstFactorToken("the account has changed")
                verified = tuple(factor for factor in user.factors if factor.is_verified)
                accepted = self._accept(user, code, verified)
                signed_in = self._open(user, first, accepted, client, attempt)
                if signed_in is not None:
                    return signed_in
                user = self.users.find(first.user_id)
        raise KeptChanging("account")

    def _attempt[T](self, user_id: str, code: str, client: Client, read: Callable[[], T]) -> Attempt[T]:
        counted = [Counted(self.address_limit, client.address)]
        if totp.CODE_FORM.fullmatch(code):
            counted.append(Counted(self.tries, user_id, OnSuccess.CLEARED))
        return self.rate_limits.attempt(*counted, alongside=read)

    def _verifiable(self, caller: Authenticated, factor_id: str) -> Factor:
        """Return the factor that a code of the caller may belong to.

        Raises:
            InsufficientLevel: the factor is new, and the session must show another one first.
        """
        factor = living_factor(caller.user, factor_id, at=self.now())
        if not factor.is_verified:
            check_level(caller)
        return factor

    def _sessions_to_end(self, caller: Authenticated) -> tuple[Family, ...]:
        """Return the account's other sessions with one factor."""
        families = self.families.list(caller.user.user_id)
        return tuple(each for each in families if each.aal == AAL1 and each.family_id != caller.family.family_id)

    def _accept(self, user: User, code: str, factors: Sequence[Factor]) -> _Accepted:
        """Return what a right code changes.

        Raises:
            WrongCode: the code is wrong.
        """
        if totp.CODE_FORM.fullmatch(code):
            for factor in factors:
                secret = totp.secret_of(self.keys, user.user_id, factor.factor_id)
                step = totp.step_of(secret, code, at=self.now())
                if step is not None and step > factor.last_step:
                    return self._accepted(user, factor, step)
        canonical = recovery_codes.canonical(code)
        left = None if canonical is None else recovery_codes.without(user.recovery_codes, user.user_id, canonical)
        if left is None or not any(factor.is_verified for factor in factors):
            raise WrongCode(user.user_id)
        changed = replace(user, recovery_codes=left)
        changes: dict[str, Change] = {"recovery_codes": to_value(left)}
        return _Accepted(user=changed, changes=changes, method="recovery_code", factor_id="")

    def _accepted(self, user: User, factor: Factor, step: int) -> _Accepted:
        """Return what a code of an app changes: it is used, and a new factor verified."""
        now = self.now()
        used, others = replace(factor, last_step=step), user.factors
        if not factor.is_verified:
            used = replace(used, verified_at=now, updated_at=now)
            others = tuple(each for each in others if each.is_verified or each == factor)
        factors = tuple(used if each == factor else each for each in others)
        changed = replace(user, factors=factors)
        changes: dict[str, Change] = {"factors": to_value(factors)}
        if not user.has_second_factor:
            changed = replace(changed, epoch=user.epoch + 1)
            changes["epoch"] = Plus(1)
        return _Accepted(
            user=changed,
            changes=changes,
            method="totp",
            factor_id=factor.factor_id,
            verifies_factor=not factor.is_verified,
        )

    def _raise_session(
        self, caller: Authenticated, accepted: _Accepted, ending: Sequence[Family], attempt: Attempt[Any]
    ) -> SignedIn | None:
        """Raise the caller's session, in the transaction that uses the code; None: it was changed meanwhile."""
        now, family = self.now(), caller.family
        raised, raising = self.families.raising(
            family,
            Authentication(method=accepted.method, at=now),
            factor_id=accepted.factor_id,
            nonce=self.new_id(),
            epoch=accepted.user.epoch,
            until=self.sessions.deadline(signed_in_at=family.created_at, at=now),
        )
        # Before the write, so that its failure changes nothing.
        extra = self.sessions.extra_claims(accepted.user, family.family_id, Occasion.REFRESH)
        endings = bounded(self.store, [self.families.ending_at_aal1(each) for each in ending])
        changing = self.users.changing(caller.user, accepted.changes, *not_disabled(now), *as_read(caller.user))
        failed, _ = run_concurrently(lambda: self.store.commit(changing, raising, *endings), attempt.succeed)
        if failed:
            return None
        if accepted.verifies_factor:
            self.log_event("factor_verified", user_id=family.user_id, factor_id=accepted.factor_id)
        self._log("session_raised", accepted, raised.family_id)
        return self.sessions.signed_in(accepted.user, raised, now, extra)

    def _open(
        self, before: User, first: FirstFactor, accepted: _Accepted, client: Client, attempt: Attempt[Any]
    ) -> SignedIn | None:
        """Open a session of two factors, in the transaction that uses the code; None: the account has changed."""
        now, changed = self.now(), accepted.user
        user = replace(changed, last_sign_in_at=now, locale=changed.locale or client.locale)
        first_method = Authentication(method=first.method, at=first.at)
        second_method = Authentication(method=accepted.method, at=now)

        def raised(family: Family) -> Family:
            return replace(family, amr=(first_method,)).raised(second_method, factor_id=accepted.factor_id)

        signed_in, opening = self.sessions.begin(user, client, first.method, raised=raised)
        changes = {
            **accepted.changes,
            "last_sign_in_at": to_epoch(now),
            **learned_locale(changed, client.locale),
            **learned_device(changed, client),
        }
        changing = self.users.changing(before, changes, *not_disabled(now), *as_read(before))
        (failed, role), _ = run_concurrently(
            lambda: self.sessions.with_role(user, lambda: self.store.commit(changing, opening)), attempt.succeed
        )
        if failed:
            return None
        self.log_event("signed_in", user_id=user.user_id, session_id=signed_in.family_id, method=first.method)
        self._log("second_factor_shown", accepted, signed_in.family_id)
        return replace(signed_in, role=role)

    def _log(self, event: str, accepted: _Accepted, session_id: str) -> None:
        self.log_event(event, user_id=accepted.user.user_id, session_id=session_id, method=accepted.method)
