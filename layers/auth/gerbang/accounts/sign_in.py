"""Sign in with a password: the same number of guesses, the same work and the same answer for every failure."""

from dataclasses import field
from typing import TYPE_CHECKING

from gerbang.accounts.password_check import PasswordCheck
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.core.log import LogEvent, Severity
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.limits.rate_limits import Attempt
from gerbang.passwords.hashing import Passwords, replacing
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.first_factor import FirstFactors, waiting
from gerbang.sessions.sessions import Sessions, SignedIn, SignInOvertaken
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import ConditionFailed, Equal
from gerbang.storage.users import UserTable

if TYPE_CHECKING:
    from gerbang.accounts.live_migration import LiveMigration


class InvalidCredentials(AuthError):
    """No account matches, the password is wrong, or the account is disabled. The client does not learn which."""

    code = "invalid_credentials"

    def __init__(self, user_id: str | None) -> None:
        """Keep the account that was tried, for the log; None where there is none."""
        super().__init__(user_id or "unknown")
        self.user_id = user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A name of an account, in its canonical form, and a password."""

    name: Name
    value: str
    password: str = field(repr=False)
    email: EmailAddress | None = field(default=None, repr=False)
    """The address, as it was typed."""

    @classmethod
    def by_email(cls, email: EmailAddress, password: str) -> "Credentials":
        """Return credentials that name an account by its e-mail address."""
        return cls(name=Name.EMAIL, value=email, password=password, email=email)

    @classmethod
    def by_username(cls, username: str, password: str) -> "Credentials":
        """Return credentials that name an account by its user name, in any case."""
        return cls(name=Name.USERNAME, value=username.lower(), password=password)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSignIn:
    """Signs in the account that a name and a password match."""

    users: UserTable
    sessions: Sessions
    passwords: Passwords
    password_check: PasswordCheck
    password_attempts: PasswordAttempts
    unverified: UnverifiedAddress
    first_factors: FirstFactors | None = None
    """Makes sign-ins wait for a second factor; None: the session is raised later, as at Supabase Auth."""
    tells_of_disabling: bool = False
    """Whether the owner of a disabled account is told so, after a right password."""
    live_migration: "LiveMigration | None" = None
    """Asks the old system about addresses without an account; None: there is no old system."""
    log_event: LogEvent
    now: Clock

    def sign_in(self, credentials: Credentials, client: Client) -> SignedIn:
        """Sign in the account that the credentials name. One hash, three round trips.

        Seven calls, eight with the role; more only near a limit (docs/decisions/0023-limits.md).

        Raises:
            InvalidCredentials: no account matches, the password is wrong, or the account is disabled and the API does
                not say so. Each case takes the same work.
            TooManyAttempts: there were too many guesses. They are counted before the password is hashed.
            EmailNotVerified: the password is right, and the address must be verified first.
            AccountDisabled: the password is right, the account is disabled, and the API says so.
            SecondFactorRequired: the password is right, the account has a second factor, and the API asks for it.
        """
        user_id = self.users.find_id(credentials.name, credentials.value)
        with self.password_attempts.attempt(
            user_id or f"{credentials.name}#{credentials.value}",
            client.address,
            alongside=lambda: self.users.find(user_id or NO_ACCOUNT),
        ) as attempt:
            user = attempt.alongside
            if user is not None and user.is_disabled(self.now()) and not self.tells_of_disabling:
                user = None  # its own hash may be cheaper, and the time would reveal a right password
            right = self.password_check.is_right(credentials.password, user)
            if not right and self.live_migration is not None:
                user = self._migrate(credentials, user_id, self.live_migration)
                right = user is not None
            if user is None or not right:
                raise InvalidCredentials(user_id)
            if user.is_disabled(self.now()):
                attempt.succeed()
                raise AccountDisabled(user.user_id)
            if self.unverified.refuses(user):
                attempt.succeed()
                raise EmailNotVerified(user.user_id)
            if (required := waiting(self.first_factors, user, "password")) is not None:
                attempt.succeed()
                self._renew_hash(user, credentials.password)
                raise required
            signed_in = self._open(user, client, attempt)
        self._renew_hash(user, credentials.password)
        return signed_in

    def _migrate(self, credentials: Credentials, user_id: str | None, live_migration: "LiveMigration") -> User | None:
        """Return the account that is made because the password is right in the old system, None if it is wrong.

        The old system is asked after every wrong password, so the time does not reveal who has an account here. The
        password of an account is never sent to it (`LiveMigration.ask_about_unknown`).
        """
        if user_id is not None or credentials.email is None:
            live_migration.ask_about_unknown()
            return None
        return live_migration.migrate(credentials.email, credentials.password)

    def _open(self, user: User, client: Client, attempt: Attempt[User | None]) -> SignedIn:
        """Open a session, while the attempt is settled as right."""
        try:
            signed_in, _ = run_concurrently(lambda: self.sessions.open(user, client, "password"), attempt.succeed)
        except SignInOvertaken as overtaken:
            raise InvalidCredentials(user.user_id) from overtaken
        return signed_in

    def _renew_hash(self, user: User, password: str) -> None:
        """Replace an imported or cheaper hash, if it is still the one that is stored (F18, F19)."""
        old = user.password_hash
        if old is None or not self.passwords.needs_rehash(old):
            return
        changes = replacing(old, self.passwords.hash(password), at=self.now())
        try:
            outcome = self.users.change(user, changes, Equal("password_hash", old))
        except DependencyUnavailable:
            self.log_event("password_hash_not_renewed", Severity.WARNING, user_id=user.user_id)
            return
        if not isinstance(outcome, ConditionFailed):
            self.log_event("password_hash_renewed", user_id=user.user_id)
