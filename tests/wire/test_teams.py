"""Organizations over HTTP: create, invite, join, manage members, leave."""

from typing import Any

import pytest

from tests.wire.client import Answer
from tests.wire.concurrent import at_once, statuses
from tests.wire.shapes import INSTANT, botlaunch_error
from tests.wire.world import PASSWORD, Person, World

ACCEPT = "/api/auth/invitations/accept"
INVITATIONS = "/api/organization/invitations"
MEMBERS = "/api/organization/members"


def acting(person: Person, organization_id: str = "") -> dict[str, Any]:
    return {"bearer": person.access_token, "x_organization_id": organization_id or person.organization_id}


def invite(world: World, owner: Person, email: str, role: str = "CLIENT_MEMBER") -> str:
    """Invite an address, and return the token from the mail."""
    answer = world.client.post(INVITATIONS, {"email": email, "role": role}, **acting(owner))
    assert answer.status == 201, answer.raw
    mail = world.mail(email, having=lambda mail: "invited" in mail.subject)
    [token] = [line for line in mail.text.splitlines() if len(line) > 65 and line.isalnum()]
    return token


def accept_new(world: World, token: str, name: str = "Bob") -> Answer:
    return world.new_client().post(ACCEPT, {"token": token, "name": name, "password": PASSWORD})


def user_id(world: World, person: Person) -> str:
    members = world.client.get(MEMBERS, **acting(person)).json["data"]
    return str(next(each["userId"] for each in members if each["email"] == person.email))


def test_an_invited_person_registers_and_becomes_a_member(world: World) -> None:
    owner, email = world.register(), world.email()
    token = invite(world, owner, email, "CLIENT_ADMIN")

    answer = accept_new(world, token)

    assert answer.status == 201
    user = answer.data["user"]
    assert (user["email"], user["role"], user["organizationId"]) == (email, "CLIENT_ADMIN", owner.organization_id)
    members = world.client.get(MEMBERS, **acting(owner)).json["data"]
    roles = {each["email"]: each["role"] for each in members}
    assert roles == {owner.email: "CLIENT_OWNER", email: "CLIENT_ADMIN"}
    assert [each["joinedAt"] for each in members] == [INSTANT, INSTANT]
    assert world.account_of(email)["email_verified_at"], "the invitation's token verifies the address"
    assert world.can_sign_in(email, PASSWORD)
    assert world.client.get(INVITATIONS, **acting(owner)).json["data"] == []
    assert accept_new(world, token).json == botlaunch_error(400, "Invalid Invitation")


def test_an_invited_account_joins_only_while_signed_in(world: World) -> None:
    owner, stranger, colleague = world.register(), world.register(), world.register()
    token = invite(world, owner, colleague.email)

    assert accept_new(world, token).status == 409
    assert world.client.post(ACCEPT, {"token": token}).status == 401
    assert world.client.post(ACCEPT, {"token": token}, bearer=stranger.access_token).status == 403
    joined = world.client.post(ACCEPT, {"token": token}, bearer=colleague.access_token)

    assert joined.json["data"] == {
        "id": owner.organization_id,
        "name": owner.name,
        "role": "CLIENT_MEMBER",
        "createdAt": INSTANT,
    }
    own = world.client.get("/api/organizations", bearer=colleague.access_token).json["data"]
    assert [each["id"] for each in own] == [colleague.organization_id, owner.organization_id]


def test_an_account_without_an_organization_creates_one(world: World) -> None:
    person = world.register_by_username()
    assert world.client.get("/api/organizations", bearer=person.access_token).json["data"] == []

    founded = world.client.post("/api/organizations", {"name": "  Grace & Co "}, bearer=person.access_token)

    assert founded.status == 201
    assert founded.data["name"] == "Grace & Co"
    login = world.client.post("/api/auth/login", {"email": person.email, "password": person.password}).data["user"]
    assert (login["role"], login["organizationId"]) == ("CLIENT_OWNER", founded.data["id"])


def test_an_invitation_is_listed_and_revoked(world: World) -> None:
    owner, email = world.register(), world.email()
    token = invite(world, owner, email)
    [listed] = world.client.get(INVITATIONS, **acting(owner)).json["data"]
    assert (listed["email"], listed["role"], listed["createdAt"]) == (email, "CLIENT_MEMBER", INSTANT)

    assert world.client.delete(f"{INVITATIONS}/{listed['id']}", **acting(owner)).status == 200

    assert accept_new(world, token).status == 400
    assert world.client.delete(f"{INVITATIONS}/{listed['id']}", **acting(owner)).status == 404


@pytest.mark.parametrize("token", ["", "x", "A" * 87, "0" * 65 + "7", "é" * 80])
def test_an_invalid_invitation_token_is_400(world: World, token: str) -> None:
    assert accept_new(world, token).status == 400


def test_a_forged_invitation_token_is_400(world: World) -> None:
    """Parts of two valid tokens do not make a valid one."""
    owner = world.register()
    one, other = invite(world, owner, world.email()), invite(world, owner, world.email())

    for forged in (one[:43] + other[43:], one[:-1] + ("0" if one[-1] != "0" else "1"), one[::-1], one.swapcase()):
        assert accept_new(world, forged).status == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "no address"}, "email"),
        ({"email": ["a@example.com"]}, "email"),
        ({"email": "a@example.com", "role": "OWNER"}, "role"),
        ({"email": "a@example.com", "role": 1}, "role"),
    ],
)
def test_a_malformed_invitation_names_its_field(world: World, shared_person: Person, body: Any, field: str) -> None:
    answer = world.client.post(INVITATIONS, body, **acting(shared_person))

    assert answer.status == 400
    assert [each["field"] for each in answer.json["details"]] == [field]


def test_the_last_owner_cannot_leave_or_change_role(world: World) -> None:
    owner = world.register()
    own = f"{MEMBERS}/{user_id(world, owner)}"

    for answer in (
        world.client.delete(own, **acting(owner)),
        world.client.patch(own, {"role": "CLIENT_MEMBER"}, **acting(owner)),
    ):
        assert (answer.status, answer.json) == (409, botlaunch_error(409, "Conflict"))
    assert world.client.get("/api/organization", **acting(owner)).data["role"] == "CLIENT_OWNER"


@pytest.mark.parametrize("unknown", ["usr_0000000000000000000000", "usr_", "nonsense", "usr_1", "%00"])
def test_an_unknown_member_or_invitation_is_404(world: World, shared_person: Person, unknown: str) -> None:
    for answer in (
        world.client.delete(f"{MEMBERS}/{unknown}", **acting(shared_person)),
        world.client.patch(f"{MEMBERS}/{unknown}", {"role": "CLIENT_MEMBER"}, **acting(shared_person)),
        world.client.delete(f"{INVITATIONS}/{unknown}", **acting(shared_person)),
    ):
        assert answer.status == 404


def test_a_removed_member_is_403_immediately_and_keeps_the_account(world: World) -> None:
    owner, email = world.register(), world.email()
    joined = accept_new(world, invite(world, owner, email)).data
    headers = {"bearer": joined["accessToken"], "x_organization_id": owner.organization_id}
    assert world.client.get(MEMBERS, **headers).status == 200

    assert world.client.delete(f"{MEMBERS}/{joined['user']['id']}", **acting(owner)).status == 200

    assert world.client.get(MEMBERS, **headers).status == 403
    assert world.client.get("/api/organizations", bearer=joined["accessToken"]).json["data"] == []


def test_deleting_an_organization_keeps_its_members_accounts(world: World) -> None:
    owner, email = world.register(), world.email()
    accept_new(world, invite(world, owner, email))
    pending = invite(world, owner, world.email())

    assert world.client.delete("/api/organization", **acting(owner)).status == 200

    assert world.client.get("/api/organization", **acting(owner)).status == 403
    assert accept_new(world, pending).status == 400
    assert world.can_sign_in(email, PASSWORD)
    assert not [item for item in world.items("Organizations") if item["pk"] == f"ORG#{owner.organization_id}"]


def test_only_one_of_the_last_two_owners_can_leave_concurrently(world: World) -> None:
    owner, email = world.register(), world.email()
    joined = accept_new(world, invite(world, owner, email, "CLIENT_OWNER")).data
    headers = {"bearer": joined["accessToken"], "x_organization_id": owner.organization_id}
    own = user_id(world, owner)

    answers = at_once(
        [
            lambda: world.new_client().delete(f"{MEMBERS}/{own}", **acting(owner)),
            lambda: world.new_client().delete(f"{MEMBERS}/{joined['user']['id']}", **headers),
        ]
    )

    assert statuses(answers) == {200: 1, 409: 1}


def test_an_invitation_accepted_concurrently_creates_one_account(world: World) -> None:
    owner, email = world.register(), world.email()
    token = invite(world, owner, email)

    answers = at_once([lambda: accept_new(world, token)] * 8)

    assert statuses(answers)[201] == 1
    assert set(statuses(answers)) <= {201, 400, 409}
