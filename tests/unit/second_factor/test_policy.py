"""What requires a session with the second factor."""

from copy import replace
from http import HTTPStatus

import pytest
from gerbang.accounts.user_update import UserChanges
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.assurance import InsufficientLevel, SecondFactorPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ALICE, BOB, HOME, PASSWORD, Choices
from tests.unit.handlers import environment
from tests.unit.mail_deployment import MailDeployment
from tests.unit.second_factor.steps import (
    GOOGLE,
    aal1_session,
    caller_of,
    level_and_methods,
    stored_user,
    with_second_factor,
)
from tests.unit.teams import request


@pytest.mark.covers("208")
def test_changing_password_or_address_requires_the_second_factor(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    aal1 = aal1_session(app, raised)

    def update(session: SignedIn, changes: UserChanges) -> User:
        return app.base.user_update.update(caller_of(app, session), changes, HOME, PasswordPolicy())

    for changes in (UserChanges(password="Battery-staple-43"), UserChanges(email=ALICE.email)):
        with pytest.raises(InsufficientLevel):
            update(aal1, changes)
    with pytest.raises(InsufficientLevel):
        app.password_change.change(
            aal1.tokens.access_token, current=PASSWORD, new="Battery-staple-43", client=HOME, policy=PasswordPolicy()
        )
    assert update(aal1, UserChanges(metadata={"a": 1})).user_metadata == {"a": 1}
    update(raised, UserChanges(password="Battery-staple-43"))
    assert level_and_methods(app, raised)[0] == "aal2"


@pytest.mark.covers("201")
@pytest.mark.parametrize("provider", ["email", "google"])
def test_linking_and_unlinking_identities_requires_the_second_factor(app: MailDeployment, provider: str) -> None:
    session = app.register(BOB)
    app.verify_email(session.user)
    raised, _ = with_second_factor(app, session)
    linking, google = app.base.linked_identities, replace(GOOGLE, email="bob@private.example")
    aal1 = aal1_session(app, raised)

    with pytest.raises(InsufficientLevel):
        linking.link(caller_of(app, aal1), google, HOME)
    linking.link(caller_of(app, raised), google, HOME)
    before = stored_user(app, raised)
    with pytest.raises(InsufficientLevel):
        linking.unlink(caller_of(app, aal1), provider, HOME)
    assert stored_user(app, raised) == before
    linking.unlink(caller_of(app, raised), provider, HOME)

    assert (stored_user(app, raised).password_hash is None) == (provider == "email")


@pytest.mark.parametrize(
    ("function", "method", "body"),
    [
        ("api/organizations", "GET", None),
        ("api/organizations", "POST", {"name": "Toko"}),
        ("api/auth/invitations/accept", "POST", {"token": "any"}),
    ],
    ids=["list", "found", "join"],
)
def test_the_policy_applies_to_organization_endpoints(
    app_in_memory: MailDeployment, function: str, method: str, body: dict[str, str] | None
) -> None:
    app = app_in_memory
    raised, _ = with_second_factor(app, app.register(BOB))
    aal1 = aal1_session(app, raised)

    def is_forbidden(session: SignedIn, policy: SecondFactorPolicy = SecondFactorPolicy.IF_ENROLLED) -> bool:
        here = app.with_choices(Choices(second_factor=policy))
        answer = environment(function, here)(request(session, method, body))
        return bool(answer["statusCode"] == HTTPStatus.FORBIDDEN)

    assert is_forbidden(aal1)
    assert is_forbidden(app.register(ALICE), SecondFactorPolicy.ALWAYS)
    assert not is_forbidden(raised)
    assert not is_forbidden(aal1, SecondFactorPolicy.NEVER)


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        (SecondFactorPolicy.NEVER, ["no factor", "one of two", "both"]),
        (SecondFactorPolicy.IF_ENROLLED, ["no factor", "both"]),
        (SecondFactorPolicy.ALWAYS, ["both"]),
    ],
)
def test_the_policy_applies_to_the_authorizer(
    app_in_memory: MailDeployment, policy: SecondFactorPolicy, accepted: list[str]
) -> None:
    app = app_in_memory
    raised, _ = with_second_factor(app, app.register(BOB))
    aal1 = aal1_session(app, raised)
    sessions = {"no factor": app.register(ALICE), "one of two": aal1, "both": raised}
    authorizer = replace(app.base, choices=Choices(second_factor=policy)).authorizer

    def passes(session: SignedIn) -> bool:
        try:
            caller = authorizer.authorize(session.tokens.access_token, None)
        except InsufficientLevel:
            return False
        assert caller.level == level_and_methods(app, session)[0]
        return True

    assert [name for name, session in sessions.items() if passes(session)] == accepted
