"""gerbang.settings: read once, and whatever is missing or wrong is named, all of it, without its value."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import override

import pytest
from gerbang.accounts.verification import UnverifiedAddress
from gerbang.limits.rate_limits import Limit
from gerbang.mail.settings import MailSettings
from gerbang.sessions.keys import Algorithm
from gerbang.settings import InvalidSettings, MailerSettings, Settings
from gerbang_local.stack import PSEUDO_PARAMETERS
from gerbang_local.template import References, Resolver, Template, TemplateError, chosen_parameters

from tests.dynamodb_local import ROOT

OPTIONAL = {"GOOGLE_CLIENT_IDS"}
NUMBERS = {
    "ACCESS_TOKEN_SECONDS",
    "REFRESH_TOKEN_SECONDS",
    "SESSION_MAX_DAYS",
    "REFRESH_GRACE_SECONDS",
    "UNCONFIRMED_GRACE_SECONDS",
    "PASSWORD_HASH_COST",
    "PASSWORD_MIN_LENGTH",
    "INITIAL_CREDIT_BALANCE",
}


class Watched(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.asked: set[str] = set()

    @override
    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._environment[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    @override
    def __len__(self) -> int:
        return len(self._environment)


def environment_of(handler_folder: str) -> dict[str, str]:
    """The environment that template.yaml, with its defaults, gives a function."""
    template = Template.parse((ROOT / "template.yaml").read_text())
    resolver = Resolver(
        template=template,
        parameters=chosen_parameters(template, {}),
        pseudo_parameters=PSEUDO_PARAMETERS,
        references=lambda logical_id: References(ref=logical_id, attributes=defaultdict(lambda: "attribute")),
    )
    for resource in resolver.active_resources():
        if resource.properties.get("CodeUri") == handler_folder:
            variables = resolver.resolve(resource.properties["Environment"]["Variables"])
            return {name: str(value) for name, value in variables.items()}
    raise LookupError(handler_folder)


@pytest.fixture(scope="module")
def templates_defaults() -> dict[str, str]:
    return environment_of("functions/api/auth/login")


@pytest.fixture
def environment(templates_defaults: dict[str, str]) -> dict[str, str]:
    return dict(templates_defaults)


def problems(
    environment: Mapping[str, str], read: Callable[[Mapping[str, str]], object] = Settings.from_environment
) -> str:
    with pytest.raises(InvalidSettings) as caught:
        read(environment)
    return str(caught.value)


def test_the_templates_defaults_are_what_the_design_says(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)

    assert settings.users_table == "Users"
    assert settings.master_secret == "MasterSecret"
    assert settings.token_algorithm is Algorithm.HS256
    assert settings.access_token_lifetime == timedelta(hours=1)
    assert settings.refresh_token_lifetime == timedelta(days=7)
    assert settings.longest_session == timedelta(days=90)
    assert settings.refresh_grace == timedelta(seconds=30)
    assert settings.password_hash_cost == 12
    assert settings.shortest_password == 8
    assert settings.unverified is UnverifiedAddress.ACCEPTED
    limits = settings.sign_in_limits
    minutes, hour = timedelta(minutes=15), timedelta(hours=1)
    assert (limits.account_and_address.attempts, limits.account_and_address.window) == (10, minutes)
    assert (limits.address.attempts, limits.address.window) == (100, minutes)
    assert (limits.account.attempts, limits.account.window) == (50, hour)
    assert (settings.registration_limit.attempts, settings.registration_limit.window) == (30, hour)


def test_the_mailers_defaults_are_settings_too() -> None:
    settings = MailerSettings.from_environment({**environment_of("functions/mailer"), "MAIL_SENDER": "a@example.com"})

    assert settings.default_locale == "en"


@pytest.mark.parametrize(
    "origins", ["app.example.com", "https://app.example.com/", "https://a.example,b.example", "https://a.example;x", ""]
)
def test_what_no_browser_calls_an_origin_is_refused_when_it_is_chosen(origins: str) -> None:
    """Deployed, it would let no page in, and nobody would be told (security.md 146)."""
    template = Template.parse((ROOT / "template.yaml").read_text())

    with pytest.raises(TemplateError, match="CorsAllowOrigins must be"):
        chosen_parameters(template, {"CorsAllowOrigins": origins})


@pytest.mark.parametrize(
    "origins",
    ["*", "https://a.example", "http://localhost:5173, https://*", "capacitor://localhost,https://a.example:8443"],
)
def test_origins_can_be_chosen(origins: str) -> None:
    template = Template.parse((ROOT / "template.yaml").read_text())

    assert chosen_parameters(template, {"CorsAllowOrigins": origins})["CorsAllowOrigins"] == [
        origin.strip() for origin in origins.split(",")
    ]


@pytest.mark.parametrize(
    "page",
    [
        "app.example.com/reset",
        "http://app.example.com/reset",
        "http://localhost.evil.example/reset",
        "javascript:alert(1)",
        "https://",
        "https://app.example.com/#/reset",
        "https://app.example.com/re set",
        "https://app.example.com/reset\n",
    ],
)
def test_a_page_for_reset_tokens_that_the_mailer_would_refuse_is_refused_when_it_is_chosen(page: str) -> None:
    """Deployed, it would stop every mail (security.md 56)."""
    template = Template.parse((ROOT / "template.yaml").read_text())

    with pytest.raises(TemplateError, match="PasswordResetUrl must be"):
        chosen_parameters(template, {"PasswordResetUrl": page})


@pytest.mark.parametrize(
    "page",
    [
        "",
        "https://app.example.com/reset?lang=id",
        "https://app.example.com/reset?token={token}",
        "https://app.example.com/#/reset/{token}/go",
        "http://localhost:5173/reset",
        "http://127.0.0.1/reset#{token}",
    ],
)
def test_a_page_for_reset_tokens_that_the_mailer_takes_can_be_chosen(page: str) -> None:
    template = Template.parse((ROOT / "template.yaml").read_text())

    assert chosen_parameters(template, {"PasswordResetUrl": page})["PasswordResetUrl"] == page
    MailSettings(product_name="Tram", sender_address="no-reply@example.com", password_reset_url=page or None)


def test_every_setting_that_is_missing_is_named(environment: dict[str, str]) -> None:
    watched = Watched(environment)
    Settings.from_environment(watched)
    needed = watched.asked - OPTIONAL
    assert len(needed) > 20

    for name in needed:
        without = {other: value for other, value in environment.items() if other != name}
        assert f"{name} is missing" in problems(without)
        assert f"{name} is missing" in problems({**environment, name: ""})


def test_all_that_is_missing_is_named_at_once(environment: dict[str, str]) -> None:
    watched = Watched(environment)
    Settings.from_environment(watched)

    said = problems({})

    assert all(f"{name} is missing" in said for name in watched.asked - OPTIONAL)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_number_that_is_none_or_out_of_range_is_named_without_its_value(
    environment: dict[str, str], name: str
) -> None:
    for wrong in ("seven", "7.5", "-77123", "0x77", "77 seconds"):
        said = problems({**environment, name: wrong})
        assert name in said
        assert wrong not in said


@pytest.mark.parametrize(
    "wrong", ["10", "10/", "/900", "0/900", "10/0", "-1/900", "10/900s", "10 / 900", "ten/900", "²/900"]
)
def test_a_limit_is_attempts_in_seconds(environment: dict[str, str], wrong: str) -> None:
    names = [name for name in environment if name.startswith("LIMIT_")]
    assert len(names) >= 4

    said = problems(environment | dict.fromkeys(names, wrong))

    assert all(name in said for name in names)


def test_a_limit_is_read_with_its_name(environment: dict[str, str]) -> None:
    settings = Settings.from_environment({**environment, "LIMIT_REGISTRATION": "3/60"})

    assert settings.registration_limit == Limit(name="LIMIT_REGISTRATION", attempts=3, window=timedelta(minutes=1))


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256", "hs256", "HS256 "])
def test_only_an_algorithm_that_is_known_is_taken(environment: dict[str, str], algorithm: str) -> None:
    assert "TOKEN_ALGORITHM is wrong" in problems({**environment, "TOKEN_ALGORITHM": algorithm})
    assert Settings.from_environment({**environment, "TOKEN_ALGORITHM": "ES256"}).token_algorithm is Algorithm.ES256


@pytest.mark.parametrize("text", ["yes", "True", "1", "on"])
def test_a_choice_is_true_or_false(environment: dict[str, str], text: str) -> None:
    assert "REQUIRE_VERIFIED_EMAIL" in problems({**environment, "REQUIRE_VERIFIED_EMAIL": text})
    chosen = Settings.from_environment({**environment, "REQUIRE_VERIFIED_EMAIL": "true"})
    assert chosen.unverified is UnverifiedAddress.REFUSED


def test_everything_that_is_wrong_is_named_at_once(environment: dict[str, str]) -> None:
    wrong = {"TOKEN_ALGORITHM": "none", "SESSION_MAX_DAYS": "0", "LIMIT_REGISTRATION": "lots", "USERS_TABLE": ""}

    said = problems(environment | wrong)

    assert all(name in said for name in wrong)


def test_without_a_bound_of_its_own_an_unused_successor_is_forgiven_for_a_tokens_lifetime(
    environment: dict[str, str],
) -> None:
    lifetime = Settings.from_environment({**environment, "UNCONFIRMED_GRACE_SECONDS": "0"}).unconfirmed_grace
    bounded = Settings.from_environment({**environment, "UNCONFIRMED_GRACE_SECONDS": "60"}).unconfirmed_grace

    assert (lifetime, bounded) == (timedelta(days=7), timedelta(minutes=1))


def test_no_queue_means_that_mail_is_delivered_in_line(environment: dict[str, str]) -> None:
    assert Settings.from_environment({**environment, "MAIL_QUEUE_URL": "https://q"}).mail_queue_url == "https://q"


def test_what_the_mailer_lacks_is_named() -> None:
    said = problems({}, MailerSettings.from_environment)

    assert all(f"{name} is missing" in said for name in ("PRODUCT_NAME", "MAIL_SENDER", "DEFAULT_LOCALE"))
    assert "MAIL_REPLY_TO" not in said
