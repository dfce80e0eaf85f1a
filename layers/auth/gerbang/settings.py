"""What an operator may choose, read once from the environment that `template.yaml` sets.

Nothing of the domain is imported here: every function reads all settings, and one that asks for a value of a domain
type has that type's module loaded. Nor are these dataclasses: to make one of thirty fields takes 2 ms of each start.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from os import environ
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gerbang.accounts.verification import UnverifiedAddress
    from gerbang.limits.rate_limits import Limit, SignInLimits
    from gerbang.mail.service import MailLimits
    from gerbang.sessions.keys import Algorithm

_LOWEST_COST_ANYWHERE: Final = 4
"""bcrypt's own floor. What may be deployed, 10 at least, is the template's to say; tests go lower."""

_ALGORITHMS: Final = frozenset({"HS256", "ES256"})
"""The values of `gerbang.sessions.keys.Algorithm`."""

_LIMITS: Final = (
    "LIMIT_SIGN_IN_ACCOUNT_AND_ADDRESS",
    "LIMIT_SIGN_IN_ADDRESS",
    "LIMIT_SIGN_IN_ACCOUNT",
    "LIMIT_REGISTRATION",
    "LIMIT_CODE_TRIES",
    "LIMIT_RESET",
    "LIMIT_MAIL_MINUTE",
    "LIMIT_MAIL_HOUR",
    "LIMIT_MAIL_ADDRESS",
)


class InvalidSettings(Exception):
    """The environment lacks settings or has wrong ones; the message names every one of them, without its value."""


class Settings:
    """The deployment's settings; none ever changes. Each is described beside its parameter in `template.yaml`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read the settings that the environment holds.

        Raises:
            InvalidSettings: some are missing or wrong; all of them are named.
        """
        read = _Reader(environment)
        self.users_table: Final = read.text("USERS_TABLE")
        self.organizations_table: Final = read.text("ORGANIZATIONS_TABLE")
        self.families_table: Final = read.text("REFRESH_TOKEN_FAMILIES_TABLE")
        self.codes_table: Final = read.text("ONE_TIME_CODES_TABLE")
        self.limits_table: Final = read.text("RATE_LIMITS_TABLE")
        self.master_secret: Final = read.text("MASTER_SECRET")
        """Name or ARN of the secret that every key is derived from."""
        self.issuer: Final = read.text("TOKEN_ISSUER")
        self.audience: Final = read.text("TOKEN_AUDIENCE")
        self._algorithm: Final = read.one_of("TOKEN_ALGORITHM", _ALGORITHMS)
        self.access_token_lifetime: Final = read.seconds("ACCESS_TOKEN_SECONDS")
        self.refresh_token_lifetime: Final = read.seconds("REFRESH_TOKEN_SECONDS")
        self.longest_session: Final = timedelta(days=read.number("SESSION_MAX_DAYS", least=1))
        self.refresh_grace: Final = read.seconds("REFRESH_GRACE_SECONDS")
        self.unconfirmed_grace: Final = read.seconds("UNCONFIRMED_GRACE_SECONDS") or self.refresh_token_lifetime
        self.password_hash_cost: Final = read.number("PASSWORD_HASH_COST", least=_LOWEST_COST_ANYWHERE)
        self.shortest_password: Final = read.number("PASSWORD_MIN_LENGTH", least=8)
        self.product_name: Final = read.text("PRODUCT_NAME")
        self.initial_credit_balance: Final = read.number("INITIAL_CREDIT_BALANCE")
        self._limits: Final = {name: read.limit(name) for name in _LIMITS}
        self._demands_proof: Final = read.flag("REQUIRE_VERIFIED_EMAIL")
        self.mail_queue_url: Final = read.text("MAIL_QUEUE_URL")
        self.publishable_key: Final = read.text("PUBLISHABLE_KEY")
        self.secret_api_key: Final = read.text("SECRET_API_KEY")
        """Name or ARN of the secret that holds the secret API key."""
        self.google_client_ids: Final = read.names("GOOGLE_CLIENT_IDS")
        """None, and nobody signs in by an ID token."""
        self.google_certs_url: Final = read.text("GOOGLE_CERTS_URL")
        read.done()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = environ) -> "Settings":
        """Return the settings that the environment holds.

        Raises:
            InvalidSettings: some are missing or wrong; all of them are named.
        """
        return cls(environment)

    @property
    def token_algorithm(self) -> "Algorithm":
        """How access tokens are signed."""
        from gerbang.sessions.keys import Algorithm  # noqa: PLC0415 - see the module's docstring

        return Algorithm(self._algorithm)

    @property
    def sign_in_limits(self) -> "SignInLimits":
        """How many wrong passwords there may be."""
        from gerbang.limits.rate_limits import SignInLimits  # noqa: PLC0415

        return SignInLimits(
            account_and_address=self._limit("LIMIT_SIGN_IN_ACCOUNT_AND_ADDRESS"),
            address=self._limit("LIMIT_SIGN_IN_ADDRESS"),
            account=self._limit("LIMIT_SIGN_IN_ACCOUNT"),
        )

    @property
    def registration_limit(self) -> "Limit":
        """How many accounts a client may make."""
        return self._limit("LIMIT_REGISTRATION")

    @property
    def code_tries(self) -> "Limit":
        """How many wrong one-time codes there may be."""
        return self._limit("LIMIT_CODE_TRIES")

    @property
    def reset_limit(self) -> "Limit":
        """How many wrong reset tokens there may be."""
        return self._limit("LIMIT_RESET")

    @property
    def mail_limits(self) -> "MailLimits":
        """How much mail may be asked for."""
        from gerbang.mail.service import MailLimits  # noqa: PLC0415

        return MailLimits(
            minute=self._limit("LIMIT_MAIL_MINUTE"),
            hour=self._limit("LIMIT_MAIL_HOUR"),
            client=self._limit("LIMIT_MAIL_ADDRESS"),
        )

    @property
    def unverified(self) -> "UnverifiedAddress":
        """Whether somebody may sign in with a password before their address is verified."""
        from gerbang.accounts.verification import UnverifiedAddress  # noqa: PLC0415

        return UnverifiedAddress.REFUSED if self._demands_proof else UnverifiedAddress.ACCEPTED

    def _limit(self, name: str) -> "Limit":
        from gerbang.limits.rate_limits import Limit  # noqa: PLC0415

        attempts, window = self._limits[name]
        return Limit(name=name, attempts=attempts, window=window)


class MailerSettings:
    """What only who sends mail needs to know; none ever changes."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read the settings that the environment holds.

        Raises:
            InvalidSettings: some are missing; all of them are named.
        """
        read = _Reader(environment)
        self.product_name: Final = read.text("PRODUCT_NAME")
        self.sender_address: Final = read.text("MAIL_SENDER")
        self.sender_name: Final = read.optional("MAIL_SENDER_NAME")
        self.reply_to: Final = read.optional("MAIL_REPLY_TO")
        self.password_reset_url: Final = read.optional("PASSWORD_RESET_URL")
        self.configuration_set: Final = read.optional("SES_CONFIGURATION_SET")
        self.default_locale: Final = read.text("DEFAULT_LOCALE")
        read.done()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = environ) -> "MailerSettings":
        """Return the settings that the environment holds.

        Raises:
            InvalidSettings: some are missing; all of them are named.
        """
        return cls(environment)


class _Reader:
    """Reads settings and remembers what was wrong with them, so that all is named at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._wrong: list[str] = []

    def text(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            self._wrong.append(f"{name} is missing")
        return value

    def optional(self, name: str) -> str | None:
        return self._environment.get(name) or None

    def names(self, name: str) -> frozenset[str]:
        """Read names separated by commas; none is an empty set."""
        return frozenset(text.strip() for text in self._environment.get(name, "").split(",") if text.strip())

    def one_of(self, name: str, allowed: Collection[str]) -> str:
        value = self.text(name)
        if value and value not in allowed:
            self._wrong.append(f"{name} is wrong")
        return value

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text not in {"true", "false"}:
            self._wrong.append(f"{name} is neither true nor false")
        return text == "true"

    def parsed[T](self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        try:
            return parse(self.text(name))
        except ValueError:
            if self._environment.get(name):
                self._wrong.append(f"{name} is wrong")
            return otherwise

    def number(self, name: str, *, least: int = 0) -> int:
        number = self.parsed(name, int, least)
        if number < least:
            self._wrong.append(f"{name} is below {least}")
        return number

    def seconds(self, name: str) -> timedelta:
        return timedelta(seconds=self.number(name))

    def limit(self, name: str) -> tuple[int, timedelta]:
        """Read `attempts/seconds`, such as `10/900`."""
        attempts, _, seconds = self.text(name).partition("/")
        if attempts.isdecimal() and seconds.isdecimal() and int(attempts) and int(seconds):
            return int(attempts), timedelta(seconds=int(seconds))
        self._wrong.append(f"{name} is not attempts/seconds")
        return 1, timedelta(seconds=1)

    def done(self) -> None:
        if self._wrong:
            raise InvalidSettings("; ".join(self._wrong))
