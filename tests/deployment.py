"""Every service, wired as `gerbang.container` wires them, on whatever a test holds in the place of the world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Final

from gerbang.accounts.authorization import Authorizer
from gerbang.accounts.organizations import Organizations
from gerbang.accounts.registration import NewAccount, Registration
from gerbang.accounts.sign_in import Credentials, PasswordSignIn
from gerbang.limits.rate_limits import Limit, RateLimits, SignInGuard, SignInLimits
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.email_policy import UnverifiedAddress
from gerbang.sessions.keys import Algorithm, Keys
from gerbang.sessions.sessions import Client, Sessions
from gerbang.sessions.tokens import Tokens
from gerbang.storage.counters import CounterTable
from gerbang.storage.families import FamilyTable
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.store import Store
from gerbang.storage.users import Name, User, UserTable

from tests.fakes import FakeClock, FakeSecret, RecordingLog

ISSUER: Final = "https://auth.example.com"
AUDIENCE: Final = "authenticated"
TABLES: Final = {
    name: name for name in ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits")
}
"""The tables of `template.yaml` under their logical ids, as a store in memory knows them."""

HOME: Final = Client(address="192.0.2.1", device="Mozilla/5.0")
ABROAD: Final = Client(address="198.51.100.7", device="curl/8")
PASSWORD: Final = "Correct horse 1"
ALICE: Final = NewAccount(email="alice@example.com", password=PASSWORD, name="Alice", username="alice", founds="Acme")
BOB: Final = NewAccount(email="bob@example.com", password=PASSWORD, name="Bob")


PER_ACCOUNT_AND_ADDRESS: Final = Limit(name="account-and-address", attempts=10, window=timedelta(minutes=15))
PER_ADDRESS: Final = Limit(name="address", attempts=100, window=timedelta(minutes=15))
PER_ACCOUNT: Final = Limit(name="account", attempts=50, window=timedelta(hours=1))
REGISTRATIONS: Final = Limit(name="registration", attempts=30, window=timedelta(hours=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What an operator chose; the defaults are `template.yaml`'s, except the cost of a hash."""

    algorithm: Algorithm = Algorithm.HS256
    access_lifetime: timedelta = timedelta(hours=1)
    lifetime: timedelta = timedelta(days=7)
    longest: timedelta = timedelta(days=90)
    grace: timedelta = timedelta(seconds=30)
    unconfirmed_grace: timedelta = timedelta(days=7)
    cost: int = CHEAPEST_COST
    account_and_address: Limit = PER_ACCOUNT_AND_ADDRESS
    address: Limit = PER_ADDRESS
    account: Limit = PER_ACCOUNT
    registration: Limit = REGISTRATIONS
    unverified: UnverifiedAddress = UnverifiedAddress.ACCEPTED


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The services of one deployment; `dataclasses.replace` makes another on a part of the same world."""

    store: Store
    tables: Mapping[str, str]
    clock: FakeClock
    new_id: Callable[[], str]
    new_number: Callable[[], int]
    log_event: RecordingLog
    secret: FakeSecret
    choices: Choices = Choices()

    @cached_property
    def users(self) -> UserTable:
        return UserTable(self.store, self.tables["Users"])

    @cached_property
    def families(self) -> FamilyTable:
        return FamilyTable(self.store, self.tables["RefreshTokenFamilies"])

    @cached_property
    def counters(self) -> CounterTable:
        return CounterTable(self.store, self.tables["RateLimits"])

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.secret, self.clock)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(
            keys=self.keys,
            issuer=ISSUER,
            audience=AUDIENCE,
            algorithm=self.choices.algorithm,
            access_lifetime=self.choices.access_lifetime,
            new_id=self.new_id,
        )

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(
            store=self.store,
            families=self.families,
            users=self.users,
            tokens=self.tokens,
            log_event=self.log_event,
            now=self.clock,
            new_id=self.new_id,
            lifetime=self.choices.lifetime,
            longest=self.choices.longest,
            grace=self.choices.grace,
            unconfirmed_grace=self.choices.unconfirmed_grace,
            unverified=self.choices.unverified,
            read_role=self.organizations.default_role,
        )

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords(self.choices.cost)

    @cached_property
    def rate_limits(self) -> RateLimits:
        return RateLimits(self.counters, self.clock, self.new_id)

    @cached_property
    def guard(self) -> SignInGuard:
        chosen = self.choices
        limits = SignInLimits(
            account_and_address=chosen.account_and_address, address=chosen.address, account=chosen.account
        )
        return SignInGuard(limits, self.rate_limits)

    @cached_property
    def organizations(self) -> Organizations:
        return Organizations(OrganizationTable(self.store, self.tables["Organizations"]), self.new_id)

    @cached_property
    def registration(self) -> Registration:
        return Registration(
            store=self.store,
            users=self.users,
            organizations=self.organizations,
            sessions=self.sessions,
            passwords=self.passwords,
            rate_limits=self.rate_limits,
            limit=self.choices.registration,
            initial_credit=5000,
            log_event=self.log_event,
            now=self.clock,
            new_id=self.new_id,
            new_number=self.new_number,
        )

    @cached_property
    def sign_in(self) -> PasswordSignIn:
        return PasswordSignIn(
            users=self.users,
            sessions=self.sessions,
            passwords=self.passwords,
            guard=self.guard,
            unverified=self.choices.unverified,
            log_event=self.log_event,
            now=self.clock,
        )

    @cached_property
    def authorizer(self) -> Authorizer:
        return Authorizer(self.sessions, self.organizations)

    def register(self, new: NewAccount = ALICE, *, user_id: str | None = None) -> User:
        """Make an account the way a client does, from an address that no test counts; under a chosen id, if any."""
        elsewhere = Client(address="203.0.113.200")
        registration = self.registration if user_id is None else replace(self.registration, new_id=lambda: user_id)
        return registration.register(new, elsewhere, PasswordPolicy()).signed_in.user


def by_email(email: str = ALICE.email, password: str = PASSWORD) -> Credentials:
    """Credentials that name an account by its address, canonical."""
    return Credentials(name=Name.EMAIL, value=email, password=password)
