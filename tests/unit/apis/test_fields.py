"""gerbang.apis.fields and the request models: how names, user names, addresses and passwords are read."""

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from gerbang.apis import snapotp
from gerbang.apis.atourin import requests as atourin_requests
from gerbang.apis.botlaunch import requests as botlaunch_requests
from gerbang.apis.fields import LONGEST_NAME, PASSWORD_POLICY, Body, as_name, clean_name
from gerbang.apis.gotrue import requests as gotrue_requests
from gerbang.apis.snapotp import requests as snapotp_requests
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import FieldError
from gerbang.http.request import InvalidFields
from gerbang.passwords.policy import PasswordPolicy
from gerbang_local.declarations import function_in, modules, operations
from hypothesis import example, given
from hypothesis import strategies as st

from tests.deployment import ALICE, PASSWORD, Deployment
from tests.gateway_events import body_of, http_event, json_event
from tests.unit.combining_marks import MARKS, is_quicker_than_normalising
from tests.unit.handlers import handler_of
from tests.unit.mail_deployment import with_mail

POLICY: Final = {PASSWORD_POLICY: PasswordPolicy()}
PERSON: Final = {"username": "johndoe", "email": "john@example.com", "password": PASSWORD, "name": "John Doe"}
REGISTRATIONS: Final = (
    botlaunch_requests.RegisterRequest,
    snapotp_requests.RegisterRequest,
    atourin_requests.RegisterRequest,
)
for_every_registration = pytest.mark.parametrize(
    "model", REGISTRATIONS, ids=[model.__module__ for model in REGISTRATIONS]
)


def read_registration[B: Body](model: type[B], **changed: object) -> B:
    """Read a registration with some fields changed."""
    return model.read({**PERSON, **changed}, POLICY)


def errors_of(model: type[Body], **changed: object) -> tuple[FieldError, ...]:
    """Return the errors of a registration."""
    with pytest.raises(InvalidFields) as caught:
        read_registration(model, **changed)
    return caught.value.field_errors


# Names


@for_every_registration
@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "\t\n", "x" * 201, "a\0b", "a\nb", "a\u2028b", "a\x1b[31m", 7, None, ["a"]),
        *("\u200b", "\u3164", "\u2800", "\u115f\u1160", "\uffa0", "\u200b \u2800", "\u202e\u200b\ufeff", "\u0301"),
    ],
    ids=ascii,
)
def test_a_name_needs_one_to_two_hundred_characters_and_a_visible_one(model: type[Body], name: object) -> None:
    assert [error.field for error in errors_of(model, name=name)] == ["name"]


@pytest.mark.parametrize(
    "name",
    [
        "A",
        "x" * 200,
        "Zoë Ångström",
        "O'Brien <b>",
        "\U0001f469\u200d\U0001f680",
        "  trimmed ",
        "!",
        "\u2800a",
        "\u3042",
    ],
    ids=ascii,
)
def test_any_other_name_is_accepted(name: str) -> None:
    for model in REGISTRATIONS:
        assert read_registration(model, name=name).name == name.strip()  # type: ignore[attr-defined]


def test_a_name_is_stored_in_nfc() -> None:
    assert read_registration(botlaunch_requests.RegisterRequest, name="Jose\u0301").name == "Jos\u00e9"


@pytest.mark.parametrize(
    ("model", "field", "text", "message"),
    [
        (REGISTRATIONS[1], "username", "j d", "Must be 3 to 30 of the letters a to z, digits, _, . and -"),
        (REGISTRATIONS[1], "name", "J\nD", "Must not contain control characters"),
        (REGISTRATIONS[0], "organizationName", "A\0B", "Must not contain control characters"),
        (REGISTRATIONS[0], "organizationName", "\u200b", "Must contain at least one visible character"),
        (REGISTRATIONS[2], "name", "J\u2028D", "Must not contain control characters"),
    ],
    ids=range(5),
)
def test_an_invalid_field_has_a_readable_message(model: type[Body], field: str, text: str, message: str) -> None:
    assert errors_of(model, **{field: text}) == (FieldError(field, message),)


@pytest.mark.parametrize("absent", [None, ""], ids=repr)
def test_an_organization_name_may_be_null_or_empty(absent: object) -> None:
    assert read_registration(botlaunch_requests.RegisterRequest, organizationName=absent).organization_name is None


@given(st.text(max_size=250))
@example("\x1c \u2029x")
@example("x" * 199 + " y")
@example("\u200b")
def test_a_cleaned_google_name_is_a_valid_name(google_name: str) -> None:
    name = clean_name(google_name)

    assert len(name) <= LONGEST_NAME
    if name:
        assert read_registration(atourin_requests.RegisterRequest, name=name).name == name


# User names and addresses


@pytest.mark.parametrize("username", ["abc", "x" * 30, "A.b_c-9", "..."])
def test_a_user_name_is_trimmed(username: str) -> None:
    assert read_registration(snapotp_requests.RegisterRequest, username=f" {username}\t\n").username == username


@pytest.mark.parametrize("username", ["ab", "x" * 31, "a b", "a@b.co", "é", "", "a\nbc", "x" * 12_000, 7, None])
def test_an_invalid_user_name_cannot_be_registered(username: object) -> None:
    assert [error.field for error in errors_of(snapotp_requests.RegisterRequest, username=username)] == ["username"]


MODELS_WITH_ADDRESS: Final[tuple[type[Body], ...]] = (
    botlaunch_requests.LoginRequest,
    snapotp_requests.ForgotPasswordRequest,
    atourin_requests.EmailRequest,
    atourin_requests.CodeRequest,
    atourin_requests.LoginRequest,
    *REGISTRATIONS,
)


@pytest.mark.parametrize(
    "model", MODELS_WITH_ADDRESS, ids=[f"{model.__module__}.{model.__name__}" for model in MODELS_WITH_ADDRESS]
)
def test_every_endpoint_normalises_or_rejects_addresses(model: type[Body]) -> None:
    body = {**PERSON, "otp": "000000"}

    parsed: Any = model.read({**body, "email": "  JOHN@Example.com "}, POLICY)

    assert (parsed.email, parsed.email.as_typed) == ("john@example.com", "JOHN@Example.com")
    for email in ("no address", "", 7, None, "=?utf-8?q?x=40evil.example=3e=20?=@victim.example", "a@xn--0.example"):
        with pytest.raises(InvalidFields) as caught:
            model.read({**body, "email": email}, POLICY)
        assert [error.field for error in caught.value.field_errors] == ["email"]
    with pytest.raises(InvalidFields) as caught:
        model.read({**body, "email": "no address"}, POLICY)
    assert caught.value.code == InvalidEmail.code


def test_a_password_is_not_trimmed() -> None:
    for model in (botlaunch_requests.LoginRequest, atourin_requests.LoginRequest):
        assert model.read({**PERSON, "password": " kept as typed "}, {}).password == " kept as typed "


@pytest.mark.parametrize("password", ["secret123", "newpassword123"])
def test_the_example_passwords_of_snapotp_are_accepted(password: str) -> None:
    assert read_registration(snapotp_requests.RegisterRequest, password=password).password == password


def test_only_botlaunch_requires_certain_characters_in_a_password() -> None:
    assert [error.field for error in errors_of(REGISTRATIONS[0], password="correct horse")] == ["password"]
    for model in REGISTRATIONS[1:]:
        read_registration(model, password="correct horse")


@pytest.mark.parametrize("about", ["alice.cooper", "coopercooper", "cooperette"])
def test_a_password_must_not_be_based_on_address_name_or_user_name(about: str) -> None:
    user_fields = {"email": "alice.cooper@example.com", "name": "CooperCooper X", "username": "cooperette"}

    [error] = errors_of(snapotp_requests.RegisterRequest, **user_fields, password=f"{about}1A")

    assert error.field == "password"


# Other fields and unusual values


@pytest.mark.covers("131")
@pytest.mark.parametrize(
    "name", ["role", "role_id", "is_admin", "credit_balance", "email_verified_at", "user_id", "epoch"]
)
@for_every_registration
def test_unknown_fields_are_dropped(model: type[Body], name: str) -> None:
    assert read_registration(model, **{name: 1}) == read_registration(model)


UNUSUAL_TEXTS: Final = (
    "x" * 12_000,
    "\0",
    "\r\nSet-Cookie: a=b",
    "' OR '1'='1",
    "<script>alert(1)</script>",
    "\u202e\u200b\ufeff",
    "e\u0301" * 200,
    "${jndi:ldap://localhost/a}",
    "(" * 3000 + "a" * 3000 + "!",
    "a@" + "a." * 3000,
)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", UNUSUAL_TEXTS, ids=lambda text: ascii(text[:12]) + str(len(text)))
def test_unusual_text_in_a_field_is_accepted_or_reported(text: str) -> None:
    for _, operation in operations():
        if operation.request is None:
            continue
        assert issubclass(operation.request, Body)
        for name, field in operation.request.model_fields.items():
            body = {**PERSON, "otp": "1", "token": "x", "refreshToken": "x", field.alias or name: text}
            with suppress(InvalidFields, gotrue_requests.PhoneProviderDisabled):
                operation.request.read(body, operation.context or POLICY)


def test_each_api_has_its_own_name_for_refresh_tokens() -> None:
    assert botlaunch_requests.RefreshRequest.read({"refreshToken": "x"}, {}).refresh_token == "x"
    assert snapotp_requests.RefreshRequest.read({"refresh_token": "x"}, {}).refresh_token == "x"
    assert gotrue_requests.RefreshRequest.read({"refresh_token": "x"}, {}).refresh_token == "x"


@pytest.mark.covers("90")
@pytest.mark.parametrize("grant", [None, "password", "authorization_code", "Refresh_Token", ""])
def test_gotrue_rejects_a_refresh_token_with_another_grant_type(
    grant: str | None, deployment_in_memory: Deployment
) -> None:
    del deployment_in_memory
    query = {} if grant is None else {"grant_type": grant}
    module = modules()["SupabaseTokenFunction"]
    key = function_in("auth/v1/token").environment()["PUBLISHABLE_KEY"]

    answer = module.handler(json_event({"refresh_token": "x"}, query=query, headers={"apikey": key}), None)

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (400, "validation_failed")


# Handlers


@pytest.mark.parametrize(
    "username", ["alice", " alice\n", "ALICE", "alice@example.com", " Alice@Example.COM "], ids=repr
)
def test_snapotp_accepts_a_user_name_or_an_address_trimmed(deployment_in_memory: Deployment, username: str) -> None:
    deployment_in_memory.register(ALICE)

    answer = handler_of("api/auth/login", deployment_in_memory)(
        json_event({"username": username, "password": PASSWORD}), None
    )

    assert (answer["statusCode"], body_of(answer)["data"]["user"]["username"]) == (200, "alice")


@pytest.mark.parametrize("username", ["ab", "x" * 31, "a b", "a/b", "é", "USER#1", "a@b@c", "x" * 12_000], ids=ascii)
def test_an_invalid_user_name_at_login_is_answered_like_an_unknown_one(
    deployment_in_memory: Deployment, username: str
) -> None:
    answer = handler_of("api/auth/login", deployment_in_memory)(
        json_event({"username": username, "password": "x"}), None
    )

    assert (answer["statusCode"], body_of(answer)) == (
        400,
        {"success": False, "message": snapotp.API.errors["invalid_credentials"].message},
    )


def test_all_invalid_fields_of_a_registration_are_reported_at_once(deployment_in_memory: Deployment) -> None:
    wrong = {"username": "x", "email": "not-an-email", "password": "short", "name": ""}

    answer = handler_of("api/auth/register", deployment_in_memory)(json_event(wrong), None)

    assert answer["statusCode"] == 400
    assert {error["field"] for error in body_of(answer)["errors"]} == {"username", "email", "password", "name"}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"organizationName": "Acme"}, "Acme"),
        ({}, "John Doe"),
        ({"organizationName": ""}, "John Doe"),
        ({"organizationName": None}, "John Doe"),
    ],
    ids=range(4),
)
def test_a_new_organization_is_named_after_the_user_by_default(
    deployment_in_memory: Deployment, more: dict[str, Any], name: str
) -> None:
    body = {key: value for key, value in PERSON.items() if key != "username"} | more

    answer = handler_of("api/auth/register", deployment_in_memory)(json_event(body), None)

    assert answer["statusCode"] == 201
    assert body_of(answer)["data"]["organization"]["name"] == name


def test_a_registration_with_a_user_name_creates_no_organization(deployment_in_memory: Deployment) -> None:
    answer = handler_of("api/auth/register", deployment_in_memory)(json_event(PERSON), None)

    assert answer["statusCode"] == 201
    assert body_of(answer)["data"].keys() == {"token", "refresh_token", "expires_in", "user"}
    assert deployment_in_memory.store.items("Organizations") == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "alice", "not valid"),
        ("password", "Short 1", "at least 8"),
        ("password", "Password1", "common"),
        ("password", "JohnDoe1", "name"),
        ("password", "no capital 1", "upper"),
    ],
    ids=range(5),
)
def test_a_registration_with_an_invalid_field_is_not_counted(
    deployment_in_memory: Deployment, hashes: list[int], field: str, value: str, message: str
) -> None:
    """A user may try several passwords before one is accepted."""
    body = {key: text for key, text in PERSON.items() if key != "username"} | {field: value}

    answer = handler_of("api/auth/register", deployment_in_memory)(json_event(body), None)

    assert answer["statusCode"] == 400
    [detail] = body_of(answer)["details"]
    assert detail["field"] == field
    assert message in detail["message"]
    assert deployment_in_memory.store.items("RateLimits") == []  # type: ignore[attr-defined]
    assert hashes == []


@pytest.mark.covers("17")
@pytest.mark.parametrize("path", ["api/auth/register", "auth/register"])
def test_a_password_of_combining_marks_is_rejected_before_normalisation(
    deployment_in_memory: Deployment, hashes: list[int], path: str
) -> None:
    """Normalising it would take longer than hashing a password."""
    handler = handler_of(path, with_mail(deployment_in_memory).base)
    event = http_event(json.dumps({**PERSON, "password": MARKS}, ensure_ascii=False))

    def register() -> None:
        answer = handler(event, None)
        assert answer["statusCode"] == 400
        assert "256" in answer["body"]

    assert is_quicker_than_normalising(register)
    assert hashes == []


# Names in metadata


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada  Byron ", "Ada  Byron"),
        ("e\u0301", "\u00e9"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
        ("x" * (LONGEST_NAME + 1), None),
        ("", None),
        (" ", None),
        ("\u200b", None),
        ("a\nb", None),
        ("a\u0000b", None),
        (7, None),
        (None, None),
        (["Ada"], None),
    ],
)
def test_a_metadata_value_is_used_as_a_name_if_it_is_valid(value: object, name: str | None) -> None:
    assert as_name(value) == name
