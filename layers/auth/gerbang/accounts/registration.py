"""Registration: an account is made once, all or nothing, and its owner is signed in."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from gerbang.accounts.organizations import Organizations
from gerbang.core.clock import Clock
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits
from gerbang.passwords.hashing import Passwords
from gerbang.sessions.sessions import Client, Sessions, SignedIn
from gerbang.storage.organizations import Organization
from gerbang.storage.store import Action, Store
from gerbang.storage.users import Name, User, UserTable

NUMBER_DRAWS: Final = 8
"""How often a random number is drawn until one is free. At 10 million accounts one in 200 is taken."""


class EmailTaken(AuthError):
    """An account has the address already."""

    code = "email_exists"


class UsernameTaken(AuthError):
    """An account has the user name already, in whatever case."""

    code = "username_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What a person asks for when registering."""

    email: EmailAddress
    password: str = field(repr=False)
    name: str
    username: str | None = None
    founds: str | None = None
    """The name of the organisation to found, None to found none."""
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new account, signed in, and the organisation that was founded with it."""

    signed_in: SignedIn
    organization: Organization | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Makes accounts."""

    store: Store
    users: UserTable
    organizations: Organizations
    sessions: Sessions
    passwords: Passwords
    rate_limits: RateLimits
    limit: Limit
    """Of registrations and guests, a client address."""
    initial_credit: int
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]

    def register(self, new: NewAccount, client: Client) -> Registered:
        """Make an account, with its organisation if it founds one, and sign it in: one transaction, all or nothing.

        The password is hashed before anybody looks whether the address is taken, so both answers take as long.

        Raises:
            TooManyAttempts: this client has registered too often.
            EmailTaken, UsernameTaken: somebody has it.
        """
        with self._counted(client):
            draft = self._draft(new)
            signing_in = replace(draft, user=replace(draft.user, last_sign_in_at=draft.user.created_at))
            user, signed_in = self._make(signing_in, lambda user: self.sessions.begin(user, client, "password"))
        self.log_event("registered", user_id=user.user_id, session_id=signed_in.family_id)
        return Registered(signed_in=signed_in, organization=draft.organization)

    def register_without_session(self, new: NewAccount, client: Client) -> User:
        """Make an account as `register` does, and sign nobody in.

        Raises:
            TooManyAttempts, EmailTaken, UsernameTaken: as `register`.
        """
        with self._counted(client):
            user, _ = self._make(self._draft(new), lambda _: (None, None))
        self.log_event("registered", user_id=user.user_id)
        return user

    def _make[T](self, draft: "_Draft", begin: Callable[[User], tuple[T, Action | None]]) -> tuple[User, T]:
        """Write an account under the first number drawn that is free, with what *begin* begins for it."""
        for _ in range(NUMBER_DRAWS):
            user = replace(draft.user, number=self.new_number())
            begun, opening = begin(user)
            creation = self.users.creation(user)
            actions = (*creation.values(), *draft.founding, *([] if opening is None else [opening]))
            refusals = self.store.commit(*actions)
            if not refusals:
                return user, begun
            taken = {name for name, refusal in zip(creation, refusals, strict=False) if refusal is not None}
            if Name.EMAIL in taken:
                raise EmailTaken
            if Name.USERNAME in taken:
                raise UsernameTaken
        raise DependencyUnavailable("no free number was drawn")

    def _counted(self, client: Client) -> Attempt[None]:
        """Count a registration, also one that finds the address taken; not one that fails (503)."""
        return self.rate_limits.attempt(Counted(self.limit, client.address, OnSuccess.STAYS))

    def _draft(self, new: NewAccount) -> "_Draft":
        now = self.now()
        user = User(
            user_id=self.new_id(),
            name=new.name,
            email=new.email,
            email_as_typed=new.email.as_typed,
            username=new.username,
            password_hash=self.passwords.hash(new.password),
            credit_balance=self.initial_credit,
            locale=new.locale,
            created_at=now,
            updated_at=now,
        )
        if new.founds is None:
            return _Draft(user, None, ())
        founding = self.organizations.found(new.founds, user.user_id, at=now)
        organization = founding.organization
        user = replace(user, organization_id=organization.organization_id, organization_role=founding.role)
        return _Draft(user, organization, founding.actions)


@dataclass(frozen=True, slots=True)
class _Draft:
    """An account that lacks its number only, the organisation it founds, and the actions that found it."""

    user: User
    organization: Organization | None
    founding: tuple[Action, ...]
