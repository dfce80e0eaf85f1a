"""gerbang.accounts.authorization and organizations: membership and role are read at each call."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import Role
from gerbang.core.identifiers import botlaunch_id
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, SignedIn
from gerbang.storage.organizations import Membership
from gerbang.storage.store import Delete, Key, Put, Update

from tests.deployment import ALICE, BOB, HOME, Choices, Deployment
from tests.fakes import FakeClock, PassingStore


@pytest.fixture
def alice(deployment: Deployment) -> SignedIn:
    """Signed in, and the owner of an organization."""
    return deployment.sessions.open(deployment.register(ALICE), HOME, "password")


@pytest.fixture
def bob(deployment: Deployment) -> SignedIn:
    """Signed in, and the owner of another organization."""
    return deployment.sessions.open(deployment.register(replace(BOB, founds="Bob's")), HOME, "password")


def organization_of(signed_in: SignedIn) -> str:
    assert signed_in.user.organization_id is not None
    return signed_in.user.organization_id


def membership_key(deployment: Deployment, organization_id: str, user_id: str) -> Key:
    return Key(deployment.tables["Organizations"], f"ORG#{organization_id}", f"MEMBER#{user_id}")


def test_the_authorizer_returns_the_user_and_the_role(deployment: Deployment, alice: SignedIn) -> None:
    caller = deployment.authorizer.authorize(alice.tokens.access_token, organization_of(alice))

    assert caller.subject == alice.user.user_id
    assert caller.user_id == botlaunch_id(alice.user.user_id)
    assert caller.session_id == alice.family_id
    assert (caller.organization_id, caller.role) == (organization_of(alice), "CLIENT_OWNER")


@pytest.mark.parametrize("named", [None, ""], ids=repr)
def test_without_an_organization_id_there_is_no_role(
    deployment: Deployment, alice: SignedIn, named: str | None
) -> None:
    watched = PassingStore(deployment.store)

    caller = replace(deployment, store=watched).authorizer.authorize(alice.tokens.access_token, named)

    assert (caller.subject, caller.organization_id, caller.role) == (alice.user.user_id, "", "")
    assert [call.method for call in watched.calls] == ["get_all", "write"]
    deployment.sessions.close(alice.tokens.access_token)
    with pytest.raises(SessionEnded):
        deployment.authorizer.authorize(alice.tokens.access_token, named)


@pytest.mark.covers("127", "128")
def test_another_organization_is_rejected(deployment: Deployment, alice: SignedIn, bob: SignedIn) -> None:
    """With the same error whether or not the organization exists."""
    for organization_id in (organization_of(bob), "org_7n42DGM5Tflk9n8mt7Fhc7", "org_1#MEMBER", "x" * 5000):
        with pytest.raises(NotAMember):
            deployment.authorizer.authorize(alice.tokens.access_token, organization_id)


def test_a_member_of_several_organizations_has_its_role_in_each(
    deployment: Deployment, alice: SignedIn, bob: SignedIn
) -> None:
    key = membership_key(deployment, organization_of(bob), alice.user.user_id)
    deployment.store.write(Put(key, {"role": Role.CLIENT_MEMBER, "since": 0}))

    roles = [
        deployment.authorizer.authorize(alice.tokens.access_token, organization_of(of)).role for of in (alice, bob)
    ]

    assert roles == ["CLIENT_OWNER", "CLIENT_MEMBER"]


@pytest.mark.covers("F38", "129")
def test_a_changed_role_and_a_removal_take_effect_on_the_next_call(deployment: Deployment, alice: SignedIn) -> None:
    authorizer, token = deployment.authorizer, alice.tokens.access_token
    key = membership_key(deployment, organization_of(alice), alice.user.user_id)

    deployment.store.write(Update(key, {"role": Role.CLIENT_MEMBER}))
    assert authorizer.authorize(token, organization_of(alice)).role == "CLIENT_MEMBER"

    deployment.store.write(Delete(key))
    with pytest.raises(NotAMember):
        authorizer.authorize(token, organization_of(alice))


@pytest.mark.covers("76", "103")
@pytest.mark.parametrize(
    ("token_of", "error"),
    [
        (lambda _, alice: alice.tokens.refresh_token, InvalidToken),
        (lambda _, alice: alice.tokens.access_token[:-4], InvalidToken),
        (lambda _, __: "pk_publishable", InvalidToken),
    ],
    ids=["a refresh token", "a damaged token", "an API key"],
)
def test_an_invalid_access_token_is_rejected_without_a_call(
    deployment: Deployment,
    alice: SignedIn,
    token_of: Callable[[Deployment, SignedIn], str],
    error: type[Exception],
) -> None:
    watched = PassingStore(deployment.store)

    with pytest.raises(error):
        replace(deployment, store=watched).authorizer.authorize(token_of(deployment, alice), organization_of(alice))

    assert watched.calls == []


def test_an_ended_session_is_reported_before_a_missing_membership(
    deployment: Deployment, alice: SignedIn, bob: SignedIn
) -> None:
    deployment.sessions.close(alice.tokens.access_token)

    for organization_id in (organization_of(alice), organization_of(bob), "nonsense"):
        with pytest.raises(SessionEnded):
            deployment.authorizer.authorize(alice.tokens.access_token, organization_id)


def test_an_expired_token_is_reported_as_expired(deployment: Deployment, alice: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().access_lifetime)

    with pytest.raises(TokenExpired):
        deployment.authorizer.authorize(alice.tokens.access_token, organization_of(alice))


def test_a_call_behind_the_authorizer_confirms_the_generation(
    deployment: Deployment, alice: SignedIn, clock: FakeClock
) -> None:
    """docs/decisions/0002-forgive-until-used.md: every use counts, also in another service."""
    second = deployment.sessions.refresh(alice.tokens.refresh_token)
    deployment.authorizer.authorize(second.tokens.access_token, organization_of(alice))
    clock.advance(timedelta(minutes=1))

    with pytest.raises(RefreshTokenReused):
        deployment.sessions.refresh(alice.tokens.refresh_token)


def test_found_returns_actions_and_writes_nothing(deployment: Deployment, clock: FakeClock) -> None:
    watched = PassingStore(deployment.store)

    founding = replace(deployment, store=watched).organizations.found("Acme", "founder", at=clock())

    assert watched.calls == []
    assert founding.organization.organization_id.startswith("org_")
    assert founding.role is Role.CLIENT_OWNER
    deployment.store.commit(*founding.actions)
    assert deployment.organizations.membership(founding.organization.organization_id, "founder") == Membership(
        organization_id=founding.organization.organization_id, user_id="founder", role="CLIENT_OWNER", since=clock()
    )
    assert deployment.organizations.find(founding.organization.organization_id) == founding.organization


def test_an_organization_is_never_overwritten(deployment: Deployment, clock: FakeClock) -> None:
    founding = deployment.organizations.found("Acme", "founder", at=clock())
    deployment.store.commit(*founding.actions)

    failures = deployment.store.commit(*founding.actions)

    assert all(failure is not None for failure in failures)
    assert len(failures) == 2
