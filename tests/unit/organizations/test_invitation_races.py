"""Concurrent uses of an invitation."""

from copy import replace
from functools import partial

import pytest
from gerbang.accounts.invitation_acceptance import InvalidInvitation
from gerbang.accounts.organization_invitations import AlreadyMember, NoSuchInvitation
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.roles import Role
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.organizations import Invitation
from gerbang.storage.store import Put

from tests.conftest import Database
from tests.deployment import HOME, HOUR, MAIL_MINUTE, Choices
from tests.fakes import at_once
from tests.unit.organizations.changes import (
    INVITED,
    invite,
    is_noted,
    join,
    meanwhile,
    open_invitations,
    register,
    remove,
    token_of,
)
from tests.unit.teams import Team, member


@pytest.mark.covers("158")
def test_concurrent_uses_of_an_invitation_create_one_account(team: Team, database: Database) -> None:
    token = token_of(team, team.invitation(INVITED, Role.CLIENT_ADMIN))

    outcomes = at_once([partial(register, team, token)] * 5)

    [joined] = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert all(isinstance(outcome, SignedIn | InvalidInvitation | EmailTaken) for outcome in outcomes)
    assert team.role_of(joined) == Role.CLIENT_ADMIN
    accounts = [item for item in database.items("Users", "USER#") if item.get("email") == INVITED]
    assert len(accounts) == 1
    assert open_invitations(team) == []


def test_concurrent_uses_of_an_invitation_create_one_membership(team: Team) -> None:
    zoe, token = member(team.app, "zoe"), token_of(team, team.invitation(INVITED))

    outcomes = at_once([partial(join, team, token, zoe)] * 5)

    assert outcomes.count(None) == 1
    assert all(outcome is None or isinstance(outcome, InvalidInvitation | AlreadyMember) for outcome in outcomes)
    assert team.role_of(zoe) == Role.CLIENT_MEMBER
    assert is_noted(team, zoe)


@pytest.mark.parametrize("is_new", [True, False], ids=["by a new account", "by an account"])
def test_an_invitation_that_is_revoked_meanwhile_cannot_be_accepted(team: Team, is_new: bool) -> None:  # noqa: FBT001
    invitation = team.invitation(INVITED)
    token, revoke = token_of(team, invitation), team.app.base.open_invitations.revoke
    slow = meanwhile(team, partial(revoke, team.organization_id, team.owner.user.user_id, invitation.invitation_id))
    session = None if is_new else member(team.app, "zoe")

    with pytest.raises(InvalidInvitation):
        register(slow, token) if session is None else join(slow, token, session)

    assert (team.app.users.find_id(Name.EMAIL, INVITED) is None) == is_new
    assert session is None or team.role_of(session) is None


def test_an_invitation_that_is_accepted_meanwhile_cannot_be_revoked(team: Team) -> None:
    invitation = team.invitation(INVITED)
    slow = meanwhile(team, partial(register, team, token_of(team, invitation)))

    with pytest.raises(NoSuchInvitation):
        slow.app.base.open_invitations.revoke(team.organization_id, team.owner.user.user_id, invitation.invitation_id)


def test_concurrent_invitations_of_an_address_make_one_invitation(team: Team) -> None:
    bob = team.join("bob", Role.CLIENT_ADMIN)
    choices = Choices(mail_minute=replace(MAIL_MINUTE, attempts=10))
    team = replace(team, app=team.app.with_choices(choices))

    outcomes = at_once([partial(invite, team, team.owner), partial(invite, team, bob)])

    made = [outcome for outcome in outcomes if isinstance(outcome, Invitation)]
    assert made
    assert [each.invitation_id for each in open_invitations(team)] in [[each.invitation_id] for each in made]


def test_an_account_that_is_deleted_while_it_joins_leaves_no_membership(team: Team, database: Database) -> None:
    zoe, token = member(team.app, "zoe"), token_of(team, team.invitation(INVITED))
    slow = meanwhile(team, partial(team.app.base.deletion.delete_by_id, zoe.user.user_id))

    with pytest.raises(SessionEnded):
        join(slow, token, zoe)

    assert team.role_of(zoe) is None
    assert not [item for item in database.items("Users") if zoe.user.user_id in str(item)]


def test_an_account_that_joins_while_it_is_deleted_leaves_no_membership(team: Team, database: Database) -> None:
    """The deletion disables the account first, so that nothing can be added to it."""
    zoe, token = member(team.app, "zoe"), token_of(team, team.invitation(INVITED))
    caller = team.app.base.sessions.authenticate(zoe.tokens.access_token)

    def accept() -> None:
        with pytest.raises(SessionEnded):
            team.app.base.invitation_acceptance.join(token, caller, HOME)

    slow = meanwhile(team, accept, before=lambda call: call.method == "query")
    slow.app.base.deletion.delete_by_id(zoe.user.user_id)

    assert team.role_of(zoe) is None
    assert not [item for item in database.items("Users") if zoe.user.user_id in str(item)]


def test_an_invitation_by_a_member_who_was_removed_meanwhile_is_not_mailed(team: Team) -> None:
    bob = team.join("bob", Role.CLIENT_ADMIN)

    with pytest.raises(NotAMember):
        invite(meanwhile(team, partial(remove, team, team.owner, bob)), bob)
    [job] = team.app.queue.jobs
    team.app.mailer.deliver(job, queued_at=team.app.base.clock() - HOUR)

    assert team.app.outbox.sent == []


def test_a_note_without_a_membership_does_not_prevent_joining(team: Team) -> None:
    """A function of the operator may have deleted the membership and left the note."""
    zoe, token = member(team.app, "zoe"), token_of(team, team.invitation(INVITED))
    base = team.app.base
    base.store.write(Put(base.users.organization_key(zoe.user.user_id, team.organization_id), {"since": 0}))

    join(team, token, zoe)

    assert team.role_of(zoe) == Role.CLIENT_MEMBER
