"""The container's basic parts: clock, database, tables, keys, sessions, passwords and limits.

The modules of a part are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from gerbang.core import init
from gerbang.core.clock import Clock, system_clock
from gerbang.core.identifiers import LARGEST_NUMBER
from gerbang.core.log import LogEvent, log_event
from gerbang.settings import Settings

if TYPE_CHECKING:
    from gerbang.limits.password_attempts import PasswordAttempts
    from gerbang.limits.rate_limits import Limit, RateLimits
    from gerbang.passwords.hashing import Passwords
    from gerbang.passwords.policy import PasswordPolicy
    from gerbang.sessions.api_keys import ApiKeys
    from gerbang.sessions.claims import ExtraClaims
    from gerbang.sessions.email_policy import UnverifiedAddress
    from gerbang.sessions.first_factor import FirstFactors
    from gerbang.sessions.keys import Keys, SecretSource
    from gerbang.sessions.own_sessions import OwnSessions
    from gerbang.sessions.rotation import Rotation
    from gerbang.sessions.sessions import Sessions
    from gerbang.sessions.sign_out import SignOut
    from gerbang.sessions.tokens import Tokens
    from gerbang.storage.counters import CounterTable
    from gerbang.storage.families import FamilyTable
    from gerbang.storage.mail_deliveries import MailDeliveryTable
    from gerbang.storage.one_time_codes import OneTimeCodeTable
    from gerbang.storage.organizations import OrganizationTable
    from gerbang.storage.store import Store
    from gerbang.storage.users import UserTable


class Components:
    """Makes the basic parts of one deployment, each once."""

    def __init__(self, environment: Mapping[str, str], **replacements: Any) -> None:
        """Take the environment, and replacements of properties by name: `Container(environment, store=fake)`.

        Raises:
            TypeError: there is no such property.
        """
        for name in replacements:
            if not hasattr(type(self), name):
                raise TypeError(f"a container has no {name}")
        self.settings: Final = Settings(environment)
        self.__dict__.update(replacements)

    # Clock, log, random values and AWS

    @cached_property
    def now(self) -> Clock:
        """The clock."""
        return system_clock

    @cached_property
    def log_event(self) -> LogEvent:
        """The log."""
        return log_event

    @cached_property
    def new_id(self) -> Callable[[], str]:
        """Makes random UUIDs, as text."""
        return lambda: str(uuid4())

    @cached_property
    def new_number(self) -> Callable[[], int]:
        """Makes random integer ids, 1 to 2^31 - 1."""
        return lambda: secrets.randbelow(LARGEST_NUMBER) + 1

    @cached_property
    def new_secret(self) -> Callable[[], str]:
        """Makes master secrets: 64 random letters and digits, 381 bits, like the first one of `template.yaml`."""
        return lambda: "".join(secrets.choice(ascii_letters + digits) for _ in range(64))

    @cached_property
    def random_bytes(self) -> Callable[[int], bytes]:
        """Makes random bytes of a given number."""
        return secrets.token_bytes

    @cached_property
    def new_key_pair(self) -> Callable[[], bytes]:
        """Makes RSA key pairs; imports cryptography when it does."""

        def new_key_pair() -> bytes:
            from gerbang.sessions.rsa_pair import new_key_pair

            return new_key_pair()

        return new_key_pair

    @cached_property
    def client(self) -> Callable[[str], Any]:
        """Returns the process's botocore client of an AWS service."""
        from gerbang.storage.clients import client

        return client

    @cached_property
    def store(self) -> "Store":
        """The database."""
        from gerbang.storage.dynamodb import DynamoStore

        return DynamoStore(self.client("dynamodb"))

    @cached_property
    def master_secret(self) -> "SecretSource":
        """Where the master secret is kept."""
        from gerbang.storage.secrets import Secret

        return Secret(lambda: self.client("secretsmanager"), self.settings.master_secret)

    # Tables

    @cached_property
    def users(self) -> "UserTable":
        """The table of accounts."""
        from gerbang.storage.users import UserTable

        return UserTable(self.store, self.settings.users_table)

    @cached_property
    def families(self) -> "FamilyTable":
        """The table of refresh-token families."""
        from gerbang.storage.families import FamilyTable

        return FamilyTable(self.store, self.settings.families_table)

    @cached_property
    def organization_table(self) -> "OrganizationTable":
        """The table of organizations."""
        from gerbang.storage.organizations import OrganizationTable

        return OrganizationTable(self.store, self.settings.organizations_table)

    @cached_property
    def codes(self) -> "OneTimeCodeTable":
        """The table of one-time codes and reset tokens."""
        from gerbang.storage.one_time_codes import OneTimeCodeTable

        return OneTimeCodeTable(self.store, self.settings.codes_table)

    @cached_property
    def mail_deliveries(self) -> "MailDeliveryTable":
        """Which mail jobs were delivered, in the table of one-time codes."""
        from gerbang.storage.mail_deliveries import MailDeliveryTable

        return MailDeliveryTable(self.store, self.settings.codes_table)

    @cached_property
    def counters(self) -> "CounterTable":
        """The table of rate limits."""
        from gerbang.storage.counters import CounterTable

        return CounterTable(self.store, self.settings.limits_table)

    # Keys, tokens and sessions

    @cached_property
    def keys(self) -> "Keys":
        """The keys that are derived from the master secret."""
        from gerbang.sessions.keys import Keys

        return Keys(self.master_secret, self.now)

    @cached_property
    def api_keys(self) -> "ApiKeys":
        """The deployment's API keys."""
        from gerbang.sessions.api_keys import ApiKeys
        from gerbang.storage.secrets import Secret

        secret = Secret(lambda: self.client("secretsmanager"), self.settings.secret_api_key)
        return ApiKeys(self.settings.publishable_key, secret, self.now)

    @cached_property
    def tokens(self) -> "Tokens":
        """Signs and reads tokens."""
        return self._tokens_with(self.keys)

    @cached_property
    def _tokens_with(self) -> Callable[["Keys"], "Tokens"]:
        """Returns `Tokens` with the given keys; the settings are read when this property is, in init."""
        from gerbang.sessions.keys import Algorithm

        algorithm = Algorithm(self.settings.token_algorithm)
        if algorithm is Algorithm.HS256:
            with init.hidden("cryptography"):  # 17 ms, a tenth of a start (docs/decisions/0013-init.md)
                import jwt  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from gerbang.sessions.tokens import Tokens

        tokens = partial(
            Tokens,
            issuer=self.settings.issuer,
            audience=self.settings.audience,
            algorithm=algorithm,
            access_lifetime=self.settings.access_token_lifetime,
            carries_user_metadata=self.settings.tokens_carry_user_metadata,
            new_id=self.new_id,
        )
        return lambda keys: tokens(keys=keys)

    @cached_property
    def unverified_address(self) -> "UnverifiedAddress":
        """Whether a password signs in before the address is verified."""
        from gerbang.sessions.email_policy import UnverifiedAddress

        return UnverifiedAddress.REFUSED if self.settings.requires_verified_email else UnverifiedAddress.ACCEPTED

    @cached_property
    def sessions(self) -> "Sessions":
        """Opens, refreshes, authenticates and closes sessions."""
        from gerbang.sessions.sessions import Sessions

        return Sessions(
            store=self.store,
            families=self.families,
            users=self.users,
            tokens=self.tokens,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            lifetime=self.settings.refresh_token_lifetime,
            longest=self.settings.longest_session,
            grace=self.settings.refresh_grace,
            unconfirmed_grace=self.settings.unconfirmed_grace,
            unverified=self.unverified_address,
            extra_claims=self.extra_claims,
        )

    @cached_property
    def first_factors(self) -> "FirstFactors":
        """Makes sign-ins wait for a second factor."""
        from gerbang.sessions.first_factor import FirstFactors

        return FirstFactors(self.keys, self.now)

    @cached_property
    def extra_claims(self) -> "ExtraClaims":
        """Returns the operator's own claims for access tokens."""
        if (arn := self.settings.claims_function) is None:
            from gerbang.sessions.claims import no_claims

            return no_claims
        from gerbang.sessions.claims_function import ClaimsFunction, OnFailure
        from gerbang.storage.functions import RemoteFunction

        function = RemoteFunction(lambda: self.client("lambda"), arn)
        on_failure = OnFailure(self.settings.claims_failure)
        return ClaimsFunction(invoke=function.invoke, on_failure=on_failure, log_event=self.log_event)

    @cached_property
    def sessions_with_role(self) -> "Sessions":
        """`sessions`, which also reads the role in the user's organization, for BotLaunch's clients."""
        return replace(self.sessions, read_role=self.organization_table.default_role)

    @cached_property
    def sign_out(self) -> "SignOut":
        """Ends sessions of a user."""
        from gerbang.sessions.sign_out import SignOut

        return SignOut(
            store=self.store, users=self.users, families=self.families, sessions=self.sessions, log_event=self.log_event
        )

    @cached_property
    def own_sessions(self) -> "OwnSessions":
        """Lists and ends sessions for their owners."""
        from gerbang.sessions.own_sessions import OwnSessions

        return OwnSessions(families=self.families, log_event=self.log_event, now=self.now)

    @cached_property
    def rotation(self) -> "Rotation":
        """Rotates the master secret."""
        from gerbang.sessions.rotation import Rotation
        from gerbang.storage.secret_versions import SecretVersionHistory

        return Rotation(
            history=SecretVersionHistory(lambda: self.client("secretsmanager"), self.settings.master_secret),
            new_secret=self.new_secret,
            new_key_pair=self.new_key_pair,
            tokens_with=self._tokens_with,
            log_event=self.log_event,
            now=self.now,
        )

    # Passwords and limits

    @cached_property
    def passwords(self) -> "Passwords":
        """Hashes and verifies passwords."""
        from gerbang.passwords.hashing import Passwords

        return Passwords(self.settings.password_hash_cost)

    @cached_property
    def password_policy(self) -> "PasswordPolicy":
        """The deployment's rules for new passwords."""
        from gerbang.passwords.policy import REQUIRED_CHARACTERS, PasswordPolicy, common_passwords

        init.preload(common_passwords)
        return PasswordPolicy(
            shortest=self.settings.shortest_password,
            requirements=REQUIRED_CHARACTERS[self.settings.required_characters],
            service_name=self.settings.product_name,
        )

    @cached_property
    def rate_limits(self) -> "RateLimits":
        """Counts attempts."""
        from gerbang.limits.rate_limits import RateLimits

        return RateLimits(self.counters, self.now, self.new_id, self.log_event)

    def limit(self, name: str) -> "Limit":
        """Return the limit of that name."""
        from gerbang.limits.rate_limits import Limit

        attempts, window = self.settings.limit(name)
        return Limit(name=name, attempts=attempts, window=window)

    @cached_property
    def password_attempts(self) -> "PasswordAttempts":
        """Counts attempts with a password, the same at every endpoint."""
        from gerbang.limits.password_attempts import PasswordAttempts, SignInLimits

        limits = SignInLimits(
            account_and_address=self.limit("sign_in_account_and_address"),
            address=self.limit("sign_in_address"),
            account=self.limit("sign_in_account"),
        )
        return PasswordAttempts(limits, self.rate_limits)
