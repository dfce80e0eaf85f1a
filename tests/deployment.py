"""The container of a deployment, with fakes for the store, clock, ids, log and secrets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Self, override

from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import Credentials, PasswordSignIn
from gerbang.container import Container
from gerbang.core.client import Client
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import Limit
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang.sessions.assurance import SecondFactorPolicy
from gerbang.sessions.claims import InvalidToken, TokenPair
from gerbang.sessions.email_policy import UnverifiedAddress
from gerbang.sessions.keys import Algorithm, SecretSource
from gerbang.sessions.sessions import Sessions
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Store

from tests.fakes import FakeClock, FakeSecret, RecordingLog

ISSUER: Final = "https://auth.example.com"
AUDIENCE: Final = "authenticated"
SITE: Final = "https://app.example.com"
REDIRECTS: Final = "https://*.example.com/**,com.example.app://**"
TABLES: Final = {
    name: name for name in ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits")
}
"""The tables of `template.yaml`. In memory, a table's name is its logical id."""

HOME: Final = Client(address="192.0.2.1", device="Mozilla/5.0")
ABROAD: Final = Client(address="198.51.100.7", device="curl/8")
PASSWORD: Final = "Correct horse 1"
ALICE: Final = NewAccount(
    email=EmailAddress("alice@example.com"), password=PASSWORD, name="Alice", username="alice", founds="Acme"
)
BOB: Final = NewAccount(email=EmailAddress("bob@example.com"), password=PASSWORD, name="Bob")
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)

PER_ACCOUNT_AND_ADDRESS: Final = Limit(name="sign_in_account_and_address", attempts=10, window=15 * MINUTE)
PER_ADDRESS: Final = Limit(name="sign_in_address", attempts=100, window=15 * MINUTE)
PER_ACCOUNT: Final = Limit(name="sign_in_account", attempts=50, window=HOUR)
REGISTRATIONS: Final = Limit(name="registration", attempts=30, window=HOUR)
CODE_TRIES: Final = Limit(name="code_tries", attempts=5, window=HOUR)
RESETS: Final = Limit(name="reset", attempts=30, window=HOUR)
MAIL_MINUTE: Final = Limit(name="mail_minute", attempts=1, window=MINUTE)
MAIL_HOUR: Final = Limit(name="mail_hour", attempts=5, window=HOUR)
MAIL_ADDRESS: Final = Limit(name="mail_address", attempts=30, window=HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """An operator's settings. Defaults are those of `template.yaml`, except hash cost and mails about new devices."""

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
    code_tries: Limit = CODE_TRIES
    reset: Limit = RESETS
    mail_minute: Limit = MAIL_MINUTE
    mail_hour: Limit = MAIL_HOUR
    mail_address: Limit = MAIL_ADDRESS
    unverified: UnverifiedAddress = UnverifiedAddress.ACCEPTED
    default_locale: str = "en"
    user_metadata_in_tokens: bool = True
    sign_up_disabled: bool = False
    anonymous_sign_ins: bool = True
    autoconfirm: bool = False
    manual_linking: bool = True
    secure_password_change: bool = False
    require_current_password: bool = False
    second_factor: SecondFactorPolicy = SecondFactorPolicy.IF_ENROLLED
    new_device_mail: bool = False
    required_characters: str = ""
    confirmation_page: bool = False


DEFAULTS: Final = Choices()


def environment_of(tables: Mapping[str, str], choices: Choices) -> dict[str, str]:
    """Return the environment that `template.yaml` gives a function with these tables and settings."""
    limits = {
        "sign_in_account_and_address": choices.account_and_address,
        "sign_in_address": choices.address,
        "sign_in_account": choices.account,
        "registration": choices.registration,
        "code_tries": choices.code_tries,
        "reset": choices.reset,
        "mail_minute": choices.mail_minute,
        "mail_hour": choices.mail_hour,
        "mail_address": choices.mail_address,
    }
    sessions = {
        "access": choices.access_lifetime // SECOND,
        "refresh": choices.lifetime // SECOND,
        "days": choices.longest // timedelta(days=1),
        "grace": choices.grace // SECOND,
        "unconfirmed": choices.unconfirmed_grace // SECOND,
        "user_metadata": str(choices.user_metadata_in_tokens).lower(),
        "secure_password_change": str(choices.secure_password_change).lower(),
        "current_password": str(choices.require_current_password).lower(),
        "second_factor": choices.second_factor.value,
        "new_device_mail": str(choices.new_device_mail).lower(),
        "claims": "",
        "claims_failure": "503",
    }
    sign_ups = {
        "disabled": choices.sign_up_disabled,
        "anonymous": choices.anonymous_sign_ins,
        "autoconfirm": choices.autoconfirm,
        "linking": choices.manual_linking,
    }
    return {
        "USERS_TABLE": tables["Users"],
        "ORGANIZATIONS_TABLE": tables["Organizations"],
        "REFRESH_TOKEN_FAMILIES_TABLE": tables["RefreshTokenFamilies"],
        "ONE_TIME_CODES_TABLE": tables["OneTimeCodes"],
        "RATE_LIMITS_TABLE": tables["RateLimits"],
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "TOKEN_ALGORITHM": choices.algorithm.value,
        "SESSIONS": " ".join(f"{name}={number}" for name, number in sessions.items()),
        "LIMITS": " ".join(f"{name}={limit.attempts}/{limit.window // SECOND}" for name, limit in limits.items()),
        "PASSWORD_HASH_COST": str(choices.cost),
        "LINKS": f"confirmation_page={str(choices.confirmation_page).lower()} site={SITE} redirects={REDIRECTS}",
        "SIGN_UPS": " ".join(f"{name}={str(choice).lower()}" for name, choice in sign_ups.items()),
        "PASSWORD_MIN_LENGTH": "8",
        "PASSWORD_REQUIRED_CHARACTERS": choices.required_characters,
        "PRODUCT_NAME": "Toko",
        "INITIAL_CREDIT_BALANCE": "5000",
        "REQUIRE_VERIFIED_EMAIL": str(choices.unverified is UnverifiedAddress.REFUSED).lower(),
        "CAPTCHA": "provider=none secret= url=",
        "LEGACY_VERIFY": "url= secret= credit=5000",
        "PUBLISHABLE_KEY": "sb_publishable_tests",
        "MAIL_QUEUE_URL": "https://sqs.example.com/mail",
        "MAIL_SENDER": "no-reply@toko.example",
        "DEFAULT_LOCALE": choices.default_locale,
    }


class Deployment(Container):
    """The container of a deployment, with fakes for everything outside the process.

    `copy.replace` returns a copy with some of its parts replaced.
    """

    def __init__(
        self,
        *,
        store: Store,
        tables: Mapping[str, str],
        clock: FakeClock,
        new_id: Callable[[], str],
        new_number: Callable[[], int],
        log_event: RecordingLog,
        secret: SecretSource,
        choices: Choices = DEFAULTS,
        **more: Any,
    ) -> None:
        self.tables, self.choices = tables, choices
        self._parts: dict[str, Any] = {
            "store": store,
            "tables": tables,
            "clock": clock,
            "new_id": new_id,
            "new_number": new_number,
            "log_event": log_event,
            "secret": secret,
            "choices": choices,
            **more,
        }
        super().__init__(
            environment_of(tables, choices),
            store=store,
            now=clock,
            new_id=new_id,
            new_number=new_number,
            log_event=log_event,
            master_secret=secret,
            **more,
        )

    def __replace__(self, **changes: Any) -> Self:
        return type(self)(**self._parts | changes)

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.now, FakeClock)
        return self.now

    @property
    def secret(self) -> FakeSecret:
        assert isinstance(self.master_secret, FakeSecret)
        return self.master_secret

    @property
    def recorded(self) -> RecordingLog:
        """The events that were logged."""
        assert isinstance(self.log_event, RecordingLog)
        return self.log_event

    @cached_property
    @override
    def sessions(self) -> Sessions:
        """The container's service, except that a session's maximum length need not be whole days."""
        return replace(super().sessions, longest=self.choices.longest)

    def accepts(self, session: TokenPair) -> bool:
        """Return whether the tokens of a session are valid. Fails if only one of the two is."""
        accepted: list[bool] = []
        for read, token in (
            (self.tokens.read_access, session.access_token),
            (self.tokens.read_refresh, session.refresh_token),
        ):
            try:
                read(token, at=self.clock())
            except InvalidToken:
                accepted.append(False)
            else:
                accepted.append(True)
        [both] = set(accepted)
        return both

    @property
    def sign_in(self) -> PasswordSignIn:
        return self.password_sign_in

    def register(self, new: NewAccount = ALICE, *, user_id: str | None = None) -> User:
        """Register an account, optionally under a given id. The client address is used by no other test."""
        client = Client(address="203.0.113.200")
        registration = self.registration if user_id is None else replace(self.registration, new_id=lambda: user_id)
        return registration.register(new, client).signed_in.user


def by_email(email: str = ALICE.email, password: str = PASSWORD) -> Credentials:
    """Return credentials with an e-mail address in canonical form as the name."""
    return Credentials(name=Name.EMAIL, value=email, password=password)
