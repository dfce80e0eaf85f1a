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
from tests.unit.mail_deployment import MailDeployment, in_memory_only, mailing_in_memory

SECOND = timedelta(seconds=1)
LIFETIME = Choices().lifetime
LONGEST_SESSION = Choices().longest


def admit(post: MailDeployment) -> SignedIn:
    return post.guests.admit(HOME)


def refresh(post: MailDeployment, session: SignedIn) -> SignedIn:
    return post.base.sessions.refresh(session.tokens.refresh_token)


def account_item(database: Database, session: SignedIn) -> dict[str, Any]:
    (item,) = database.items("Users", f"USER#{session.user.user_id}")
    return dict(item)


# Who a guest is: security.md 113


@pytest.mark.covers("113")
def test_a_guest_has_an_own_id_and_no_names(post: MailDeployment, database: Database) -> None:
    first, second = admit(post), admit(post)

    assert first.user.user_id != second.user.user_id
    authenticated = post.base.sessions.authenticate(first.tokens.access_token)
    assert authenticated.user == first.user
    assert authenticated.family.amr[0].method == "anonymous"
    assert (authenticated.user.name, authenticated.user.email, authenticated.user.number) == ("", None, None)
    assert {str(item["pk"]).partition("#")[0] for item in database.items("Users")} == {"USER"}  # no markers


@pytest.mark.covers("113")
def test_the_access_token_of_a_guest_is_marked_as_anonymous(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)

    for session in (guest, refresh(post_in_memory, guest)):
        claims = claims_of(session.tokens.access_token)
        assert (claims["role"], claims["is_anonymous"], claims["email"]) == ("anonymous", True, "")
        assert claims["sub"] == guest.user.user_id


def test_a_guest_is_created_in_one_transaction(post_in_memory: MailDeployment) -> None:
    assert [method for method, _ in calls_of(post_in_memory, admit)] == ["commit", "write"]


# Expiry


def test_the_ttl_of_a_guest_is_the_longest_possible_session(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(post)

    assert account_item(database, guest)["expires_at"] == to_epoch(clock() + LONGEST_SESSION)
    (family,) = database.items("RefreshTokenFamilies")
    assert family["expires_at"] == to_epoch(clock() + LIFETIME)


def test_a_refresh_does_not_write_to_the_account_of_a_guest(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    guest = admit(post)
    before = account_item(database, guest)
    clock.advance(LIFETIME - SECOND)
    watched = PassingStore(post.base.store)

    refresh(post.on(watched), guest)

    assert [call.method for call in watched.calls] == ["get", "write"]
    assert account_item(database, guest) == before


def test_a_guest_that_keeps_refreshing_expires_with_the_longest_session(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    until = clock() + LONGEST_SESSION
    guest = admit(post)
    while clock() + LIFETIME < until:
        clock.advance(LIFETIME - SECOND)
        guest = refresh(post, guest)
    clock.advance(until - clock() - SECOND)
    last = refresh(post, guest)
    assert post.base.sessions.authenticate(last.tokens.access_token).user.is_anonymous

    clock.advance(SECOND)

    with pytest.raises(InvalidToken):
        refresh(post, last)
    assert not post.user(guest.user.user_id).may_sign_in(clock())
    assert database.items("RefreshTokenFamilies")  # F35: TTL has not deleted the items yet


def test_a_guest_whose_reused_token_was_forgiven_expires_with_its_session(
    post: MailDeployment, clock: FakeClock
) -> None:
    guest = admit(post)
    clock.advance(LIFETIME - SECOND)
    unanswered = refresh(post, guest)  # the answer is lost
    forgiven = refresh(post, guest)
    assert forgiven.tokens.refresh_token == unanswered.tokens.refresh_token
    clock.advance(LIFETIME - SECOND)

    later_session = refresh(post, forgiven)

    assert post.base.sessions.authenticate(later_session.tokens.access_token).user.user_id == guest.user.user_id


def test_a_guest_deleted_by_ttl_cannot_refresh_and_is_not_restored(post: MailDeployment, database: Database) -> None:
    guest = admit(post)
    post.base.store.write(Delete(post.base.users.key(guest.user.user_id)))

    with pytest.raises(SessionEnded):
        refresh(post, guest)
    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(guest.tokens.access_token)

    assert database.items("Users") == []


@in_memory_only
def test_a_guest_can_sign_out(post: MailDeployment) -> None:
    guest = admit(post)

    post.base.sessions.close(guest.tokens.access_token)

    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(guest.tokens.access_token)
    with pytest.raises(SessionEnded):
        refresh(post, guest)


# What a guest may: security.md 115


@pytest.mark.covers("115")
def test_a_guest_cannot_do_what_needs_a_registered_user(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)
    token = guest.tokens.access_token
    acme = post_in_memory.register(ALICE).user.organization_id
    assert acme is not None

    with pytest.raises(NotAPerson):
        post_in_memory.base.sessions.authenticate_person(token)
    with pytest.raises(NotAPerson):
        post_in_memory.password_change.change(
            token, current="", new="A new password 1", client=HOME, policy=PasswordPolicy()
        )
    with pytest.raises(NotAMember):
        post_in_memory.base.authorizer.authorize(token, acme)


def test_a_guest_cannot_sign_in_with_credentials(post_in_memory: MailDeployment) -> None:
    guest = admit(post_in_memory)

    for name in ("", guest.user.user_id):
        with pytest.raises(InvalidCredentials):
            post_in_memory.base.sign_in.sign_in(by_email(name, ""), HOME)


# Limits: security.md 34


@in_memory_only
def test_guests_and_registrations_of_a_client_share_one_limit(post: MailDeployment) -> None:
    base = replace(post.base, choices=Choices(registration=Limit(name="registration", attempts=4, window=LIFETIME)))
    post = replace(post, base=base)
    for number in range(2):
        new = NewAccount(email=EmailAddress(f"person-{number}@example.com"), password=PASSWORD, name="Person")
        base.registration.register(new, HOME)
        admit(post)

    with pytest.raises(TooManyAttempts) as caught:
        admit(post)

    assert (caught.value.limit, caught.value.retry_after) == ("registration", LIFETIME)
    assert post.guests.admit(ABROAD).user.is_anonymous


@pytest.mark.covers("34")
def test_of_forty_concurrent_guests_thirty_are_admitted(post: MailDeployment, database: Database) -> None:
    outcomes = at_once([partial(admit, post)] * 40)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 10
    assert len(database.items("Users", "USER#")) == 30


# Faults


def test_after_any_fault_a_guest_and_its_session_both_exist_or_neither() -> None:
    for run in faulty_runs(lambda: Scenario(mailing_in_memory(), admit)):
        base = run.deployment.base
        assert isinstance(base.store, MemoryStore)
        guests, sessions = base.store.items(base.tables["Users"]), base.store.items(base.tables["RefreshTokenFamilies"])
        assert [guest["user_id"] for guest in guests] == [session["user_id"] for session in sessions], run
        if isinstance(run.outcome, SignedIn):
            assert base.sessions.authenticate(run.outcome.tokens.access_token).user.is_anonymous, run
        else:
            assert isinstance(run.failure, DependencyUnavailable), run


def test_a_taken_id_is_not_given_to_a_second_guest(post: MailDeployment, database: Database) -> None:
    ids = iter(["00000001-0000-4000-8000-00000000000a"] * 2)
    repeating = replace(post.guests, new_id=lambda: next(ids))
    repeating.admit(HOME)

    with pytest.raises(DependencyUnavailable):
        repeating.admit(HOME)

    assert len(database.items("Users")) == len(database.items("RefreshTokenFamilies")) == 1
