"""gerbang.sessions.sign_out: ending one session, all others, or all."""

from datetime import timedelta
from functools import partial
from typing import override

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded, SignedIn, UserDeleted, UserDisabled
from gerbang.sessions.sign_out import Scope
from gerbang.storage.store import Action, CommitOutcome, ConditionFailed, Delete

from tests.deployment import ABROAD, ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import PassingStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment

of_every_scope = pytest.mark.parametrize("scope", Scope)


def sign_out(app: MailDeployment, session: SignedIn, scope: Scope) -> None:
    app.base.sign_out.sign_out(session.tokens.access_token, scope)


def three_sessions(app: MailDeployment) -> tuple[SignedIn, SignedIn, SignedIn]:
    first = app.register()
    second, third = (app.base.sign_in.sign_in(by_email(BOB.email), client) for client in (HOME, ABROAD))
    return first, second, third


@pytest.mark.parametrize(
    ("scope", "alive"),
    [
        (Scope.LOCAL, [False, True, True]),
        (Scope.OTHERS, [True, False, False]),
        (Scope.GLOBAL, [False, False, False]),
    ],
)
def test_only_the_sessions_of_the_scope_end(app: MailDeployment, scope: Scope, alive: list[bool]) -> None:
    sessions = three_sessions(app)
    stranger = app.register(ALICE)

    sign_out(app, sessions[0], scope)

    assert [session_works(app, session) for session in sessions] == alive
    for session, is_open in zip(sessions, alive, strict=True):
        if is_open:
            assert session_works(app, app.base.sessions.refresh(session.tokens.refresh_token))
        else:
            with pytest.raises(SessionEnded):
                app.base.sessions.refresh(session.tokens.refresh_token)
    assert session_works(app, stranger)
    assert password_works(app)
    (note,) = [note for note in app.base.recorded.notes if note.event == "signed_out"]
    assert note.fields == {
        "user_id": sessions[0].user.user_id,
        "session_id": sessions[0].family_id,
        "scope": scope.value,
    }


@of_every_scope
def test_an_expired_access_token_can_sign_out(app: MailDeployment, scope: Scope) -> None:
    first, second, _ = three_sessions(app)
    app.base.clock.advance(timedelta(hours=2))

    sign_out(app, first, scope)

    ended = first if scope is not Scope.OTHERS else second
    with pytest.raises(SessionEnded):
        app.base.sessions.refresh(ended.tokens.refresh_token)


@of_every_scope
def test_an_ended_session_cannot_sign_out(app: MailDeployment, scope: Scope) -> None:
    first, second, _ = three_sessions(app)
    sign_out(app, first, Scope.LOCAL)

    with pytest.raises(SessionEnded):
        sign_out(app, first, scope)

    assert session_works(app, second)


@of_every_scope
def test_the_user_of_the_session_must_exist_and_be_enabled(app_in_memory: MailDeployment, scope: Scope) -> None:
    deleted, disabled = app_in_memory.register(), app_in_memory.register(ALICE)
    app_in_memory.base.store.write(Delete(app_in_memory.users.key(deleted.user.user_id)))
    app_in_memory.disable(disabled.user)

    with pytest.raises(UserDeleted):
        sign_out(app_in_memory, deleted, scope)
    with pytest.raises(UserDisabled):
        sign_out(app_in_memory, disabled, scope)


@of_every_scope
@pytest.mark.parametrize("token", ["", "sb_publishable_tests", "a.b.c"])
def test_a_malformed_access_token_is_an_error(deployment_in_memory: Deployment, scope: Scope, token: str) -> None:
    with pytest.raises(InvalidToken):
        deployment_in_memory.sign_out.sign_out(token, scope)


@of_every_scope
def test_a_refresh_token_cannot_sign_out(app_in_memory: MailDeployment, scope: Scope) -> None:
    session = app_in_memory.register()

    with pytest.raises(InvalidToken):
        app_in_memory.base.sign_out.sign_out(session.tokens.refresh_token, scope)

    assert session_works(app_in_memory, session)


def test_a_guest_can_sign_out_of_all_sessions(app_in_memory: MailDeployment) -> None:
    guest = app_in_memory.guests.admit(HOME)

    sign_out(app_in_memory, guest, Scope.GLOBAL)

    assert not session_works(app_in_memory, guest)


class BusyStore(PassingStore):
    """A store in which every transaction conflicts with a change of the account."""

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        return tuple(ConditionFailed(None) for _ in actions)


def signing_out_meanwhile(app: MailDeployment, session: SignedIn, scope: Scope) -> MailDeployment:
    """The same world, where a session is signed out just before the next commit."""
    return app.meanwhile(partial(sign_out, app, session, scope))


@pytest.mark.covers("F30")
@pytest.mark.parametrize("scope", [Scope.GLOBAL, Scope.OTHERS])
def test_signing_out_twice_concurrently_ends_the_same_sessions(app: MailDeployment, scope: Scope) -> None:
    first, second, third = three_sessions(app)

    sign_out(signing_out_meanwhile(app, first, Scope.OTHERS), first, scope)

    assert [session_works(app, each) for each in (first, second, third)] == [scope is Scope.OTHERS, False, False]


def test_a_global_sign_out_during_another_one_succeeds(app: MailDeployment) -> None:
    first, second, third = three_sessions(app)

    sign_out(signing_out_meanwhile(app, second, Scope.GLOBAL), first, Scope.GLOBAL)

    assert [session_works(app, each) for each in (first, second, third)] == [False, False, False]


def test_a_session_that_ended_meanwhile_cannot_end_the_others(app: MailDeployment) -> None:
    first, second, third = three_sessions(app)

    with pytest.raises(SessionEnded):
        sign_out(signing_out_meanwhile(app, second, Scope.GLOBAL), first, Scope.OTHERS)

    assert [session_works(app, each) for each in (first, second, third)] == [False, False, False]


def test_at_most_one_of_two_sessions_that_end_the_others_stays_valid(app: MailDeployment) -> None:
    first, second, third = three_sessions(app)

    at_once([partial(sign_out, app, each, Scope.OTHERS) for each in (first, second)])

    assert [session_works(app, each) for each in (first, second, third)].count(True) == 1


def test_a_sign_out_that_keeps_conflicting_is_unavailable(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()

    with pytest.raises(DependencyUnavailable):
        sign_out(app_in_memory.on(BusyStore(app_in_memory.base.store)), session, Scope.GLOBAL)
