"""Sign-in by a mailed one-time code: six digits, ten minutes, one use, by default five wrong tries an hour per address.

How codes are made and stored: `gerbang.mail.codes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Final

from gerbang.accounts.code_sign_up import CodeSignUp
from gerbang.accounts.verification import AccountDisabled, EarlierCredentials, verify_email
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, digest
from gerbang.mail.codes import CODE_FORM, REMEMBERED, CodeMaker
from gerbang.mail.service import MailService
from gerbang.sessions.first_factor import FirstFactors, SecondFactorRequired, waiting
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.devices import learned_device
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.records import from_item
from gerbang.storage.store import Absent, Action, Store
from gerbang.storage.users import UserTable, not_disabled

type Begin[T] = Callable[[User], tuple[T, *tuple[Action, ...]]]
"""Begins what a code opens, a session for example: returns it, and the actions that make it valid."""

_SIBLINGS: Final = (Slot.EMAIL, Slot.RECOVERY)
"""The slots of an address. Both are read at each try, so that every try costs the same calls."""


class InvalidCode(AuthError):
    """The code is wrong, spent, replaced, expired or dead after too many wrong tries, or no account has the address."""

    code = "invalid_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """A session that a code opened, and what verifying the address removed."""

    signed_in: SignedIn
    password_removed: bool
    """Whether the account had a password that was set before the address was verified, and has none now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened[T]:
    """What a code opened, and what verifying the address removed."""

    begun: T
    password_removed: bool
    """As `Redeemed.password_removed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCode:
    """A code, or the token of a link, as a client presents it."""

    email: EmailAddress = field(repr=False)
    slots: Sequence[Slot]
    """The slots it may be in."""
    is_right: Callable[[OneTimeCode], bool]
    """Returns whether a stored code was made from the presented one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSignIn:
    """Signs in by the code that was mailed to an address, which verifies the address."""

    store: Store
    users: UserTable
    codes: OneTimeCodeTable
    maker: CodeMaker
    sessions: Sessions
    rate_limits: RateLimits
    tries: Limit
    """Wrong codes an address, over all codes and slots; a right one clears them."""
    address_limit: Limit
    """Failures of one client address, shared with passwords."""
    sign_up: CodeSignUp | None
    """Makes the account of an address that has none; None: no account is made."""
    mail_service: MailService
    first_factors: FirstFactors | None = None
    """Makes sign-ins wait for a second factor; None: the session is raised later, as at Supabase Auth."""
    log_event: LogEvent
    now: Clock

    def sign_in(self, email: EmailAddress, code: str, client: Client) -> Redeemed:
        """Trade a code of the slot `EMAIL` for a session, as `redeem` does.

        Raises:
            InvalidCode, TooManyAttempts: as `redeem`; a disabled account is an invalid code here.
        """
        try:
            return self.redeem(email, code, client, slots=(Slot.EMAIL,))
        except AccountDisabled:
            raise InvalidCode("disabled") from None

    def redeem(self, email: EmailAddress, code: str, client: Client, *, slots: Sequence[Slot]) -> Redeemed:
        """Trade the code mailed to an address, in one of *slots*, for a session. Three round trips.

        The code is spent in the transaction that opens the session (F14), and with it the address's other code. If the
        address was unverified, a code that was requested to sign in removes the password and ends the sessions, which a
        stranger may have set up (account pre-hijacking), and a mail notifies the owner. The code of the registration
        itself keeps them, unless another registration of the address was rejected since, which may have been the
        owner's. If no account has the address, a code that was mailed for that makes one: one round trip more.

        Raises:
            InvalidCode: the code is wrong, spent, replaced or expired.
            AccountDisabled: the code is right, and its account may not be used.
            SignUpDisabled: the code is right, and would make an account, which is not allowed any more.
            TooManyAttempts: the address, whether an account has it or not, has used up its tries; or this client
                address has failed, or made accounts, too often.
            SecondFactorRequired: the account has a second factor, and the API asks for it. The code is spent.
            DependencyUnavailable: the database did not answer, or the address was registered at the same time.
        """
        if not CODE_FORM.fullmatch(code):
            raise InvalidCode("malformed")
        presented = PresentedCode(
            email=email, slots=slots, is_right=lambda stored: self.maker.matches(stored.secret_hash, email, code)
        )
        with self.rate_limits.attempt(
            Counted(self.tries, email, OnSuccess.CLEARED),
            Counted(self.address_limit, client.address),
            alongside=lambda: self.users.find_id(Name.EMAIL, email),
        ) as attempt:
            opened = self.open(
                presented,
                client,
                attempt,
                user_id=attempt.alongside,
                begin=lambda user: self._begin(user, client),
            )
        if isinstance(opened.begun, SecondFactorRequired):
            raise opened.begun
        return Redeemed(signed_in=opened.begun, password_removed=opened.password_removed)

    def open[T](
        self, presented: PresentedCode, client: Client, attempt: Attempt[Any], *, user_id: str | None, begin: Begin[T]
    ) -> Opened[T]:
        """Spend a code as part of what the caller counts, and begin what it opens; *user_id* has the address.

        Raises:
            InvalidCode, AccountDisabled, SignUpDisabled, TooManyAttempts, DependencyUnavailable: as `redeem`.
        """
        user, found = self._find(presented, user_id=user_id)
        if user is None:
            return self._sign_up(presented.email, found, client, attempt, begin)
        opened = self._sign_in(user, found, client, attempt, begin)
        if isinstance(opened.begun, SignedIn):
            session_id = opened.begun.family_id
            self.log_event("signed_in", user_id=user.user_id, session_id=session_id, method="otp")
        return opened

    def _begin(self, user: User, client: Client) -> tuple[SignedIn | SecondFactorRequired, *tuple[Action, ...]]:
        """Begin a session, or the wait for the second factor that the account has."""
        required = waiting(self.first_factors, user, "otp")
        return self.sessions.begin(user, client, "otp") if required is None else (required,)

    def _find(self, presented: PresentedCode, *, user_id: str | None) -> tuple[User | None, "_Found"]:
        """Return the account that a code signs in to, None if it makes one; and the code, with what spends it."""
        keys = {slot: self.codes.key(slot, digest(presented.email)) for slot in _SIBLINGS}
        user_item, *items = self.store.get_all(self.users.key(user_id or NO_ACCOUNT), *keys.values())
        now, user, read = self.now(), from_item(User, user_item), map(self.codes.read, items)
        live = {slot: each for slot, each in zip(keys, read, strict=True) if each is not None and each.is_live(now)}
        tried = [slot for slot in presented.slots if slot in live]
        matching = [slot for slot in tried if presented.is_right(live[slot])]
        if not matching:
            raise InvalidCode("wrong" if tried else "none")
        [slot, *_] = matching
        code = live.pop(slot)
        if user is not None and user.is_disabled(now):
            raise AccountDisabled(user.user_id)
        if user is not None and user.epoch != code.epoch:
            raise InvalidCode("another epoch")
        spending = self.codes.spending(keys[slot], code, at=now, kept=REMEMBERED)
        others = [self.codes.discarding(keys[other], at=now, kept=REMEMBERED) for other in live]
        return user, _Found(code, (spending, *others))

    def _sign_in[T](
        self, user: User, found: "_Found", client: Client, attempt: Attempt[Any], begin: Begin[T]
    ) -> Opened[T]:
        earlier = _earlier_credentials(user, found.code)
        now = self.now()
        verified, changes = verify_email(user, earlier, at=now, locale=client.locale)
        begun, *opening = begin(verified)
        if isinstance(begun, SignedIn):
            changes |= learned_device(verified, client)
        # A registration that is rejected meanwhile makes the account contested: then this write fails.
        uncontested = [Absent("contested_at")] if earlier is EarlierCredentials.KEPT else []
        changing = self.users.changing(user, changes, *not_disabled(now), *uncontested)
        password_removed = user.password_hash is not None and verified.password_hash is None
        # Not queued afterwards, because the answer of the transaction may be lost.
        notices = [lambda: self.mail_service.notify_password_removed(user, client.locale)] if password_removed else []
        failed, *_ = run_concurrently(
            lambda: self.store.commit(*found.spending, changing, *opening), attempt.succeed, *notices
        )
        if failed:
            raise InvalidCode("spent meanwhile")
        return Opened(begun=begun, password_removed=password_removed)

    def _sign_up[T](
        self, email: EmailAddress, found: "_Found", client: Client, attempt: Attempt[Any], begin: Begin[T]
    ) -> Opened[T]:
        sign_up, code = self.sign_up, found.code
        if sign_up is None or code.new_user_metadata is None:
            raise InvalidCode("no account")
        begun, _ = run_concurrently(
            lambda: sign_up.make(email, code, client, spending=found.spending, begin=begin), attempt.succeed
        )
        if begun is None:
            raise InvalidCode("spent meanwhile")
        return Opened(begun=begun, password_removed=False)


@dataclass(frozen=True, slots=True)
class _Found:
    """A code that is right, and the actions that spend it and the address's other code."""

    code: OneTimeCode
    spending: tuple[Action, ...]


def _earlier_credentials(user: User, code: OneTimeCode) -> EarlierCredentials:
    """Return what redeeming a code does to the password and sessions of an unverified account."""
    keeps = code.purpose is CodePurpose.VERIFICATION and user.contested_at is None
    return EarlierCredentials.KEPT if keeps else EarlierCredentials.DROPPED
