"""Changes that a signed-in user makes to their account: address, password, metadata, name; one transaction for all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace

from gerbang.accounts.account_draft import AccountDraft, set_profile
from gerbang.accounts.addresses import Addresses, request_change
from gerbang.accounts.new_password import set_password
from gerbang.accounts.password_check import PasswordCheck
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.reauthentication import InvalidReauthenticationCode, Reauthentication, Shown
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_up_policy import SignUpPolicy
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits
from gerbang.mail.email_change import EmailChangeMails
from gerbang.mail.links import LinkRequest
from gerbang.mail.service import MailService
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.assurance import check_level
from gerbang.sessions.sessions import Authenticated, Sessions
from gerbang.storage.accounts import Name, User
from gerbang.storage.families import FamilyTable
from gerbang.storage.metadata import check_metadata, merge
from gerbang.storage.records import to_value
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable, not_disabled, unchanged


class SamePassword(AuthError):
    """The new password is the present one."""

    code = "same_password"


class AddressRequired(AuthError):
    """A guest without an address cannot have a password, because nothing would name the account at a sign-in."""

    code = "address_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanges:
    """What a user asks to change. A field that is None stays as it is."""

    email: EmailAddress | None = None
    password: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    """The code that was mailed to confirm a change of password."""
    current_password: str | None = field(default=None, repr=False)
    metadata: Mapping[str, object] | None = field(default=None, repr=False)
    """Members of `user_metadata`; one that is None is removed."""
    name: str | None = field(default=None, repr=False)
    """Empty: the name is removed."""
    link: LinkRequest | None = None
    """The link of the mails that confirm another address; None: they have codes only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUpdate:
    """Changes the account of a signed-in user."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    addresses: Addresses
    passwords: Passwords
    password_check: PasswordCheck
    reauthentication: Reauthentication
    rate_limits: RateLimits
    limit: Limit
    """Registrations and guests per client address; a guest that is registered at once counts."""
    policy: SignUpPolicy
    mail_service: MailService
    change_mails: EmailChangeMails
    log_event: LogEvent
    now: Clock

    def update(
        self, caller: Authenticated, asked: UserChanges, client: Client, password_policy: PasswordPolicy
    ) -> User:
        """Make all changes in one transaction, and return the changed account.

        A new address takes the present one's place once it is confirmed (`EmailChange`); codes for that are mailed.
        Only a guest's first address is set at once, unverified, where the deployment confirms addresses by itself.
        A new password makes outstanding codes worthless, and ends every other session and a change of address that was
        requested before; a verified address is mailed a notice, once, even if the request is sent again. Whether the
        new password is the present one is checked last: a request with another one then sets it, so this check does not
        help to guess passwords.

        Raises:
            AddressRequired: a guest without an address asks for a password.
            UnacceptablePassword, SamePassword: the password breaks the policy, or is the present one.
            ReauthenticationNeeded, InvalidReauthenticationCode, CurrentPasswordRequired, WrongPassword: the deployment
                asks for a code, or the present password, along with another password.
            MetadataTooLarge: the metadata would be.
            EmailTaken: another account has the address.
            TooMuchMail, TooManyAttempts: too much mail was requested, or too many guests were registered.
            InsufficientLevel: another address or password is asked for, and the account has a second factor, which the
                session has not shown.
            SessionEnded: the session ended meanwhile.
            DependencyUnavailable: nothing was written.
        """
        user = caller.user
        if asked.email is not None or asked.password is not None:
            check_level(caller)
        asked = replace(asked, email=None if asked.email == user.email else asked.email)
        self._check(user, asked, password_policy)
        with self._counted_request(user, asked, client) as attempt:
            if attempt.alongside not in {None, user.user_id}:  # its own if the same request was sent twice at once
                raise EmailTaken
            with self._counted_mails(user, asked), self._owner_checked(caller, asked, client) as spending:
                return self._write(caller, asked, client, spending)

    def _check(self, user: User, asked: UserChanges, password_policy: PasswordPolicy) -> None:
        """Check what can be checked without reading other accounts."""
        if asked.password is not None:
            if user.email is None and not self._registers(user, asked):
                raise AddressRequired
            about = (asked.email or user.email, user.username, asked.name or user.name)
            password_policy.check(asked.password, about=about)
        if asked.metadata:
            check_metadata({"user_metadata": to_value(merge(user.user_metadata, asked.metadata))})

    def _registers(self, user: User, asked: UserChanges) -> bool:
        """Return whether the address is set at once, and a guest thereby registered."""
        return asked.email is not None and user.is_anonymous and self.policy.autoconfirm

    def _counted_request(self, user: User, asked: UserChanges, client: Client) -> Attempt[str | None]:
        """Count a request for another address by its client, and read which account has the address already."""
        email = asked.email
        if email is None:
            return self.rate_limits.attempt(alongside=lambda: None)

        def find_holder() -> str | None:
            return self.users.find_id(Name.EMAIL, email)

        if self._registers(user, asked):
            counted = Counted(self.limit, client.address, OnSuccess.STAYS)
            return self.rate_limits.attempt(counted, alongside=find_holder)
        return self.change_mails.look_up(client.address, alongside=find_holder)

    def _counted_mails(self, user: User, asked: UserChanges) -> Attempt[None]:
        """Count the mails of a change of address, if there will be any."""
        if asked.email is None or self._registers(user, asked):
            return self.rate_limits.attempt()
        return self.change_mails.attempt(user, asked.email)

    def _write(self, caller: Authenticated, asked: UserChanges, client: Client, spending: tuple[Action, ...]) -> User:
        before = caller.user
        password_hash = self._new_hash(caller, asked, client)
        for number_of_try in range(CHANGE_TRIES):
            draft = self._draft(caller, asked, password_hash, spending)
            if not draft.actions:
                return caller.user
            if number_of_try == 0 and asked.email is not None and draft.move is None:
                self.change_mails.request(draft.user, client.locale, asked.link)
            failed = self.store.commit(*draft.actions)
            if not failed:
                self._log(caller, draft)
                if draft.sets_password:
                    self.mail_service.notify_password_changed(draft.user, client.locale)
                return draft.user
            if draft.finds_email_taken(failed):
                raise EmailTaken
            caller = self.sessions.read_again(caller)
            asked = self._still_asked(asked, before, caller.user)
            if asked.password is None:
                password_hash = None
            elif spending and failed[-1] is not None:
                raise InvalidReauthenticationCode("spent meanwhile")
        raise KeptChanging("account")

    def _still_asked(self, asked: UserChanges, before: User, user: User) -> UserChanges:
        """Return what is still to be changed after the same request, sent twice, may have changed it.

        Raises:
            DependencyUnavailable: a new address is asked for, and the mails were queued for the account as it was.
        """
        if asked.email == user.email:
            asked = replace(asked, email=None)
        elif asked.email is not None and user.email != before.email:
            raise KeptChanging("account")
        is_set = asked.password is not None and self.password_check.is_right(asked.password, user)
        return replace(asked, password=None) if is_set else asked

    @contextmanager
    def _owner_checked(self, caller: Authenticated, asked: UserChanges, client: Client) -> Iterator[tuple[Action, ...]]:
        """Check what must be sent along with a new password; yield the actions that spend it."""
        if asked.password is None:
            yield ()
            return
        shown = Shown(new_password=asked.password, code=asked.code, current_password=asked.current_password)
        with self.reauthentication.checked(caller, shown, client) as spending:
            if spending is None:
                self.mail_service.notify_password_changed(self.sessions.read_again(caller).user, client.locale)
                raise SamePassword
            yield spending

    def _new_hash(self, caller: Authenticated, asked: UserChanges, client: Client) -> str | None:
        """Return the hash of the new password, None if none is asked for."""
        user, set_at = caller.user, caller.family.password_set_at
        if asked.password is None:
            return None
        if user.password_hash is not None and self.password_check.is_right(asked.password, user):
            if set_at is not None and self.now() <= set_at + REPEATABLE_FOR:
                # The same request may have set it, and have ended before the notice was queued.
                self.mail_service.notify_password_changed(user, client.locale)
            raise SamePassword
        return self.passwords.hash(asked.password)

    def _draft(
        self, caller: Authenticated, asked: UserChanges, password_hash: str | None, spending: tuple[Action, ...]
    ) -> AccountDraft:
        """Return the changed account, and the actions that write it: *spending* at their end, if it is needed."""
        user, now = caller.user, self.now()
        changed, changes, conditions = set_profile(user, name=asked.name, user_metadata=asked.metadata)
        others, move = list[Action](), None
        if password_hash is not None:
            changed, setting = set_password(changed, password_hash, at=now)
            changes |= setting
            others.append(self.families.carry_over(caller.family, epoch=changed.epoch, password_set_at=now))
        if asked.email is not None:
            email, as_typed = str(asked.email), asked.email.as_typed
            conditions.append(unchanged("email", user))
            if self._registers(user, asked):
                move = self.addresses.move(changed, email, as_typed=as_typed, at=now, verified_at=None)
                changed, moving = move.user, move.changes
                others += [*move.markers.values(), *move.releases]
            else:
                changed, moving = request_change(changed, email, as_typed=as_typed, at=now)
            changes |= moving
        if not changes:
            return AccountDraft(user=user)
        changes["updated_at"] = to_epoch(now)
        updating = self.users.changing(user, changes, *not_disabled(now), *conditions)
        return AccountDraft(
            user=replace(changed, updated_at=now),
            actions=(updating, *others, *(spending if password_hash is not None else ())),
            move=move,
            sets_password=password_hash is not None,
        )

    def _log(self, caller: Authenticated, draft: AccountDraft) -> None:
        event = "user_updated" if draft.move is None else "registered"
        ids = {"user_id": caller.user.user_id, "session_id": caller.family.family_id}
        self.log_event(event, **ids)
        if draft.sets_password:
            self.log_event("password_changed", **ids)
        if draft.user.email_change_sent_at not in {None, caller.user.email_change_sent_at}:
            self.log_event("email_change_requested", **ids)
