"""Registration: make an account, all or nothing, and sign its owner in."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from gerbang.accounts.organizations import Organizations
from gerbang.core.clock import Clock
from gerbang.core.emails import canonical
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Limit, RateLimits
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import Client, Sessions, SignedIn
from gerbang.storage.organizations import Organization
from gerbang.storage.store import Action, Store
from gerbang.storage.users import Name, User, UserTable

NUMBER_DRAWS: Final = 8
"""How often a random number is drawn until one is free. At 10 million accounts one in 200 is taken."""


class EmailTaken(AuthError):
    """Another account has the address."""


class UsernameTaken(AuthError):
    """Another account has the user name, in upper or lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What a person asks for when registering."""

    email: str
    """As typed."""
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
    """Registrations and guests per client address."""
    initial_credit: int
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]

    def register(self, new: NewAccount, client: Client, policy: PasswordPolicy) -> Registered:
        """Make an account, with its organisation if it founds one, and sign it in: one transaction, all or nothing.

        The password is hashed before the address is looked up, so both answers take as long.

        Raises:
            InvalidEmail: the address is not an e-mail address.
            UnacceptablePassword: the password breaks the policy.
            TooManyAttempts: this client has registered too often.
            EmailTaken, UsernameTaken: another account has it.
        """
        draft = self._draft(new, client, policy)
        signing_in = replace(draft, user=replace(draft.user, last_sign_in_at=draft.user.created_at))
        user, signed_in = self._make(signing_in, lambda user: self.sessions.begin(user, client, "password"))
        self.log_event("registered", user_id=user.user_id, session_id=signed_in.family_id)
        return Registered(signed_in=replace(signed_in, role=draft.role), organization=draft.organization)

    def register_without_session(self, new: NewAccount, client: Client, policy: PasswordPolicy) -> User:
        """Make an account as `register` does, without opening a session.

        Raises:
            InvalidEmail, UnacceptablePassword, TooManyAttempts, EmailTaken, UsernameTaken: as `register`.
        """
        user, _ = self._make(self._draft(new, client, policy), lambda _: (None, None))
        self.log_event("registered", user_id=user.user_id)
        return user

    def _make[T](self, draft: "_Draft", begin: Callable[[User], tuple[T, Action | None]]) -> tuple[User, T]:
        """Write an account under the first number drawn that is free, with what *begin* begins for it."""
        for _ in range(NUMBER_DRAWS):
            user = replace(draft.user, number=self.new_number())
            begun, opening = begin(user)
            creation = self.users.creation(user)
            actions = (*creation.values(), *draft.founding, *([] if opening is None else [opening]))
            outcome = self.store.commit(*actions)
            if not outcome:
                return user, begun
            taken = {name for name, failed in zip(creation, outcome, strict=False) if failed is not None}
            if Name.EMAIL in taken:
                raise EmailTaken
            if Name.USERNAME in taken:
                raise UsernameTaken
        raise DependencyUnavailable("no free number was drawn")

    def _draft(self, new: NewAccount, client: Client, policy: PasswordPolicy) -> "_Draft":
        email = canonical(new.email)
        policy.check(new.password, about=(email, new.username, new.name))
        self.rate_limits.take(self.limit, client.address)
        now = self.now()
        user = User(
            user_id=self.new_id(),
            name=new.name,
            email=email,
            email_as_typed=new.email.strip(),
            username=new.username,
            password_hash=self.passwords.hash(new.password),
            credit_balance=self.initial_credit,
            locale=new.locale,
            created_at=now,
            updated_at=now,
        )
        if new.founds is None:
            return _Draft(user)
        founding = self.organizations.found(new.founds, user.user_id, at=now)
        user = replace(user, organization_id=founding.organization.organization_id)
        return _Draft(user, founding.organization, founding.role, founding.actions)


@dataclass(frozen=True, slots=True)
class _Draft:
    """An account without its number, the organisation it founds, its role there, and the actions that found it."""

    user: User
    organization: Organization | None = None
    role: str | None = None
    founding: tuple[Action, ...] = ()
