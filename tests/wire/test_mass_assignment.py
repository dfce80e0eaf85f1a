"""Fields that an API does not define have no effect in any request (security.md 131, 126)."""

import json
from typing import Any, Final

import pytest

from tests.wire.routes import ROUTES, Route
from tests.wire.shapes import claims_of
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

FORBIDDEN_FIELDS: Final[dict[str, object]] = {
    "id": 1,
    "sub": "00000000-0000-4000-8000-000000000000",
    "pk": "USER#00000000-0000-4000-8000-000000000000",
    "user_id": "00000000-0000-4000-8000-000000000000",
    "userId": "usr_1",
    "number": 1,
    "role": "CLIENT_OWNER",
    "role_id": 1,
    "roleId": 1,
    "is_admin": True,
    "isAdmin": True,
    "admin": True,
    "credit_balance": 1_000_000,
    "creditBalance": 1_000_000,
    "email_verified": True,
    "email_verified_at": 1,
    "emailVerified": True,
    "password_hash": "md5:5f4dcc3b5aa765d61d8327deb882cf99",
    "passwordHash": "md5:5f4dcc3b5aa765d61d8327deb882cf99",
    "organization_id": "org_1",
    "organizationId": "org_1",
    "organization": {"id": "org_1", "name": "Evil"},
    "subjects": {"google": "someone-elses"},
    "created_month": "1999-01",
    "is_anonymous": True,
    "disabled_at": None,
    "epoch": 99,
    "migrated_at": 1,
    "expires_at": 1,
    "created_at": 1,
    "generation": 7,
    "user": {"role_id": 1},
    "data": {"role": "admin"},
    "user_metadata": {"name": "Eve"},
    "app_metadata": {"role": "admin"},
    "factors": [{"factor_id": "7", "verified_at": 1}],
    "recovery_codes": ["abcdef"],
    "$set": {"role_id": 1},
}


def assert_ordinary(account: dict[str, Any]) -> None:
    """Check that an account has the values of every new account."""
    assert (account["role_id"], account["credit_balance"], account["epoch"]) == (3, 0, 0)
    assert account["is_anonymous"] is False
    assert account["number"] != 1
    assert account["created_at"] > 1
    assert account["password_hash"].startswith("$bcrypt-sha256$")
    assert account["subjects"] == account["user_metadata"] == account["app_metadata"] == "{}"
    assert account["factors"] == account["recovery_codes"] == "[]"
    assert account["created_month"] > "2000-01"
    never = {"email_verified_at", "disabled_at", "migrated_at", "expires_at"}
    assert never.isdisjoint(account)
    attributes = {
        "pk",
        "sk",
        "user_id",
        "number",
        "name",
        "email",
        "email_as_typed",
        "username",
        "password_hash",
        "role_id",
    }
    attributes |= {
        "credit_balance",
        "epoch",
        "is_anonymous",
        "created_at",
        "updated_at",
        "last_sign_in_at",
        "locale",
        "confirmation_sent_at",
    }
    attributes |= {"organization_id", "subjects", "user_metadata", "app_metadata", "created_month"}
    attributes |= {"factors", "recovery_codes", "devices"}
    assert account.keys() <= attributes, "no unknown attribute is stored"


class TestRegistration:
    @pytest.mark.covers("126", "131")
    def test_at_botlaunch(self, world: World) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Ada Lovelace"}

        answer = world.client.post("/api/auth/register", {**FORBIDDEN_FIELDS, **request})

        assert answer.status == 201
        account = world.account_of(request["email"])
        assert_ordinary(account)
        assert account["organization_id"] == answer.data["organization"]["id"] != "org_1"
        assert answer.data["organization"]["name"] == "Ada Lovelace"
        assert claims_of(answer.data["accessToken"])["role"] == "authenticated"

    @pytest.mark.covers("126", "131")
    def test_at_snapotp(self, world: World) -> None:
        request = {"username": world.username(), "email": world.email(), "password": PASSWORD, "name": "Ada Lovelace"}

        answer = world.client.post("/api/auth/register", {**FORBIDDEN_FIELDS, **request, "organizationName": "Engines"})

        assert answer.status == 201
        account = world.account_of(request["email"])
        assert_ordinary(account)
        assert "organization_id" not in account
        assert (answer.data["user"]["role_id"], answer.data["user"]["credit_balance"]) == (3, 0)

    @pytest.mark.covers("126", "131")
    def test_at_atourin(self, world: World) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Alan Turing"}

        answer = world.client.post("/auth/register", {**FORBIDDEN_FIELDS, **request})

        assert answer.status == 200
        assert_ordinary(world.account_of(request["email"]))
        assert not world.can_sign_in(request["email"], "password"), "the hash in the request must be ignored"

    @pytest.mark.covers("126", "131")
    def test_with_google(self, world: World) -> None:
        email = world.email()
        claims = {**FORBIDDEN_FIELDS, "hd": "example.com"}
        for reserved in ("sub", "email_verified"):
            del claims[reserved]

        answer = world.client.post(
            "/api/auth/google", {**FORBIDDEN_FIELDS, "id_token": world.google_token(email=email, claims=claims)}
        )

        assert answer.status == 200
        account = world.account_of(email)
        assert (account["role_id"], account["credit_balance"]) == (3, 0)
        assert "password_hash" not in account
        assert "someone-elses" not in account["subjects"]

    def test_as_a_guest(self, world: World) -> None:
        answer = world.client.post("/auth/login_with_anonymous", {**FORBIDDEN_FIELDS, "is_anonymous": False})

        account = world.account(answer.data["user"]["id"])
        assert account["is_anonymous"] is True
        assert "password_hash" not in account
        assert claims_of(answer.data["access_token"])["role"] == "anonymous"


@pytest.mark.covers("126", "131")
def test_a_user_update_changes_only_the_metadata(world: World) -> None:
    person = world.register_by_username()
    before = world.account(person.user_id)
    planted = {name: value for name, value in FORBIDDEN_FIELDS.items() if name != "app_metadata"}
    headers = {
        "authorization": f"Bearer {person.access_token}",
        "apikey": world.publishable_key,
        "content-type": "application/json",
    }

    answer = world.client.request("PUT", "/auth/v1/user", body=json.dumps(planted).encode(), headers=headers)

    assert answer.status == 200
    after = world.account(person.user_id)
    assert after == {**before, "updated_at": after["updated_at"], "user_metadata": '{"role":"admin"}'}
    assert claims_of(world.refresh(person.refresh_token).data["accessToken"])["role"] == "authenticated"


@pytest.mark.covers("131")
@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "POST"], ids=str)
def test_no_request_changes_other_attributes_of_the_caller(world: World, shared_person: Person, route: Route) -> None:
    person = world.register_by_username()
    before = world.account(person.user_id)
    own_values = {
        "email": person.email,
        "username": person.username,
        "password": person.password,
        "current_password": person.password,
        "refreshToken": person.refresh_token,
        "refresh_token": person.refresh_token,
    }
    fields = {**route.body, **{name: value for name, value in own_values.items() if name in route.fields}}
    planted = {name: value for name, value in FORBIDDEN_FIELDS.items() if name not in fields}

    answer = world.client.post(
        route.target,
        {**planted, **fields},
        bearer=person.access_token,
        apikey=world.publishable_key,
        x_user_id=shared_person.user_id,
        x_role="admin",
    )

    assert answer.status < 500, answer.raw
    changing = {"last_sign_in_at", "updated_at", "contested_at"}  # registering a taken address sets contested_at
    if route.path == "/api/auth/change-password":
        assert answer.status == 200, answer.raw
        changing |= {"password_hash", "epoch"}
    if route.path in {"/auth/v1/logout", "/api/auth/logout-all"}:  # of all sessions
        assert answer.status in {200, 204}, answer.raw
        changing |= {"epoch"}
    if route.path == "/api/organizations":  # a first organization is the default one
        assert answer.status == 201, answer.raw
        changing |= {"organization_id"}
    after = world.account(person.user_id)
    assert {name: value for name, value in after.items() if name not in changing} == {
        name: value for name, value in before.items() if name not in changing
    }
    assert after["epoch"] in {0, 1}
    assert after["password_hash"].startswith("$bcrypt-sha256$")


def test_a_refresh_ignores_claims_in_the_body(world: World, shared_person: Person) -> None:
    person = world.register()
    body = {**FORBIDDEN_FIELDS, "refreshToken": person.refresh_token, "email": shared_person.email}

    claims = claims_of(world.client.post("/api/auth/refresh", body).data["accessToken"])

    assert claims["sub"] == person.user_id
    assert claims["role"] == "authenticated"
    assert claims["gen"] == 2


def test_a_refresh_uses_the_accounts_current_role(world: World) -> None:
    person = world.register_by_username()
    world.set_account(person.user_id, role_id=1)
    first = world.client.post("/api/auth/refresh", {"refresh_token": person.refresh_token}).data
    world.set_account(person.user_id, role_id=3)

    second = world.client.post("/api/auth/refresh", {"refresh_token": first["refresh_token"]}).data

    assert (first["user"]["role_id"], second["user"]["role_id"]) == (1, 3)


def test_no_answer_contains_internal_attributes(world: World) -> None:
    person = world.register_by_username()
    stored = world.account(person.user_id)

    answers = [
        world.me(person.access_token),
        world.client.post("/api/auth/login", {"email": person.email, "password": person.password}),
        world.client.post("/api/auth/login", {"username": person.email, "password": person.password}),
        world.client.post("/auth/login_with_email_password", {"email": person.email, "password": person.password}),
        world.client.post("/auth/login_with_email_password", {"email": person.email, "password": OTHER_PASSWORD}),
    ]

    for answer in answers:
        text = json.dumps(answer.json)
        assert stored["password_hash"] not in text
        for name in ("password", "hash", "epoch", "email_as_typed", "disabled", "last_sign_in", "pk"):
            assert f'"{name}' not in text
