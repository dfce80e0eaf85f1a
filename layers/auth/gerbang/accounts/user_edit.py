"""Changes that an administrator makes to an account: at once, without confirmation by the owner, and without mail."""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import timedelta

from gerbang.accounts.account_draft import AccountDraft, set_profile
from gerbang.accounts.addresses import Addresses
from gerbang.accounts.changes import set_fields
from gerbang.accounts.new_password import set_password
from gerbang.accounts.registration import EmailTaken
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.policy import PasswordPolicy
from gerbang.storage.accounts import User
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable, unchanged


class NoSuchUser(AuthError):
    """No account has the id that an administrator names."""

    code = "user_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEdit:
    """What an administrator asks to change. A field that is None stays as it is."""

    email: EmailAddress | None = None
    verifies_email: bool = False
    """Whether the address counts as verified. A new address that replaces a verified one always does."""
    password: str | None = field(default=None, repr=False)
    user_metadata: Mapping[str, object] | None = field(default=None, repr=False)
    app_metadata: Mapping[str, object] | None = field(default=None, repr=False)
    """Members of the metadata; one that is None is removed."""
    name: str | None = field(default=None, repr=False)
    """Empty: the name is removed."""
    ban: timedelta | None = None
    """How long the account is banned from now on; zero ends a ban."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEditing:
    """Changes accounts for administrators."""

    store: Store
    users: UserTable
    addresses: Addresses
    passwords: Passwords
    log_event: LogEvent
    now: Clock

    def edit(self, user_id: str, asked: UserEdit, policy: PasswordPolicy) -> User:
        """Make all changes in one transaction, and return the changed account.

        Of two administrators who change the same member of an account, the later one wins; changes of different
        members are both kept. A new password ends every session of the account. A guest that is given an address
        becomes a registered account.

        Raises:
            NoSuchUser: no account has the id.
            UnacceptablePassword: the password breaks the policy.
            MetadataTooLarge: the metadata would be.
            EmailTaken: another account has the address.
            DependencyUnavailable: others kept changing the account, or the database did not answer.
        """
        password_hash: str | None = None
        for _ in range(CHANGE_TRIES):
            user = self.users.find(user_id)
            if user is None:
                raise NoSuchUser(user_id)
            if asked.password is not None and password_hash is None:
                about = (asked.email or user.email, user.username, asked.name or user.name)
                policy.check(asked.password, about=about)
                password_hash = self.passwords.hash(asked.password)
            draft = self._draft(user, asked, password_hash)
            failed = self.store.commit(*draft.actions) if draft.actions else ()
            if not failed:
                self._log(user, draft)
                return draft.user
            if draft.finds_email_taken(failed):
                raise EmailTaken
        raise KeptChanging("account")

    def _draft(self, user: User, asked: UserEdit, password_hash: str | None) -> AccountDraft:
        """Return the changed account, and the actions that write it."""
        now, others, move = self.now(), list[Action](), None
        changed, changes, conditions = set_profile(
            user, name=asked.name, user_metadata=asked.user_metadata, app_metadata=asked.app_metadata or {}
        )
        if asked.ban is not None:
            changed, banning = set_fields(changed, banned_until=now + asked.ban if asked.ban else None)
            changes |= banning
        if password_hash is not None:
            changed, setting = set_password(changed, password_hash, at=now)
            changes |= setting
        conditions.append(unchanged("email", user))
        if asked.email is not None and asked.email != user.email:
            is_verified = asked.verifies_email or user.email_verified_at is not None
            verified_at = now if is_verified else None
            move = self.addresses.move(
                changed, asked.email, as_typed=asked.email.as_typed, at=now, verified_at=verified_at
            )
            changed = move.user
            changes |= move.changes
            others += [*move.markers.values(), *move.releases]
        elif asked.verifies_email and user.email is not None and user.email_verified_at is None:
            changed, verifying = set_fields(changed, email_verified_at=now, contested_at=None)
            changes |= verifying
        if not changes:
            return AccountDraft(user=user)
        changes["updated_at"] = to_epoch(now)
        updating = self.users.changing(user, changes, *conditions)
        return AccountDraft(
            user=replace(changed, updated_at=now),
            actions=(updating, *others),
            move=move,
            sets_password=password_hash is not None,
        )

    def _log(self, before: User, draft: AccountDraft) -> None:
        user_id = before.user_id
        if draft.actions:
            self.log_event("user_updated", user_id=user_id)
        if draft.sets_password:
            self.log_event("password_changed", user_id=user_id)
        if draft.move is not None:
            self.log_event("registered" if before.is_anonymous else "email_changed", user_id=user_id)
