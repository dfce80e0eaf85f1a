"""Accounts that an administrator makes: without a session and without mail, even where sign-ups are disabled."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta

from gerbang.accounts.registration import EmailTaken
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.passwords import legacy
from gerbang.passwords.hashing import Passwords
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Store
from gerbang.storage.users import NUMBER_DRAWS, UserTable


class UserIdTaken(AuthError):
    """Another account has the id that was chosen for a new one."""

    code = "user_already_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What an administrator asks for."""

    email: EmailAddress
    is_verified: bool
    """Whether the address counts as verified."""
    name: str = field(repr=False)
    user_id: str | None = None
    """None: a random one."""
    password: str | None = field(default=None, repr=False)
    """With an inherited hash, None. Without either, the account has no password until its owner sets one."""
    inherited_hash: str | None = field(default=None, repr=False)
    """In a format of `gerbang.passwords.legacy`."""
    user_metadata: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, hash=False)
    app_metadata: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, hash=False)
    invited_at: datetime | None = None
    """When its owner was invited."""
    ban: timedelta | None = None
    """How long the account is banned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreation:
    """Makes accounts for administrators."""

    store: Store
    users: UserTable
    passwords: Passwords
    initial_credit: int
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]

    def create(self, new: NewUser) -> User:
        """Make an account in one transaction. The caller applies the password policy.

        Raises:
            LegacyHashError: the inherited hash is not one that can be taken over.
            MetadataTooLarge: its metadata would be.
            EmailTaken, UserIdTaken: another account has it.
            DependencyUnavailable: nothing was written.
        """
        draft = self._draft(new)
        for _ in range(NUMBER_DRAWS):
            user = replace(draft, number=self.new_number())
            creation = self.users.creation(user)
            failed = self.store.commit(*creation.values())
            if not failed:
                self.log_event("registered", user_id=user.user_id)
                return user
            taken = {name for name, failure in zip(creation, failed, strict=True) if failure is not None}
            if Name.EMAIL in taken:
                raise EmailTaken
            if None in taken:
                raise UserIdTaken
        raise DependencyUnavailable("no free number was drawn")

    def _draft(self, new: NewUser) -> User:
        now = self.now()
        return User(
            user_id=new.user_id or self.new_id(),
            name=new.name,
            email=new.email,
            email_as_typed=new.email.as_typed,
            email_verified_at=now if new.is_verified else None,
            password_hash=self._hash(new),
            invited_at=new.invited_at,
            banned_until=now + new.ban if new.ban else None,
            credit_balance=self.initial_credit,
            user_metadata=new.user_metadata,
            app_metadata=new.app_metadata,
            created_at=now,
            updated_at=now,
        )

    def _hash(self, new: NewUser) -> str | None:
        if new.inherited_hash is not None:
            return legacy.to_store(new.inherited_hash, cost=self.passwords.cost)
        return None if new.password is None else self.passwords.hash(new.password)
