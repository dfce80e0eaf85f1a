"""gerbang.settings: each setting is read and checked when it is used; errors name it without its value.

That every function receives the settings that it reads: tests/test_endpoints.py.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from gerbang.mail.settings import MailSettings
from gerbang.provider_settings import InvalidSettings, OidcProvider
from gerbang.settings import Settings
from gerbang_local.declarations import functions, template
from gerbang_local.template import TemplateError, chosen_parameters

ENVIRONMENT: Final = {
    name: value for function in functions().values() for name, value in function.environment().items()
}
"""The environment variables of all functions in `template.yaml`, at their defaults."""

OPTIONAL: Final[dict[str, object]] = {
    "google_client_ids": frozenset(),
    "required_characters": "",
    "oidc_providers": (),
    "mail_sender_name": None,
    "mail_reply_to": None,
    "password_reset_url": None,
    "invitation_url": None,
    "ses_configuration_set": None,
}
"""Settings that may be missing, and their defaults."""

SETTINGS: Final = sorted(name for name, member in vars(Settings).items() if isinstance(member, property))


def read(name: str, /, **changed: str) -> Any:
    """Read a setting from the template's defaults with some variables changed."""
    return getattr(Settings(ENVIRONMENT | changed), name)


def error_message(setting: Callable[[], object]) -> str:
    """Return the message of the error that a setting raises."""
    with pytest.raises(InvalidSettings) as caught:
        setting()
    return str(caught.value)


def test_the_template_has_the_documented_defaults() -> None:
    settings = Settings(ENVIRONMENT)

    assert settings.users_table == "Users"
    assert settings.master_secret == "MasterSecret"
    assert settings.token_algorithm == "HS256"
    assert settings.access_token_lifetime == timedelta(hours=1)
    assert settings.refresh_token_lifetime == timedelta(days=7)
    assert settings.longest_session == timedelta(days=90)
    assert settings.refresh_grace == timedelta(seconds=30)
    assert settings.password_hash_cost == 12
    assert settings.shortest_password == 8
    assert settings.requires_verified_email is False
    assert settings.default_locale == "en"


@pytest.mark.parametrize(
    ("name", "attempts", "window"),
    [
        ("sign_in_account_and_address", 10, timedelta(minutes=15)),
        ("sign_in_address", 100, timedelta(minutes=15)),
        ("sign_in_account", 50, timedelta(hours=1)),
        ("registration", 30, timedelta(hours=1)),
        ("code_tries", 5, timedelta(hours=1)),
        ("reset", 30, timedelta(hours=1)),
        ("mail_minute", 1, timedelta(minutes=1)),
        ("mail_hour", 5, timedelta(hours=1)),
        ("mail_address", 30, timedelta(hours=1)),
    ],
)
def test_the_template_has_the_documented_limits(name: str, attempts: int, window: timedelta) -> None:
    assert Settings(ENVIRONMENT).limit(name) == (attempts, window)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_error_names_a_missing_setting_when_it_is_read(name: str) -> None:
    settings = Settings({})

    if name in OPTIONAL:
        assert getattr(settings, name) == OPTIONAL[name]
    else:
        said = error_message(lambda: getattr(settings, name))
        assert said.partition(" ")[0] in ENVIRONMENT
        assert said.endswith(" is missing")
        read(name)  # at the template's default


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("password_hash_cost", "PASSWORD_HASH_COST"),
        ("shortest_password", "PASSWORD_MIN_LENGTH"),
        ("initial_credit_balance", "INITIAL_CREDIT_BALANCE"),
    ],
)
@pytest.mark.parametrize("wrong", ["seven", "7.5", "-77123", "0x77", "77 seconds", "\u0667\u0667"])
def test_the_error_names_an_invalid_number_without_its_value(name: str, variable: str, wrong: str) -> None:
    said = error_message(lambda: read(name, **{variable: wrong}))

    assert variable in said
    assert wrong not in said


@pytest.mark.parametrize(
    ("name", "variable", "below"),
    [("password_hash_cost", "PASSWORD_HASH_COST", "3"), ("shortest_password", "PASSWORD_MIN_LENGTH", "7")],
)
def test_the_error_names_a_number_that_is_too_small(name: str, variable: str, below: str) -> None:
    assert variable in error_message(lambda: read(name, **{variable: below}))


LIFETIMES: Final = {
    "access_token_lifetime": "access",
    "refresh_token_lifetime": "refresh",
    "longest_session": "days",
    "refresh_grace": "grace",
    "unconfirmed_grace": "unconfirmed",
}


@pytest.mark.parametrize("name", LIFETIMES)
@pytest.mark.parametrize("wrong", ["", "seven", "7.5", "-7", "\u0667"])
def test_the_error_names_an_invalid_lifetime_without_its_value(name: str, wrong: str) -> None:
    sessions = " ".join(f"{entry}={wrong if entry == LIFETIMES[name] else 7}" for entry in LIFETIMES.values())

    said = error_message(lambda: read(name, SESSIONS=sessions))

    assert said == f"SESSIONS has no {LIFETIMES[name]}=number"


def test_lifetimes_are_in_seconds_and_the_longest_session_in_days() -> None:
    sessions = " ".join(f"{entry}=7" for entry in LIFETIMES.values())

    assert [read(name, SESSIONS=sessions) for name in LIFETIMES] == [
        timedelta(days=7) if name == "longest_session" else timedelta(seconds=7) for name in LIFETIMES
    ]


def test_the_grace_for_unused_successors_is_the_refresh_lifetime_by_default() -> None:
    assert read("unconfirmed_grace", SESSIONS="refresh=60 unconfirmed=0") == timedelta(minutes=1)
    assert read("unconfirmed_grace", SESSIONS="refresh=60 unconfirmed=5") == timedelta(seconds=5)


def test_the_claims_function_is_optional() -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:claims"

    assert read("claims_function", SESSIONS="claims= claims_failure=503") is None
    assert read("claims_function", SESSIONS="access=60") is None  # while a deployment is being updated
    assert read("claims_function", SESSIONS=f"claims={arn} claims_failure=503") == arn
    assert read("claims_failure", SESSIONS=f"claims={arn} claims_failure=without") == "without"
    assert "claims_failure=503" in error_message(lambda: read("claims_failure", SESSIONS="claims_failure=500"))


@pytest.mark.parametrize(
    "wrong", ["", "10", "10/", "/900", "0/900", "10/0", "-1/900", "10/900s", "10 / 900", "ten/900", "\u00b2/900"]
)
def test_a_limit_is_attempts_per_seconds(wrong: str) -> None:
    settings = Settings({"LIMITS": f"registration=3/60 reset={wrong}"})

    assert error_message(lambda: settings.limit("reset")) == "LIMITS has no reset=attempts/seconds"
    assert error_message(lambda: settings.limit("unknown")) == "LIMITS has no unknown=attempts/seconds"
    assert settings.limit("registration") == (3, timedelta(minutes=1))


@pytest.mark.parametrize("algorithm", ["none", "HS512", "hs256", "HS256 "])
def test_an_unknown_algorithm_is_an_error(algorithm: str) -> None:
    said = error_message(lambda: read("token_algorithm", TOKEN_ALGORITHM=algorithm))

    assert said.startswith("TOKEN_ALGORITHM must be one of HS256, ")
    assert read("token_algorithm", TOKEN_ALGORITHM="ES256") == "ES256"


@pytest.mark.parametrize("text", ["yes", "True", "1", "on"])
def test_a_boolean_setting_is_true_or_false(text: str) -> None:
    assert "REQUIRE_VERIFIED_EMAIL" in error_message(
        lambda: read("requires_verified_email", REQUIRE_VERIFIED_EMAIL=text)
    )
    assert read("requires_verified_email", REQUIRE_VERIFIED_EMAIL="true") is True


def test_client_ids_are_separated_by_commas() -> None:
    assert read("google_client_ids", GOOGLE_CLIENT_IDS="one.apps, two.apps,") == {"one.apps", "two.apps"}


# OpenID providers

APPLE: Final = "apple=https://appleid.apple.com|com.example.app"
ODD_PROVIDERS: Final = {
    "=https://id.example|web": "the name must be",
    "https://id.example|web": "the name must be",
    "Apple=https://id.example|web": "the name must be",
    "ap#ple=https://id.example|web": "the name must be",
    "custom:=https://id.example|web": "the name must be",
    "shop:x=https://id.example|web": "the name must be",
    "\u00e4pple=https://id.example|web": "the name must be",
    f"{'a' * 33}=https://id.example|web": "the name must be",
    "google=https://accounts.google.com|web": "GOOGLE_CLIENT_IDS",
    "email=https://id.example|web": "another meaning",
    "x=": "the issuer must be",
    "x": "the issuer must be",
    "x=web": "the issuer must be",
    "x=|web": "the issuer must be",
    "x=https://|web": "the issuer must be",
    "x=http://id.example|web": "the issuer must be",
    "x=http://localhost.evil.example|web": "the issuer must be",
    "x=http://127.0.0.1@evil.example|web": "the issuer must be",
    "x=https://user@id.example|web": "the issuer must be",
    "x=https://id.example?a=b|web": "the issuer must be",
    "x=https://id.example/#a|web": "the issuer must be",
    "x=https://login.microsoftonline.com/{tenantid}/v2.0|web": "the issuer must be",
    "x=https://\u00efd.example|web": "the issuer must be",
    "x=https://id.example,https://b.example|web": "the issuer must be",
    "x=https://id.example": "there must be client ids",
    "x=https://id.example|": "there must be client ids",
    "x=https://id.example|,": "there must be client ids",
    "x=https://id.example|web,": "there must be client ids",
    "x=https://id.example|web|ios": "there must be client ids",
    "x=https://id.example|web;ios": "there must be client ids",
    "x=https://id.example|w\u00e9b": "there must be client ids",
}


def test_openid_providers_have_a_name_an_issuer_and_client_ids() -> None:
    text = f" {APPLE}  keycloak=https://id.example/realms/x|web,ios custom:shop=http://127.0.0.1:3000/a_b/|urn:shop "

    assert read("oidc_providers", OIDC_PROVIDERS=text) == (
        OidcProvider(name="apple", issuer="https://appleid.apple.com", client_ids=frozenset({"com.example.app"})),
        OidcProvider(name="keycloak", issuer="https://id.example/realms/x", client_ids=frozenset({"web", "ios"})),
        OidcProvider(name="custom:shop", issuer="http://127.0.0.1:3000/a_b/", client_ids=frozenset({"urn:shop"})),
    )


@pytest.mark.parametrize(("entry", "what"), ODD_PROVIDERS.items())
def test_the_error_describes_an_invalid_provider_without_its_value(entry: str, what: str) -> None:
    said = error_message(lambda: read("oidc_providers", OIDC_PROVIDERS=f"{APPLE} {entry}"))

    assert said.startswith("OIDC_PROVIDERS, entry 2: ")
    assert what in said
    assert entry not in said


@pytest.mark.parametrize(
    ("entry", "what"), [("apple=https://id.example|web", "name"), ("x=https://appleid.apple.com|web", "issuer")]
)
def test_two_providers_with_the_same_name_or_issuer_are_an_error(entry: str, what: str) -> None:
    said = error_message(lambda: read("oidc_providers", OIDC_PROVIDERS=f"{APPLE} {entry}"))

    assert said == f"OIDC_PROVIDERS has two entries with the same {what}"


# Values that the template accepts


@pytest.mark.parametrize(
    "providers",
    [
        "",
        APPLE,
        f"{APPLE} keycloak=https://id.example/realms/x|web,ios",
        "custom:shop=http://127.0.0.1:3000/_local/oidc|web",
        "azure=https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0|6731de76-14a6-49ae",
    ],
)
def test_the_template_accepts_valid_providers(providers: str) -> None:
    assert chosen_parameters(template(), {"OidcProviders": providers})["OidcProviders"] == providers
    read("oidc_providers", OIDC_PROVIDERS=providers)


@pytest.mark.parametrize(
    "providers",
    [*(entry for entry in ODD_PROVIDERS if not entry.startswith(("google=", "email="))), f"{APPLE},{APPLE}"],
)
def test_the_template_rejects_invalid_providers(providers: str) -> None:
    with pytest.raises(TemplateError, match="OidcProviders must be"):
        chosen_parameters(template(), {"OidcProviders": providers})


@pytest.mark.covers("146")
@pytest.mark.parametrize(
    "origins", ["app.example.com", "https://app.example.com/", "https://a.example,b.example", "https://a.example;x", ""]
)
def test_the_template_rejects_invalid_origins(origins: str) -> None:
    """Deployed, it would block every page without an error."""
    with pytest.raises(TemplateError, match="CorsAllowOrigins must be"):
        chosen_parameters(template(), {"CorsAllowOrigins": origins})


@pytest.mark.parametrize(
    "origins",
    ["*", "https://a.example", "http://localhost:5173, https://*", "capacitor://localhost,https://a.example:8443"],
)
def test_the_template_accepts_valid_origins(origins: str) -> None:
    assert chosen_parameters(template(), {"CorsAllowOrigins": origins})["CorsAllowOrigins"] == [
        origin.strip() for origin in origins.split(",")
    ]


@pytest.mark.covers("56")
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
def test_the_template_rejects_invalid_password_reset_urls(page: str) -> None:
    """Deployed, no mail could be sent."""
    with pytest.raises(TemplateError, match="PasswordResetUrl must be"):
        chosen_parameters(template(), {"PasswordResetUrl": page})


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
def test_the_template_accepts_valid_password_reset_urls(page: str) -> None:
    assert chosen_parameters(template(), {"PasswordResetUrl": page})["PasswordResetUrl"] == page
    MailSettings(product_name="Tram", sender_address="no-reply@example.com", password_reset_url=page or None)
