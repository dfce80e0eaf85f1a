"""The permissions of roles: every cell of the table in docs/organizations.md, tried at the functions."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest
from gerbang.accounts.roles import InsufficientRole, Permission, Role, rights_of
from gerbang.core.identifiers import botlaunch_id
from gerbang.sessions.sessions import SignedIn
from gerbang_local.declarations import ROOT

from tests.unit.handlers import Answer, deployment_with_low_limits
from tests.unit.teams import ANOTHER_ROLE, Team

PAGE: Final = ROOT / "docs" / "organizations.md"
MEMBERS: Final = "api/organization/members"
INVITATIONS: Final = "api/organization/invitations"
INVITED: Final = "zoe@example.com"


def cells() -> Iterator[tuple[str, str, bool]]:
    """Each action of the table, a role, and whether the role may do it."""
    _, _, table = PAGE.read_text().partition("\n| | `CLIENT_OWNER`")
    head, _, *rows = ("| | `CLIENT_OWNER`" + table).partition("\n\n")[0].splitlines()
    roles = [cell.strip(" `") for cell in head.strip("|").split("|")[1:]]
    for row in rows:
        action, *may = [cell.strip() for cell in row.strip("|").split("|")]
        for role, cell in zip(roles, may, strict=True):
            assert cell in {"yes", "no"}
            yield action, ANOTHER_ROLE if role == "another role" else role, cell == "yes"


type Try = Callable[[Team, SignedIn, re.Match[str]], Answer]


def invite_again(team: Team, caller: SignedIn, words: re.Match[str]) -> Answer:
    team.invitation(INVITED, words[2])
    return team.ask(caller, INVITATIONS, "POST", {"email": INVITED, "role": words[1]})


def revoke(team: Team, caller: SignedIn, words: re.Match[str]) -> Answer:
    invitation = team.invitation(INVITED, words[1])
    return team.ask(caller, f"{INVITATIONS}/one", "DELETE", id=invitation.invitation_id)


def change(team: Team, caller: SignedIn, words: re.Match[str]) -> Answer:
    target = team.join("zoe", role_in(words[1]))
    return team.ask(caller, f"{MEMBERS}/one", "PATCH", {"role": words[2]}, userId=botlaunch_id(target.user.user_id))


def remove(team: Team, caller: SignedIn, words: re.Match[str]) -> Answer:
    target = team.join("zoe", role_in(words[1]))
    return team.ask(caller, f"{MEMBERS}/one", "DELETE", userId=botlaunch_id(target.user.user_id))


def role_in(words: str) -> str:
    return ANOTHER_ROLE if words == "member of another role" else words


TRIES: Final[Mapping[str, Try]] = {
    r"see the organization": lambda team, caller, _: team.ask(caller, "api/organization", "GET"),
    r"list members": lambda team, caller, _: team.ask(caller, MEMBERS, "GET"),
    r"leave": lambda team, caller, _: team.ask(
        caller, f"{MEMBERS}/one", "DELETE", userId=botlaunch_id(caller.user.user_id)
    ),
    r"rename the organization": lambda team, caller, _: team.ask(caller, "api/organization", "PATCH", {"name": "New"}),
    r"delete the organization": lambda team, caller, _: team.ask(caller, "api/organization", "DELETE"),
    r"list invitations": lambda team, caller, _: team.ask(caller, INVITATIONS, "GET"),
    r"invite as (\w+)": lambda team, caller, words: team.ask(
        caller, INVITATIONS, "POST", {"email": INVITED, "role": words[1]}
    ),
    r"invite again, as (\w+), who is invited as (\w+)": invite_again,
    r"revoke an invitation as (\w+)": revoke,
    r"make an? (CLIENT_\w+|member of another role) an? (\w+)": change,
    r"remove an? (CLIENT_\w+|member of another role)": remove,
}
"""How each action of the table is tried; the action matches the pattern."""


@pytest.mark.covers("134")
@pytest.mark.parametrize(("action", "role", "may"), [*cells()])
def test_every_role_has_exactly_the_permissions_of_the_table(action: str, role: str, may: bool) -> None:  # noqa: FBT001
    team = Team.create(deployment_with_low_limits())
    caller = team.join("bob", role)
    [(words, attempt)] = [
        (words, attempt) for pattern, attempt in TRIES.items() if (words := re.fullmatch(pattern, action)) is not None
    ]

    answer = attempt(team, caller, words)

    allowed = {200, 201} if may else {403}
    assert answer["statusCode"] in allowed, answer


def test_an_owner_has_every_permission_and_an_unknown_role_has_none() -> None:
    """Also of permissions that are added later."""
    for permission in Permission:
        rights_of(Role.CLIENT_OWNER).demand(permission, *Role, ANOTHER_ROLE, "")
        for role in (Role.CLIENT_MEMBER, ANOTHER_ROLE, ""):
            with pytest.raises(InsufficientRole):
                rights_of(role).demand(permission)
