"""The handlers of functions on a deployment in memory with low limits, for tests that send whole requests."""

from collections import Counter
from collections.abc import Callable, Mapping
from copy import replace
from datetime import timedelta
from typing import Any, Final

from gerbang.accounts.id_tokens import IdTokens
from gerbang.accounts.identity_sign_in import GOOGLE
from gerbang.accounts.live_migration import LiveMigration, OldUser
from gerbang.accounts.provider_identity import ProviderIdentity
from gerbang.container import Container
from gerbang.core.init import LambdaHandler
from gerbang.http.endpoint import Endpoint
from gerbang.http.request import Request
from gerbang.limits.rate_limits import Limit
from gerbang.sessions.api_keys import ApiKeys
from gerbang.storage.store import Item
from gerbang_local.declarations import function_in, without_aws

from tests.deployment import PASSWORD, Choices
from tests.fakes import FakeSecretText, MemoryStore
from tests.unit.mail_deployment import MailDeployment, new_app

type Event = dict[str, Any]
type Answer = dict[str, Any]

PUBLISHABLE_KEY: Final = "sb_publishable_tests"
SECRET_KEY: Final = "sb_secret_tests"

OLD_USER: Final = "mira@example.com"
"""The address of the one user of the old system (`LegacyVerifyUrl`)."""

LOW_LIMIT: Final = 3
"""The number of attempts of every limit that would otherwise take a test long to reach."""


def _limit(name: str) -> Limit:
    return Limit(name=name, attempts=LOW_LIMIT, window=timedelta(hours=1))


LOW_LIMITS: Final = Choices(
    account_and_address=_limit("sign_in_account_and_address"),
    registration=_limit("registration"),
    code_tries=_limit("code_tries"),
    reset=_limit("reset"),
    mail_hour=_limit("mail_hour"),
    mail_address=_limit("mail_address"),
    new_device_mail=True,
)

LOWEST_LIMITS: Final = replace(LOW_LIMITS, address=_limit("sign_in_address"), account=_limit("sign_in_account"))
"""Every limit low. Half of a limit is never given back (`Counted.far`), which hides that one attempt leaks."""


class TrustingVerifier:
    """Accepts any text as the ID token of the subject with that name. tests/unit/oidc/ tests real tokens."""

    def verify(self, id_token: str, **_more: str | None) -> ProviderIdentity:
        return self.verify_with_any_nonce(id_token)

    def verify_with_any_nonce(self, id_token: str) -> ProviderIdentity:
        return ProviderIdentity(
            provider="google",
            issuer="https://accounts.google.com",
            subject=id_token,
            email=f"{id_token}@example.com",
            email_verified=True,
            name="Dan",
        )


class OldSystem:
    """The system that users are migrated from. It has one user, with the tests' password."""

    def verify(self, email: str, password: str) -> OldUser | None:
        return OldUser(name="Mira", email_verified=True) if (email, password) == (OLD_USER, PASSWORD) else None


def deployment_with_low_limits(choices: Choices = LOW_LIMITS) -> MailDeployment:
    """A new deployment in memory, the same every time."""
    app = new_app()
    base = replace(
        app.base,
        choices=choices,
        client=without_aws,
        api_keys=ApiKeys(PUBLISHABLE_KEY, FakeSecretText(SECRET_KEY), app.base.clock),
        google_verifier=TrustingVerifier(),
        id_tokens=IdTokens({GOOGLE: TrustingVerifier()}),  # type: ignore[dict-item]
    )
    return replace(app, base=base)


def handler_of(folder: str, container: Container) -> LambdaHandler:
    """The handler of the function in a folder below `functions`, with the services of a container."""
    handler: LambdaHandler = function_in(folder).load(container).handler
    return handler


def environment(folder: str, app: MailDeployment) -> Callable[[Event], Answer]:
    """A new execution environment of a function, which can ask the old system for users."""
    base = app.base
    live_migration = LiveMigration(
        verifier=OldSystem(),
        creation=base.user_creation,
        users=base.users,
        log_event=base.log_event,
        new_id=base.new_id,
    )
    handler = handler_of(folder, replace(base, live_migration=live_migration))
    return lambda event: handler(event, None)


def operation(folder: str, event: Event) -> str:
    """The name of the operation that a request to a function asks for."""
    return _endpoint(folder).find(Request.from_event(event)).run.__name__


def operations(folder: str) -> frozenset[str]:
    """The names of the operations that a function declares."""
    return frozenset(operation.run.__name__ for operation in _endpoint(folder).operations)


def _endpoint(folder: str) -> Endpoint:
    endpoint: Endpoint = function_in(folder).load(deployment_with_low_limits().base).endpoint
    return endpoint


def items(app: MailDeployment, table: str) -> list[Item]:
    """Every item of a table."""
    store = app.base.store
    assert isinstance(store, MemoryStore)
    return store.items(app.base.tables[table])


def attempts_by_limit(app: MailDeployment) -> Mapping[str, int]:
    """The attempts that are counted at each limit, added up."""
    attempts = Counter[str]()
    for item in items(app, "RateLimits"):
        attempts[str(item["pk"]).partition("#")[0]] += int(item.get("attempts", 0))
    return {limit: number for limit, number in attempts.items() if number}
