"""`GET /api/organization`: each call checks membership and role in the tables."""

import time

import pytest

from tests.wire.client import Answer
from tests.wire.shapes import INSTANT, botlaunch_error, botlaunch_invalid
from tests.wire.world import Person, World

PATH = "/api/organization"
UNAUTHORIZED = botlaunch_error(401, "Unauthorized")
FORBIDDEN = botlaunch_error(403, "Forbidden")


def ask(world: World, token: str, organization_id: str) -> Answer:
    return world.client.get(PATH, bearer=token, x_organization_id=organization_id, content_type="application/json")


def test_a_member_gets_the_organisation(world: World, shared_person: Person) -> None:
    answer = ask(world, shared_person.access_token, shared_person.organization_id)

    assert answer.status == 200
    data = {
        "id": shared_person.organization_id,
        "name": shared_person.name,
        "role": "CLIENT_OWNER",
        "createdAt": INSTANT,
    }
    assert answer.json == {"data": data, "message": "Organization found"}


def test_sessions_of_every_api_are_accepted(world: World) -> None:
    person = world.register()
    body = {"email": person.email, "password": person.password}
    of_botlaunch = world.client.post("/api/auth/login", body).data["accessToken"]
    of_snapotp = world.client.post("/api/auth/login", {"username": person.email, "password": person.password}).data
    of_atourin = world.client.post("/auth/login_with_email_password", body).data["access_token"]

    for token in (of_botlaunch, of_snapotp["token"], of_atourin):
        assert ask(world, token, person.organization_id).status == 200


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer x", "Basic YWRhOmFkYQ==", "Bearer {refresh_token}", "Bearer {access_token}x", "{access_token}"],
)
def test_without_a_valid_token_it_is_401(world: World, shared_person: Person, authorization: str) -> None:
    sent = authorization.format(access_token=shared_person.access_token, refresh_token=shared_person.refresh_token)

    answer = world.client.get(PATH, authorization=sent, x_organization_id=shared_person.organization_id)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json == UNAUTHORIZED


def test_without_a_token_it_is_401_and_without_an_organization_400(world: World, shared_person: Person) -> None:
    no_token = world.client.get(PATH, x_organization_id=shared_person.organization_id)
    neither = world.client.get(PATH)
    no_organization = world.client.get(PATH, bearer=shared_person.access_token)

    for answer in (no_token, neither):
        assert answer.status == 401
        assert answer.json == UNAUTHORIZED
    assert no_organization.status == 400
    assert no_organization.json == botlaunch_invalid("x-organization-id")


def test_an_expired_token_is_token_expired(world: World, shared_person: Person) -> None:
    expired = world.forge(shared_person.access_token, exp=int(time.time()) - 1)

    answer = ask(world, expired, shared_person.organization_id)

    assert answer.status == 401
    assert answer.json == botlaunch_error(401, "Token Expired")


def test_an_ended_session_is_401_immediately(world: World) -> None:
    person = world.register()
    assert ask(world, person.access_token, person.organization_id).status == 200

    world.client.post_without_body("/api/auth/logout", bearer=person.access_token)

    assert ask(world, person.access_token, person.organization_id).status == 401


def test_a_disabled_account_is_401_immediately(world: World) -> None:
    person = world.register()
    world.set_account(person.user_id, disabled_at=int(time.time()))

    assert ask(world, person.access_token, person.organization_id).status == 401


def test_foreign_unknown_and_malformed_organisations_get_the_same_answer(world: World, shared_person: Person) -> None:
    other = world.register()
    request = [
        other.organization_id,
        "org_0000000000000000000000",
        shared_person.organization_id.upper(),
        shared_person.organization_id + "0",
        f" {shared_person.organization_id},{shared_person.organization_id}",
        shared_person.organization_id.removeprefix("org_"),
        "org_",
        "org_" + "A" * 4000,
        "org_%00",
        "*",
        "MEMBER#" + shared_person.user_id,
        "null",
    ]

    answers = [ask(world, shared_person.access_token, organization_id) for organization_id in request]

    assert [answer.status for answer in answers] == [403] * len(request)
    assert {answer.raw for answer in answers} == {answers[0].raw}
    assert answers[0].json == FORBIDDEN
    assert all(answer.stable_headers == answers[0].stable_headers for answer in answers)


def test_a_repeated_header_is_a_malformed_organisation(world: World, shared_person: Person) -> None:
    other = world.register()

    for first, second in (
        (shared_person.organization_id, other.organization_id),
        (other.organization_id, shared_person.organization_id),
        (shared_person.organization_id, shared_person.organization_id),
    ):
        answer = world.client.send(
            f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {shared_person.access_token}\r\n"
            f"x-organization-id: {first}\r\nX-Organization-Id: {second}\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.status == 403


def test_an_organisation_in_the_query_is_ignored(world: World, shared_person: Person) -> None:
    other = world.register()

    without_header = world.client.get(
        f"{PATH}?x-organization-id={shared_person.organization_id}", bearer=shared_person.access_token
    )
    with_header = world.client.get(
        f"{PATH}?x-organization-id={other.organization_id}&organizationId={other.organization_id}",
        bearer=shared_person.access_token,
        x_organization_id=shared_person.organization_id,
    )

    assert without_header.status == 400
    assert with_header.data["id"] == shared_person.organization_id


def test_a_removed_member_is_403_immediately(world: World) -> None:
    person = world.register()
    assert ask(world, person.access_token, person.organization_id).status == 200

    world.remove("Organizations", pk=f"ORG#{person.organization_id}", sk=f"MEMBER#{person.user_id}")

    assert ask(world, person.access_token, person.organization_id).status == 403


def test_a_changed_role_takes_effect_immediately(world: World) -> None:
    person = world.register()
    membership = {"pk": f"ORG#{person.organization_id}", "sk": f"MEMBER#{person.user_id}"}

    world.set("Organizations", membership, role="CLIENT_MEMBER")

    assert ask(world, person.access_token, person.organization_id).data["role"] == "CLIENT_MEMBER"


def test_a_missing_organisation_is_403(world: World) -> None:
    person = world.register()
    world.remove("Organizations", pk=f"ORG#{person.organization_id}", sk="ORG")

    answer = ask(world, person.access_token, person.organization_id)

    assert answer.status == 403
    assert answer.json == botlaunch_error(403, "Forbidden")


def test_an_account_without_an_organisation_is_403(world: World, shared_person: Person) -> None:
    person = world.register_by_username()

    assert ask(world, person.access_token, shared_person.organization_id).status == 403
    login = world.client.post("/api/auth/login", {"email": person.email, "password": person.password}).data
    assert login["user"]["role"] == "CLIENT_USER"
    assert "organizationId" not in login["user"]
