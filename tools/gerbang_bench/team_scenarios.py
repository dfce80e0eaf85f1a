"""Events of one's own sessions and of organizations; see `gerbang_bench.scenarios`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gerbang_bench.events import Event, Scenario, request
from gerbang_bench.worlds import PASSWORD, Person, World


def _by(
    world: World,
    person: Person,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    method: str | None = None,
    token: str | None = None,
    **parameters: str,
) -> Event:
    event = request(
        path,
        body,
        source=world.client_address(),
        authorization=f"Bearer {token or person.access_token}",
        apikey=world.publishable_key,
        x_organization_id=person.organization_id,
    )
    if method is not None:
        event["requestContext"]["http"]["method"] = method
    return {**event, "pathParameters": parameters} if parameters else event


def _asking(path: str) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        person = world.person()
        world.use(person)
        while True:
            yield _by(world, person, path)

    return scenario


def _ending(path: str, parameter: str) -> Callable[[World], Scenario]:
    def scenario(world: World) -> Scenario:
        person = world.person()
        world.use(person)
        while True:
            world.access_token(person)
            event = _by(world, person, path, method="DELETE")
            yield {**event, "pathParameters": {parameter: world.other_session_id(person)}}

    return scenario


def _logout_everywhere(world: World) -> Scenario:
    person = world.person()
    while True:
        yield _by(world, person, "/api/auth/logout-all", {}, token=world.access_token(person))


def _inviting(world: World) -> Scenario:
    while True:
        person = world.person()
        world.use(person)
        yield _by(world, person, "/api/organization/invitations", {"email": world.email()})


def _revoking(world: World) -> Scenario:
    person = world.person()
    world.use(person)
    while True:
        invitation_id, _ = world.invite(person)
        yield _by(world, person, "/api/organization/invitations/one", method="DELETE", id=invitation_id)


def _changing_roles(world: World) -> Scenario:
    person = world.person()
    world.use(person)
    user_id = world.add_member(person)
    while True:
        for role in ("CLIENT_ADMIN", "CLIENT_MEMBER"):
            path = "/api/organization/members/one"
            yield _by(world, person, path, {"role": role}, method="PATCH", userId=user_id)


def _accepting(world: World) -> Scenario:
    person = world.person()
    while True:
        _, token = world.invite(person)
        body = {"token": token, "name": "Amber Ferry", "password": PASSWORD}
        yield request("/api/auth/invitations/accept", body, source=world.client_address())


TEAMS: Final[Mapping[str, Callable[[World], Scenario]]] = {
    "api/auth/invitations/accept": _accepting,
    "api/auth/logout-all": _logout_everywhere,
    "api/auth/sessions": _asking("/api/auth/sessions"),
    "api/auth/sessions/one": _ending("/api/auth/sessions/one", "sessionId"),
    "api/organization/invitations": _inviting,
    "api/organization/invitations/one": _revoking,
    "api/organization/members": _asking("/api/organization/members"),
    "api/organization/members/one": _changing_roles,
    "api/organizations": _asking("/api/organizations"),
    "auth/v1/user/sessions": _asking("/auth/v1/user/sessions"),
    "auth/v1/user/sessions/one": _ending("/auth/v1/user/sessions/one", "session_id"),
}
