"""Confirming another address of an account, by a code that was mailed to it and one that was mailed to the present one.

Each address confirms its own code, in any order. Where the present address is not verified, or there is none, the new
one alone confirms. How the change is requested: `gerbang.accounts.user_update`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gerbang.accounts.addresses import Addresses
from gerbang.accounts.code_sign_in import Begin, InvalidCode
from gerbang.accounts.registration import EmailTaken
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.concurrency import run_concurrently
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, digest
from gerbang.mail.codes import CODE_FORM, REMEMBERED, CodeMaker
from gerbang.mail.email_change import change_subject
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.devices import learned_device
from gerbang.storage.one_time_codes import OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.records import from_item
from gerbang.storage.store import Action, Change, CommitOutcome, Item, Key, Store
from gerbang.storage.users import UserTable, learned_locale, not_disabled, unchanged

type _IsRight = Callable[[OneTimeCode, str], bool]
"""Returns whether a stored code was made from the presented one, for a subject (`change_subject`)."""

_CONFIRMED: Final = {Slot.EMAIL_CHANGE_CURRENT: "current", Slot.EMAIL_CHANGE_NEW: "new"}
"""What `User.email_change_confirmed` says once the code of a slot was redeemed."""

_DECIDING: Final = ("email", "email_verified_at", "new_email", "email_change_confirmed")
"""The attributes of an account that decide what a code does."""

_FIRST_OTHER: Final = 2
"""The position in the transaction of the first action after the code's and the account's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfConfirmed:
    """One of the two addresses has confirmed the change; the other one has not yet."""

    user: User


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChange:
    """Confirms changes of addresses."""

    store: Store
    users: UserTable
    codes: OneTimeCodeTable
    maker: CodeMaker
    addresses: Addresses
    sessions: Sessions
    rate_limits: RateLimits
    tries: Limit
    """Wrong codes an address, shared with other codes (`CodeSignIn.tries`)."""
    address_limit: Limit
    """Failures of one client address, shared with passwords."""
    log_event: LogEvent
    now: Clock

    def confirm(self, email: str, code: str, client: Client) -> SignedIn | HalfConfirmed:
        """Redeem the code that was mailed to a canonical address, the present or the new one. Three round trips.

        The last code that is needed replaces the present address with the new one, which is verified then, and opens a
        session, in the transaction that spends the code. The present address is free afterwards. A guest becomes a
        registered account.

        Raises:
            InvalidCode: the code is wrong, spent, replaced or expired.
            EmailTaken: another account has the new address meanwhile; the code is not spent.
            TooManyAttempts: the address has used up its tries, or this client address has failed too often.
            DependencyUnavailable: others kept changing the account, or the database did not answer.
        """
        if not CODE_FORM.fullmatch(code):
            raise InvalidCode("malformed")
        keys = [self.codes.key(slot, digest(email)) for slot in _CONFIRMED]
        with self.rate_limits.attempt(
            Counted(self.tries, email, OnSuccess.CLEARED),
            Counted(self.address_limit, client.address),
            alongside=lambda: self.store.get_all(*keys),
        ) as attempt:
            return self.confirm_counted(
                email,
                lambda stored, subject: self.maker.matches(stored.secret_hash, subject, code),
                client,
                attempt,
                items=attempt.alongside,
                begin=lambda user: self.sessions.begin(user, client, "otp"),
            )

    def confirm_counted[T](
        self,
        email: str,
        is_right: "_IsRight",
        client: Client,
        attempt: Attempt[Any],
        *,
        items: Sequence[Item | None] | None = None,
        begin: Begin[T],
    ) -> T | HalfConfirmed:
        """Redeem a code or the token of a link as part of what the caller counts, and begin what it opens.

        *items* are those of the address's codes, if they were read already.

        Raises:
            InvalidCode, EmailTaken, DependencyUnavailable: as `confirm`.
        """
        keys = [self.codes.key(slot, digest(email)) for slot in _CONFIRMED]
        for _ in range(CHANGE_TRIES):
            found = self._find(email, is_right, self.store.get_all(*keys) if items is None else items)
            outcome = (
                self._complete(found, client, attempt, begin)
                if found.is_last
                else self._confirm_half(found, client, attempt)
            )
            if outcome is not None:
                return outcome
            items = None
        raise KeptChanging("account")

    def _find(self, email: str, is_right: "_IsRight", items: Sequence[Item | None]) -> "_Found":
        """Return the change that a code confirms at an address."""
        now = self.now()
        stored = {slot: self.codes.read(item) for slot, item in zip(_CONFIRMED, items, strict=True)}
        live = {slot: each for slot, each in stored.items() if each is not None and each.is_live(now)}
        users = self._users(*(each.user_id or NO_ACCOUNT for each in live.values()))
        for slot, each in live.items():
            user = users.get(each.user_id or NO_ACCOUNT)
            if user is None or user.epoch != each.epoch or not user.may_sign_in(now) or user.new_email is None:
                continue
            if email != (user.email if slot is Slot.EMAIL_CHANGE_CURRENT else user.new_email):
                continue
            if is_right(each, change_subject(slot, user)):
                return _Found(user=user, slot=slot, key=self.codes.key(slot, digest(email)), code=each)
        raise InvalidCode("none, or wrong")

    def _users(self, *user_ids: str) -> dict[str, User | None]:
        """Return the accounts with these ids. One round trip, even without ids, so that the time reveals nothing."""
        ids = list(dict.fromkeys(user_ids)) or [NO_ACCOUNT]
        items = self.store.get_all(*(self.users.key(user_id) for user_id in ids))
        return {user_id: from_item(User, item) for user_id, item in zip(ids, items, strict=True)}

    def _confirm_half(self, found: "_Found", client: Client, attempt: Attempt[Any]) -> HalfConfirmed | None:
        """Record that one address confirms; None: the account was changed meanwhile."""
        user, confirmed = found.user, _CONFIRMED[found.slot]
        changes: dict[str, Change] = {"email_change_confirmed": confirmed, **learned_locale(user, client.locale)}
        if self._commit(found, attempt, changes):
            return None
        self.log_event("email_change_confirmed", user_id=user.user_id, address=confirmed)
        return HalfConfirmed(user=replace(user, email_change_confirmed=confirmed))

    def _complete[T](self, found: "_Found", client: Client, attempt: Attempt[Any], begin: Begin[T]) -> T | None:
        """Set the new address and begin what the code opens; None: the account was changed meanwhile."""
        user, now = found.user, self.now()
        move = self.addresses.move(
            replace(user, last_sign_in_at=now, locale=user.locale or client.locale),
            user.new_email or "",
            as_typed=user.new_email_as_typed or user.new_email or "",
            at=now,
            verified_at=now,
        )
        changes = move.changes | {"last_sign_in_at": to_epoch(now), **learned_locale(user, client.locale)}
        begun, *opening = begin(move.user)
        if isinstance(begun, SignedIn):
            changes |= learned_device(move.user, client)
        claim, *others = move.markers.values()
        failed = self._commit(found, attempt, changes, claim, *others, *move.releases, *opening)
        if failed and failed[_FIRST_OTHER] is not None:
            raise EmailTaken
        if failed:
            return None
        session = {"session_id": begun.family_id} if isinstance(begun, SignedIn) else {}
        ids = {"user_id": user.user_id, **session}
        if user.is_anonymous:
            self.log_event("registered", **ids, method="otp")
        self.log_event("email_changed", **ids)
        if session:
            self.log_event("signed_in", **ids, method="otp")
        return begun

    def _commit(
        self, found: "_Found", attempt: Attempt[Any], changes: Mapping[str, Change], *others: Action
    ) -> CommitOutcome:
        """Spend the code and change the account as it was read, with other actions; the attempt is settled as right.

        Raises:
            InvalidCode: the code was spent, replaced or expired meanwhile.
        """
        now, user = self.now(), found.user
        conditions = [unchanged(attribute, user) for attribute in _DECIDING]
        spending = self.codes.spending(found.key, found.code, at=now, kept=REMEMBERED)
        changing = self.users.changing(user, changes, *not_disabled(now), *conditions)
        failed, _ = run_concurrently(lambda: self.store.commit(spending, changing, *others), attempt.succeed)
        if failed and failed[0] is not None:
            raise InvalidCode("spent meanwhile")
        return failed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A right code, and the account whose change it confirms."""

    user: User
    slot: Slot
    key: Key
    code: OneTimeCode

    @property
    def is_last(self) -> bool:
        """Whether no other code is needed. A present address that is not verified need not confirm."""
        is_second = self.user.email_change_confirmed not in {None, _CONFIRMED[self.slot]}
        return is_second or self.user.email_verified_at is None
