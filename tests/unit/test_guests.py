"""gerbang.accounts.guests: anonymous accounts, which expire with their longest possible session."""

from copy import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import NotAPerson, SessionEnded, SignedIn
from gerbang.storage.store import Delete

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, HOME, PASSWORD, Choices, by_email
from tests.fakes import FakeClock, MemoryStore, PassingStore, at_once
from tests.unit.faulty_runs import Scenario, calls_of, faulty_runs
from tests.unit.jwt_parts import claims_of
from tests.unit.mail_deployment import MailDeployment, in_memory_only, new_app

SECOND = timedelta(seconds=1)
LIFETIME = Choices().lifetime
LONGEST_SESSION = Choices().longest


def admit(app: MailDeployment) -> SignedIn:
    return app.guests.admit(HOME)


def refresh(app: MailDeployment, session: SignedIn) -> SignedIn:
    return app.base.sessions.refresh(session.tokens.refresh_token)


def account_item(database: Database, session: SignedIn) -> dict[str, Any]:
    (item,) = database.items("Users", f"USER#{session.user.user_id}")
    return dict(item)


# Who a guest is: security.md 113


@pytest.mark.covers("113")
def test_a_guest_has_an_own_id_and_no_names(app: MailDeployment, database: Database) -> None:
    first, second = admit(app), admit(app)

    assert first.user.user_id != second.user.user_id
    authenticated = app.base.sessions.authenticate(first.tokens.access_token)
    assert authenticated.user == first.user
    assert authenticated.family.amr[0].method == "anonymous"
    assert (authenticated.user.name, authenticated.user.email, authenticated.user.number) == ("", None, None)
    assert {str(item["pk"]).partition("#")[0] for item in database.items("Users")} == {"USER"}  # no markers


@pytest.mark.covers("113")
def test_the_access_token_of_a_guest_is_marked_as_anonymous(app_in_memory: MailDeployment) -> None:
    guest = admit(app_in_memory)

    for session in (guest, refresh(app_in_memory, guest)):
        claims = claims_of(session.tokens.access_token)
        assert (claims["role"], claims["is_anonymous"], claims["email"]) == ("anonymous", True, "")
        assert claims["sub"] == guest.user.user_id


def test_a_guest_is_created_in_one_transaction(app_in_memory: MailDeployment) -> None:
    assert [method for method, _ in calls_of(app_in_memory, admit)] == ["commit", "write"]


# Expiry


def test_the_ttl_of_a_guest_is_the_longest_possible_session(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(app)

    assert account_item(database, guest)["expires_at"] == to_epoch(clock() + LONGEST_SESSION)
    (family,) = database.items("RefreshTokenFamilies")
    assert family["expires_at"] == to_epoch(clock() + LIFETIME)


def test_a_refresh_does_not_write_to_the_account_of_a_guest(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(app)
    before = account_item(database, guest)
    clock.advance(LIFETIME - SECOND)
    watched = PassingStore(app.base.store)

    refresh(app.on(watched), guest)

    assert [call.method for call in watched.calls] == ["get", "write"]
    assert account_item(database, guest) == before


def test_a_guest_that_keeps_refreshing_expires_with_the_longest_session(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    until = clock() + LONGEST_SESSION
    guest = admit(app)
    while clock() + LIFETIME < until:
        clock.advance(LIFETIME - SECOND)
        guest = refresh(app, guest)
    clock.advance(until - clock() - SECOND)
    last = refresh(app, guest)
    assert app.base.sessions.authenticate(last.tokens.access_token).user.is_anonymous

    clock.advance(SECOND)

    with pytest.raises(InvalidToken):
        refresh(app, last)
    assert not app.user(guest.user.user_id).may_sign_in(clock())
    assert database.items("RefreshTokenFamilies")  # F35: TTL has not deleted the items yet


def test_a_guest_whose_reused_token_was_forgiven_expires_with_its_session(
    app: MailDeployment, clock: FakeClock
) -> None:
    guest = admit(app)
    clock.advance(LIFETIME - SECOND)
    unanswered = refresh(app, guest)  # the answer is lost
    forgiven = refresh(app, guest)
    assert forgiven.tokens.refresh_token == unanswered.tokens.refresh_token
    clock.advance(LIFETIME - SECOND)

    later_session = refresh(app, forgiven)

    assert app.base.sessions.authenticate(later_session.tokens.access_token).user.user_id == guest.user.user_id


def test_a_guest_deleted_by_ttl_cannot_refresh_and_is_not_restored(app: MailDeployment, database: Database) -> None:
    guest = admit(app)
    app.base.store.write(Delete(app.base.users.key(guest.user.user_id)))

    with pytest.raises(SessionEnded):
        refresh(app, guest)
    with pytest.raises(SessionEnded):
        app.base.sessions.authenticate(guest.tokens.access_token)

    assert database.items("Users") == []


@in_memory_only
def test_a_guest_can_sign_out(app: MailDeployment) -> None:
    guest = admit(app)

    app.base.sessions.close(guest.tokens.access_token)

    with pytest.raises(SessionEnded):
        app.base.sessions.authenticate(guest.tokens.access_token)
    with pytest.raises(SessionEnded):
        refresh(app, guest)


# What a guest may: security.md 115


@pytest.mark.covers("115")
def test_a_guest_cannot_do_what_needs_a_registered_user(app_in_memory: MailDeployment) -> None:
    guest = admit(app_in_memory)
    token = guest.tokens.access_token
    acme = app_in_memory.register(ALICE).user.organization_id
    assert acme is not None

    with pytest.raises(NotAPerson):
        app_in_memory.base.sessions.authenticate_person(token)
    with pytest.raises(NotAPerson):
        app_in_memory.password_change.change(
            token, current="", new="A new password 1", client=HOME, policy=PasswordPolicy()
        )
    with pytest.raises(NotAMember):
        app_in_memory.base.authorizer.authorize(token, acme)


def test_a_guest_cannot_sign_in_with_credentials(app_in_memory: MailDeployment) -> None:
    guest = admit(app_in_memory)

    for name in ("", guest.user.user_id):
        with pytest.raises(InvalidCredentials):
            app_in_memory.base.sign_in.sign_in(by_email(name, ""), HOME)


# Limits: security.md 34


@in_memory_only
def test_guests_and_registrations_of_a_client_share_one_limit(app: MailDeployment) -> None:
    base = replace(app.base, choices=Choices(registration=Limit(name="registration", attempts=4, window=LIFETIME)))
    app = replace(app, base=base)
    for number in range(2):
        new = NewAccount(email=EmailAddress(f"person-{number}@example.com"), password=PASSWORD, name="Person")
        base.registration.register(new, HOME)
        admit(app)

    with pytest.raises(TooManyAttempts) as caught:
        admit(app)

    assert (caught.value.limit, caught.value.retry_after) == ("registration", LIFETIME)
    assert app.guests.admit(ABROAD).user.is_anonymous


@pytest.mark.covers("34")
def test_of_forty_concurrent_guests_thirty_are_admitted(app: MailDeployment, database: Database) -> None:
    outcomes = at_once([partial(admit, app)] * 40)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 10
    assert len(database.items("Users", "USER#")) == 30


# Faults


def test_after_any_fault_a_guest_and_its_session_both_exist_or_neither() -> None:
    for run in faulty_runs(lambda: Scenario(new_app(), admit)):
        base = run.deployment.base
        assert isinstance(base.store, MemoryStore)
        guests, sessions = base.store.items(base.tables["Users"]), base.store.items(base.tables["RefreshTokenFamilies"])
        assert [guest["user_id"] for guest in guests] == [session["user_id"] for session in sessions], run
        if isinstance(run.outcome, SignedIn):
            assert base.sessions.authenticate(run.outcome.tokens.access_token).user.is_anonymous, run
        else:
            assert isinstance(run.failure, DependencyUnavailable), run


def test_a_taken_id_is_not_given_to_a_second_guest(app: MailDeployment, database: Database) -> None:
    ids = iter(["00000001-0000-4000-8000-00000000000a"] * 2)
    repeating = replace(app.guests, new_id=lambda: next(ids))
    repeating.admit(HOME)

    with pytest.raises(DependencyUnavailable):
        repeating.admit(HOME)

    assert len(database.items("Users")) == len(database.items("RefreshTokenFamilies")) == 1
