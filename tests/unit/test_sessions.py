"""gerbang.sessions.sessions: opening, refreshing and ending sessions."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from functools import partial
from itertools import count
from threading import Event

import pytest
from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.user_agents import LONGEST_USER_AGENT
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.sessions import (
    Authenticated,
    NotAPerson,
    RefreshTokenReused,
    SessionEnded,
    Sessions,
    SignedIn,
    SignInOvertaken,
)
from gerbang.storage.accounts import User
from gerbang.storage.families import Authentication, Family
from gerbang.storage.store import Delete, Gone, Key, Plus, Put, Update, Written

from tests.conftest import Database
from tests.deployment import ABROAD, HOME, Choices, Deployment
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MeanwhileStore, PassingStore, RecordingLog, at_once
from tests.unit.torn_store import TornStore

SECOND = timedelta(seconds=1)
GRACE = Choices().grace
LATE_IN_A_ROW = 3
"""How many generations in a row may be refreshed late, after the grace (decision 0018; faults.md F8)."""


@pytest.fixture
def alice(deployment: Deployment) -> User:
    """A stored account."""
    return new_account(deployment, "alice")


@pytest.fixture
def sessions(deployment: Deployment) -> Sessions:
    return deployment.sessions


@pytest.fixture
def first(sessions: Sessions, alice: User) -> SignedIn:
    """A session that was just opened."""
    return sessions.open(alice, HOME, "password")


def new_account(deployment: Deployment, name: str, *, is_guest_until: timedelta | None = None) -> User:
    now = deployment.clock()
    user = User(
        user_id=deployment.new_id(),
        name=name,
        email=f"{name}@example.com",
        created_at=now,
        updated_at=now,
        is_anonymous=is_guest_until is not None,
        expires_at=None if is_guest_until is None else now + is_guest_until,
    )
    assert deployment.store.commit(*deployment.users.creation(user).values()) == ()
    return user


def with_choices(deployment: Deployment, choices: Choices) -> Sessions:
    return replace(deployment, choices=choices).sessions


def refresh(sessions: Sessions, session: SignedIn) -> SignedIn:
    return sessions.refresh(session.tokens.refresh_token)


def authenticate(sessions: Sessions, session: SignedIn) -> Authenticated:
    return sessions.authenticate(session.tokens.access_token)


def key_of(deployment: Deployment, session: SignedIn) -> Key:
    return deployment.families.key(session.user.user_id, session.family_id)


def family_of(deployment: Deployment, session: SignedIn) -> Family | None:
    return deployment.families.read(deployment.store.get(key_of(deployment, session)))


def generation_of(deployment: Deployment, session: SignedIn) -> int:
    family = family_of(deployment, session)
    assert family is not None
    return family.generation


def raise_epoch(deployment: Deployment, user: User) -> None:
    """End the sessions of an account, as a password reset does."""
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), {"epoch": Plus(1)})), Written)


def disable(deployment: Deployment, user: User) -> None:
    change = Update(deployment.users.key(user.user_id), {"disabled_at": to_epoch(deployment.clock())})
    assert isinstance(deployment.store.write(change), Written)


def overtaken_by(deployment: Deployment, session: SignedIn, happens: Callable[[], object]) -> Sessions:
    """Return the service on a store where something happens just before a session's item is written."""
    meanwhile = MeanwhileStore(deployment.store, before=writes_family(session), happens=happens)
    return replace(deployment, store=meanwhile).sessions


def assert_ended(sessions: Sessions, *tokens: SignedIn) -> None:
    for session in tokens:
        with pytest.raises(SessionEnded):
            authenticate(sessions, session)
        with pytest.raises(SessionEnded):
            refresh(sessions, session)


# Rotation


def test_opening_a_session_returns_valid_tokens(
    sessions: Sessions, alice: User, first: SignedIn, clock: FakeClock
) -> None:
    authenticated = authenticate(sessions, first)
    family = authenticated.family

    assert authenticated.user.user_id == alice.user_id
    assert family.family_id == first.family_id
    assert (family.amr, family.aal) == ((Authentication(method="password", at=clock()),), "aal1")
    assert (family.device, family.address) == (HOME.device, HOME.address)


def test_a_refresh_keeps_the_sign_in_method(sessions: Sessions, alice: User, clock: FakeClock) -> None:
    opened = sessions.open(alice, HOME, "oauth")
    signed_in_at = clock()
    clock.advance(timedelta(hours=1))

    family = authenticate(sessions, refresh(sessions, opened)).family

    assert (family.amr, family.aal) == ((Authentication(method="oauth", at=signed_in_at),), "aal1")


def test_one_query_lists_the_sessions_of_a_user(deployment: Deployment, alice: User, first: SignedIn) -> None:
    second = deployment.sessions.open(alice, ABROAD, "password")
    mallory = new_account(deployment, "mallory")
    deployment.sessions.open(mallory, ABROAD, "password")
    watched = PassingStore(deployment.store)

    families = replace(deployment.families, store=watched).list(alice.user_id)

    assert {family.family_id for family in families} == {first.family_id, second.family_id}
    assert {family.user_id for family in families} == {alice.user_id}
    assert set(families) == {family_of(deployment, first), family_of(deployment, second)}
    assert [call.method for call in watched.calls] == ["query"]
    assert deployment.families.list("no account") == ()


def test_a_sign_in_sets_last_sign_in_at(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    clock.advance(timedelta(days=3))

    deployment.sessions.open(alice, HOME, "password")

    user = deployment.users.find(alice.user_id)
    assert user is not None
    assert user.last_sign_in_at == clock()


@pytest.mark.covers("98")
def test_every_sign_in_opens_a_separate_session(sessions: Sessions, alice: User, first: SignedIn) -> None:
    """ASVS 7.2.4, security.md 98."""
    second = sessions.open(alice, ABROAD, "password")

    assert second.family_id != first.family_id
    sessions.close(second.tokens.access_token)
    assert authenticate(sessions, first).user.user_id == alice.user_id


def test_a_new_session_never_replaces_another(deployment: Deployment, alice: User, first: SignedIn) -> None:
    """security.md 98: not even if the same id is generated twice."""
    repeating_id = replace(deployment.sessions, new_id=lambda: first.family_id)

    with pytest.raises(SignInOvertaken):
        repeating_id.open(alice, ABROAD, "password")

    assert authenticate(deployment.sessions, first).user.user_id == alice.user_id


def test_a_long_user_agent_is_truncated(deployment: Deployment, alice: User) -> None:
    opened = deployment.sessions.open(alice, Client(address="192.0.2.1", device="x" * 10_000), "password")

    family = family_of(deployment, opened)
    assert family is not None
    assert family.device == "x" * LONGEST_USER_AGENT


@pytest.mark.covers("80")
def test_a_refresh_replaces_the_refresh_token(
    deployment: Deployment, sessions: Sessions, first: SignedIn, log: RecordingLog
) -> None:
    """Each refresh token is used once."""
    second = refresh(sessions, first)

    assert second.tokens.refresh_token != first.tokens.refresh_token
    assert second.family_id == first.family_id
    assert generation_of(deployment, first) == 2
    assert authenticate(sessions, second).family.generation == 2
    assert log.events[-1] == "session_refreshed"


def test_a_session_can_be_refreshed_many_times(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    session = first
    for _ in range(20):
        clock.advance(timedelta(hours=1))
        session = refresh(sessions, session)
        authenticate(sessions, session)

    assert generation_of(deployment, first) == 21


@pytest.mark.covers("91")
def test_a_refresh_returns_the_account_as_it_is_now(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """Security.md 91: the account is read again; nothing is copied from the token."""
    deployment.store.write(Update(deployment.users.key(alice.user_id), {"name": "Alice Cooper"}))

    assert refresh(sessions, first).user.name == "Alice Cooper"


def reading_roles(deployment: Deployment) -> Sessions:
    return replace(deployment.sessions, read_role=deployment.organizations.table.default_role)


def test_a_session_has_the_current_role_of_the_membership(deployment: Deployment) -> None:
    alice, sessions = deployment.register(), reading_roles(deployment)
    membership = deployment.organizations.table.membership_deletion(str(alice.organization_id), alice.user_id).key

    first = sessions.open(alice, HOME, "password")
    deployment.store.write(Update(membership, {"role": "CLIENT_MEMBER"}))
    second = refresh(sessions, first)
    repeated = refresh(sessions, first)  # forgiven
    deployment.store.write(Delete(membership))
    third = refresh(sessions, second)

    assert [session.role for session in (first, second, repeated, third)] == [
        "CLIENT_OWNER",
        "CLIENT_MEMBER",
        "CLIENT_MEMBER",
        None,
    ]


def test_the_role_is_read_in_parallel_with_the_write(deployment: Deployment) -> None:
    """Budgets: reading the role adds no round trip."""
    alice = deployment.register()
    role_was_read = Event()

    def wait_for_the_role(call: Call) -> bool:
        if call.keys[0].table == deployment.tables["Organizations"]:
            role_was_read.set()
        elif call.method in {"commit", "write"}:
            assert role_was_read.wait(timeout=20), "the role is read after the write"
            role_was_read.clear()
        return False

    sessions = reading_roles(replace(deployment, store=FaultyStore(deployment.store, at=wait_for_the_role)))

    first = sessions.open(alice, HOME, "password")
    second = refresh(sessions, first)

    assert [first.role, second.role] == ["CLIENT_OWNER"] * 2


def test_without_an_organization_no_role_is_read(deployment: Deployment, alice: User) -> None:
    watched = PassingStore(deployment.store)
    sessions = reading_roles(replace(deployment, store=watched))

    assert refresh(sessions, sessions.open(alice, HOME, "password")).role is None

    assert all(key.table != deployment.tables["Organizations"] for call in watched.calls for key in call.keys)


def test_the_role_is_read_only_by_apis_that_show_it(deployment: Deployment) -> None:
    alice, watched = deployment.register(), PassingStore(deployment.store)
    sessions = replace(deployment, store=watched).sessions

    assert refresh(sessions, sessions.open(alice, HOME, "password")).role is None

    assert all(key.table != deployment.tables["Organizations"] for call in watched.calls for key in call.keys)


@pytest.mark.covers("86")
def test_no_token_is_stored(database: Database, sessions: Sessions, first: SignedIn) -> None:
    """A stolen table holds nothing that signs in."""
    second = refresh(sessions, first)

    (item,) = database.items("RefreshTokenFamilies")

    texts = [value for value in item.values() if isinstance(value, str)]
    for token in (first.tokens, second.tokens):
        for part in (*token.access_token.split("."), *token.refresh_token.split(".")):
            assert not any(part in text for text in texts)


# Races: F6, security.md 82


@pytest.mark.covers("F6", "80", "82")
def test_fifty_concurrent_refreshes_return_the_same_successor(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    outcomes = at_once([lambda: refresh(sessions, first)] * 50)

    refreshed = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, SignedIn)] == []
    assert len({session.tokens.refresh_token for session in refreshed}) == 1
    assert generation_of(deployment, first) == 2
    for session in (refreshed[0], refreshed[-1]):
        assert authenticate(sessions, session).family.generation == 2
    assert authenticate(sessions, refresh(sessions, refreshed[0])).family.generation == 3


def test_concurrent_refreshes_return_the_same_successor_without_grace_too(
    deployment: Deployment, first: SignedIn
) -> None:
    strict = with_choices(deployment, Choices(grace=timedelta(0)))

    outcomes = at_once([lambda: refresh(strict, first)] * 20)

    assert (
        len({session.tokens.refresh_token if isinstance(session, SignedIn) else repr(session) for session in outcomes})
        == 1
    )
    assert generation_of(deployment, first) == 2


def test_a_repeated_refresh_returns_an_identical_refresh_token(
    sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    clock.advance(timedelta(hours=2, microseconds=987_654))
    second = refresh(sessions, first)
    clock.advance(timedelta(seconds=29))

    repeated = refresh(sessions, first)

    assert repeated.tokens.refresh_token == second.tokens.refresh_token
    assert log.events[-1] == "refresh_forgiven"


# Forgive until used: docs/decisions/0002-forgive-until-used.md, security.md 83


@pytest.mark.covers("83")
def test_within_the_grace_a_token_is_forgiven_even_if_its_successor_is_in_use(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = refresh(sessions, first)
    authenticate(sessions, second)
    clock.advance(GRACE - SECOND)

    assert refresh(sessions, first).tokens.refresh_token == second.tokens.refresh_token


@pytest.mark.covers("F7", "F8")
def test_a_refresh_whose_response_was_lost_can_be_repeated_six_days_later(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """F7, F8: the successor is unused, so its response was lost."""
    lost = refresh(sessions, first)
    clock.advance(timedelta(days=6))

    repeated = refresh(sessions, first)

    assert repeated.tokens.refresh_token == lost.tokens.refresh_token
    assert authenticate(sessions, repeated).family.generation == 2
    assert authenticate(sessions, refresh(sessions, repeated)).family.generation == 3


@pytest.mark.covers("F8", "81")
def test_reusing_a_token_after_its_successor_was_used_ends_the_session(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    """Whether the thief refreshed first or the victim. The newest tokens are invalid too."""
    second = refresh(sessions, first)
    authenticate(sessions, second)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused) as caught:
        refresh(sessions, first)

    assert (caught.value.session_id, caught.value.user_id) == (first.family_id, first.user.user_id)
    assert family_of(deployment, first) is None
    assert_ended(sessions, first, second)
    assert "refresh_forgiven" not in log.events


def test_after_the_grace_a_token_two_generations_behind_ends_the_session(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = refresh(sessions, first)
    third = refresh(sessions, second)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused):
        refresh(sessions, first)
    assert_ended(sessions, second, third)


@pytest.mark.covers("83")
def test_a_token_two_generations_behind_is_forgiven_within_its_own_grace(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = refresh(sessions, first)
    clock.advance(timedelta(seconds=20))
    third = refresh(sessions, second)
    authenticate(sessions, third)
    clock.advance(timedelta(seconds=9))

    assert refresh(sessions, first).tokens.refresh_token == third.tokens.refresh_token

    clock.advance(SECOND)  # 30 s after its own refresh, 10 s after the next one
    assert refresh(sessions, second).tokens.refresh_token == third.tokens.refresh_token
    with pytest.raises(RefreshTokenReused):
        refresh(sessions, first)


@pytest.mark.covers("93")
def test_a_token_three_generations_behind_is_never_forgiven(sessions: Sessions, first: SignedIn) -> None:
    """Generations are compared, not times: all of this happens in the same second."""
    second = refresh(sessions, first)
    third = refresh(sessions, second)
    fourth = refresh(sessions, third)

    assert refresh(sessions, third).tokens.refresh_token == fourth.tokens.refresh_token
    assert refresh(sessions, second).tokens.refresh_token == fourth.tokens.refresh_token
    with pytest.raises(RefreshTokenReused):
        refresh(sessions, first)
    assert_ended(sessions, fourth)


@pytest.mark.covers("93")
@pytest.mark.parametrize("replayed", [0, 1, 2], ids=["first", "second", "third"])
def test_without_grace_refreshes_within_the_same_second_are_distinguished(
    deployment: Deployment, first: SignedIn, replayed: int
) -> None:
    """Keycloak PR 51885."""
    strict = with_choices(deployment, Choices(grace=timedelta(0)))
    opened = [first]
    for _ in range(3):
        opened.append(refresh(strict, opened[-1]))
        authenticate(strict, opened[-1])

    with pytest.raises(RefreshTokenReused):
        refresh(strict, opened[replayed])
    assert_ended(strict, *opened)


def test_the_grace_for_unused_successors_can_be_limited(
    deployment: Deployment, first: SignedIn, clock: FakeClock
) -> None:
    """For access tokens that are verified elsewhere, where no use is recorded (UnconfirmedGraceSeconds)."""
    bounded = with_choices(deployment, Choices(unconfirmed_grace=timedelta(hours=1)))
    second = refresh(bounded, first)
    clock.advance(timedelta(hours=1) - SECOND)
    assert refresh(bounded, first).tokens.refresh_token == second.tokens.refresh_token

    clock.advance(SECOND)

    with pytest.raises(RefreshTokenReused):
        refresh(bounded, first)


def test_an_access_token_of_an_older_generation_is_valid_and_confirms_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = refresh(sessions, first)
    clock.advance(timedelta(minutes=10))

    assert authenticate(sessions, first).family.generation == 2
    family = family_of(deployment, first)

    assert family is not None
    assert family.confirmed == 0
    assert refresh(sessions, first).tokens.refresh_token == second.tokens.refresh_token


def test_the_first_use_confirms_a_generation_in_one_write(deployment: Deployment, first: SignedIn) -> None:
    watched = PassingStore(deployment.store)
    sessions = replace(deployment, store=watched).sessions
    session = first
    for _ in range(3):
        watched.calls.clear()
        for _ in range(4):
            authenticate(sessions, session)

        assert [call.method for call in watched.calls] == ["get_all", "write", "get_all", "get_all", "get_all"]
        session = refresh(sessions, session)


def test_concurrent_uses_confirm_a_generation_once(deployment: Deployment, sessions: Sessions, first: SignedIn) -> None:
    outcomes = at_once([lambda: authenticate(sessions, first)] * 10)

    assert all(isinstance(outcome, Authenticated) for outcome in outcomes)
    family = family_of(deployment, first)
    assert family is not None
    assert family.confirmed == family.generation == 1


def test_a_late_confirmation_does_not_lower_the_confirmed_generation(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    overtaken = overtaken_by(deployment, first, lambda: authenticate(sessions, refresh(sessions, first)))
    authenticate(overtaken, first)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused):
        refresh(sessions, first)


# Theft: the victim and the thief have the same refresh token


def test_a_thief_with_the_same_successor_is_detected_at_the_next_refresh(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """Both get the same successor. Once it has been used, the second of them to refresh it is detected."""
    both = refresh(sessions, first)
    clock.advance(timedelta(minutes=5))
    assert refresh(sessions, first).tokens.refresh_token == both.tokens.refresh_token
    authenticate(sessions, both)
    clock.advance(timedelta(minutes=5))

    one = refresh(sessions, both)
    authenticate(sessions, one)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused):
        refresh(sessions, both)
    assert_ended(sessions, first, both, one)


def test_a_thief_who_never_confirms_a_generation_is_detected_at_the_fourth_late_return(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """Decision 0018: `confirmed` alone does not detect this thief: the victim is the first to use each generation."""
    thief = victim = first
    for _ in range(LATE_IN_A_ROW):
        thief, victim = refresh_as_a_patient_thief(sessions, thief, victim, clock)

    with pytest.raises(RefreshTokenReused):
        refresh_as_a_patient_thief(sessions, thief, victim, clock)
    assert_ended(sessions, thief, victim)


def refresh_as_a_patient_thief(
    sessions: Sessions, thief: SignedIn, victim: SignedIn, clock: FakeClock
) -> tuple[SignedIn, SignedIn]:
    """The thief refreshes soon after the victim, and once more shortly before the victim does."""
    authenticate(sessions, victim)
    clock.advance(timedelta(minutes=20))
    refresh(sessions, thief)
    authenticate(sessions, thief)  # an older access token, which confirms nothing
    clock.advance(timedelta(minutes=15))
    successor = refresh(sessions, thief)
    clock.advance(timedelta(minutes=1))
    return successor, refresh(sessions, victim)


def test_occasional_lost_responses_do_not_end_the_session(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    session = first
    for _ in range(5):
        for _ in range(LATE_IN_A_ROW):
            session = refresh_late(sessions, session, clock)
        session = refresh(sessions, session)
        authenticate(sessions, session)


def test_the_same_response_may_be_lost_any_number_of_times(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    for _ in range(3 * LATE_IN_A_ROW):
        refresh_late(sessions, first, clock)


def test_tabs_that_refresh_together_within_the_grace_are_never_late(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    session = first
    for _ in range(3 * LATE_IN_A_ROW):
        refresh(sessions, session)
        clock.advance(GRACE - SECOND)
        session = refresh(sessions, session)
        authenticate(sessions, session)


def refresh_late(sessions: Sessions, session: SignedIn, clock: FakeClock) -> SignedIn:
    """Refresh and lose the response; refresh the same token again after the grace."""
    refresh(sessions, session)
    clock.advance(GRACE)
    return refresh(sessions, session)


def test_a_theft_in_one_session_does_not_end_the_others(
    sessions: Sessions, alice: User, first: SignedIn, clock: FakeClock
) -> None:
    elsewhere = sessions.open(alice, ABROAD, "password")
    authenticate(sessions, refresh(sessions, first))
    clock.advance(GRACE)
    with pytest.raises(RefreshTokenReused):
        refresh(sessions, first)

    assert authenticate(sessions, refresh(sessions, elsewhere)).user.user_id == alice.user_id


# Lost responses to our own writes: F9, D6


def writes_family(session: SignedIn) -> Callable[[Call], bool]:
    return lambda call: call.method == "write" and call.keys[0].sk == session.family_id


def second_write_of_family(session: SignedIn) -> Callable[[Call], bool]:
    """Match the write that records a late refresh."""
    writes = count(1)
    return lambda call: writes_family(session)(call) and next(writes) == 2


@pytest.mark.covers("F9", "D6")
def test_a_write_that_the_sdk_retries_is_not_mistaken_for_theft(
    deployment: Deployment, first: SignedIn, log: RecordingLog
) -> None:
    """The repeated write fails because the first one succeeded. Only the nonce tells."""
    choices = Choices(grace=timedelta(0), unconfirmed_grace=timedelta(0))
    faulty = FaultyStore(deployment.store, at=writes_family(first), fault=Fault.ASKED_AGAIN)
    sessions = replace(deployment, store=faulty, choices=choices).sessions

    second = refresh(sessions, first)

    assert log.events[-1] == "session_refreshed"
    assert authenticate(deployment.sessions, second).family.generation == 2
    assert authenticate(deployment.sessions, refresh(deployment.sessions, second)).family.generation == 3


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_refresh_whose_write_failed_returns_no_token_and_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, fault: Fault
) -> None:
    faulty = FaultyStore(deployment.store, at=writes_family(first), fault=fault)
    with pytest.raises(DependencyUnavailable):
        refresh(replace(deployment, store=faulty).sessions, first)
    clock.advance(timedelta(days=2))

    second = refresh(sessions, first)

    assert generation_of(deployment, first) == 2
    assert authenticate(sessions, second).family.generation == 2


def test_a_refresh_whose_tokens_could_not_be_signed_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    """The write has been done; to the client this is a lost response."""

    def fail() -> str:
        raise DependencyUnavailable("secret")

    failing = replace(sessions, tokens=replace(deployment.tokens, new_id=fail))
    with pytest.raises(DependencyUnavailable):
        refresh(failing, first)
    assert generation_of(deployment, first) == 2
    assert "session_refreshed" not in log.events
    clock.advance(timedelta(days=2))

    second = refresh(sessions, first)

    assert log.events[-1] == "refresh_forgiven"
    assert generation_of(deployment, first) == 2
    assert authenticate(sessions, refresh(sessions, second)).family.generation == 3


def test_tokens_are_signed_from_the_item_that_the_write_returned(deployment: Deployment, first: SignedIn) -> None:
    """Not from the claims of the refresh token: here the table has another time of sign-in."""
    earlier = to_epoch(deployment.clock()) - 3600
    deployment.store.write(Update(key_of(deployment, first), {"created_at": earlier}))

    second = refresh(deployment.sessions, first)

    claims = deployment.tokens.read_refresh(second.tokens.refresh_token, at=deployment.clock())
    assert to_epoch(claims.signed_in_at) == earlier


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_late_refresh_that_could_not_be_recorded_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, fault: Fault
) -> None:
    second = refresh(sessions, first)
    clock.advance(GRACE)
    faulty = FaultyStore(deployment.store, at=second_write_of_family(first), fault=fault)
    with pytest.raises(DependencyUnavailable):
        refresh(replace(deployment, store=faulty).sessions, first)

    assert refresh(sessions, first).tokens.refresh_token == second.tokens.refresh_token


def test_recording_a_late_refresh_does_not_recreate_an_ended_session(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """An item created by that write would have no expiry and stay for ever."""
    refresh(sessions, first)
    clock.advance(GRACE)
    meanwhile = MeanwhileStore(
        deployment.store,
        before=second_write_of_family(first),
        happens=lambda: sessions.close(first.tokens.access_token),
    )

    refresh(replace(deployment, store=meanwhile).sessions, first)

    assert deployment.store.get(key_of(deployment, first)) is None


# How long a session lasts: security.md 84, 85


@pytest.mark.covers("85")
def test_an_unused_session_expires(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().lifetime)

    with pytest.raises(InvalidToken):
        refresh(sessions, first)


def test_every_refresh_extends_the_session(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    session = first
    for _ in range(10):
        clock.advance(Choices().lifetime - SECOND)
        session = refresh(sessions, session)

    assert authenticate(sessions, session).family.generation == 11


@pytest.mark.covers("84")
def test_no_refresh_extends_the_absolute_lifetime(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    sessions = with_choices(deployment, Choices(longest=timedelta(days=10)))
    session = sessions.open(alice, HOME, "password")
    for _ in range(9):
        clock.advance(timedelta(days=1))
        session = refresh(sessions, session)
    clock.advance(timedelta(days=1) - SECOND)
    last = refresh(sessions, session)
    assert authenticate(sessions, last).family.expires_at == clock() + SECOND

    clock.advance(SECOND)

    with pytest.raises(InvalidToken):
        refresh(sessions, last)
    with pytest.raises(TokenExpired):
        authenticate(sessions, last)


def test_no_access_token_outlives_its_session(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    choices = Choices(access_lifetime=timedelta(days=1), lifetime=timedelta(hours=1), longest=timedelta(minutes=90))
    sessions = with_choices(deployment, choices)

    opened = sessions.open(alice, HOME, "password").tokens
    assert (opened.expires_in, opened.expires_at) == (timedelta(hours=1), clock() + timedelta(hours=1))

    clock.advance(timedelta(minutes=50))
    refreshed = sessions.refresh(opened.refresh_token).tokens
    assert (refreshed.expires_in, refreshed.expires_at) == (timedelta(minutes=40), clock() + timedelta(minutes=40))

    clock.advance(timedelta(minutes=9))
    forgiven = sessions.refresh(opened.refresh_token)
    assert (forgiven.tokens.expires_in, forgiven.tokens.expires_at) == (timedelta(minutes=31), refreshed.expires_at)
    assert authenticate(sessions, forgiven).family.expires_at == forgiven.tokens.expires_at


def test_an_access_token_expires_after_its_lifetime(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().access_lifetime - SECOND)
    authenticate(sessions, first)
    clock.advance(SECOND)

    with pytest.raises(TokenExpired):
        authenticate(sessions, first)


@pytest.mark.covers("F35")
def test_an_expired_session_is_rejected_before_ttl_deletes_it(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """F35: DynamoDB may delete expired items days late."""
    key = key_of(deployment, first)
    deployment.store.write(Update(key, {"expires_at": to_epoch(clock())}))

    assert_ended(sessions, first)
    assert generation_of(deployment, first) == 1


@pytest.mark.covers("F36")
def test_a_deleted_session_is_not_recreated(deployment: Deployment, sessions: Sessions, first: SignedIn) -> None:
    """F36."""
    deployment.store.write(Delete(key_of(deployment, first)))

    assert_ended(sessions, first)
    assert family_of(deployment, first) is None


@pytest.mark.covers("F44")
def test_a_token_newer_than_a_restored_table_is_rejected(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """F44: the backup has an older generation of the session."""
    backup = deployment.store.get(key_of(deployment, first))
    assert backup is not None
    second = refresh(sessions, first)
    deployment.store.write(Put(key_of(deployment, first), backup))

    with pytest.raises(SessionEnded):
        authenticate(sessions, second)


# Signing out: security.md 96, 97, 94


@pytest.mark.covers("96")
def test_a_sign_out_takes_effect_immediately(sessions: Sessions, first: SignedIn, log: RecordingLog) -> None:
    second = refresh(sessions, first)

    sessions.close(second.tokens.access_token)

    assert_ended(sessions, first, second)
    assert log.events[-1] == "signed_out"


@pytest.mark.covers("97")
def test_an_older_access_token_signs_out_too(sessions: Sessions, first: SignedIn) -> None:
    second = refresh(sessions, first)
    authenticate(sessions, second)

    sessions.close(first.tokens.access_token)

    assert_ended(sessions, first, second)


def test_signing_out_twice_is_an_error(sessions: Sessions, first: SignedIn) -> None:
    sessions.close(first.tokens.access_token)

    with pytest.raises(SessionEnded):
        sessions.close(first.tokens.access_token)


@pytest.mark.covers("74")
def test_a_token_with_padding_appended_is_signed_out_too(sessions: Sessions, first: SignedIn) -> None:
    """A session is ended by its id, not by the text of a token."""
    sessions.close(first.tokens.access_token)

    with pytest.raises((SessionEnded, InvalidToken)):
        sessions.authenticate(first.tokens.access_token + "=")


def test_a_sign_out_requires_an_access_token(sessions: Sessions, first: SignedIn) -> None:
    header, payload, signature = first.tokens.access_token.split(".")

    for token in (first.tokens.refresh_token, f"{header}.{payload}.{signature[::-1]}", ""):
        with pytest.raises(InvalidToken):
            sessions.close(token)
    refresh(sessions, first)


def test_an_expired_access_token_can_sign_out(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    clock.advance(Choices().access_lifetime + timedelta(days=3))
    with pytest.raises(TokenExpired):
        authenticate(sessions, first)

    sessions.close(first.tokens.access_token)

    assert family_of(deployment, first) is None
    assert log.events[-1] == "signed_out"
    with pytest.raises(SessionEnded):
        refresh(sessions, first)
    with pytest.raises(SessionEnded):  # it has been signed out
        sessions.close(first.tokens.access_token)


def test_an_expired_session_cannot_be_signed_out(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().lifetime)

    with pytest.raises(SessionEnded):
        sessions.close(first.tokens.access_token)


@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_session_ended_by_a_reset_or_disabling_cannot_be_signed_out(
    deployment: Deployment, alice: User, first: SignedIn, change: Callable[[Deployment, User], None]
) -> None:
    change(deployment, alice)
    deployment.clock.advance(Choices().access_lifetime)

    with pytest.raises(SessionEnded):
        deployment.sessions.close(first.tokens.access_token)


@pytest.mark.covers("F10", "94")
def test_a_sign_out_wins_against_concurrent_refreshes(deployment: Deployment, alice: User) -> None:
    """F10: in any order, no token is valid afterwards."""
    sessions = deployment.sessions
    for _ in range(5):
        session = sessions.open(alice, HOME, "password")
        refreshing, sign_out = partial(refresh, sessions, session), partial(sessions.close, session.tokens.access_token)
        calls: list[Callable[[], SignedIn | None]] = [refreshing, refreshing, sign_out, refreshing, refreshing]

        outcomes = at_once(calls)

        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert all(type(error) is SessionEnded for error in errors)
        assert outcomes[2] is None
        assert_ended(sessions, session, *(outcome for outcome in outcomes if isinstance(outcome, SignedIn)))
        assert family_of(deployment, session) is None


@pytest.mark.covers("F10")
def test_a_refresh_during_a_sign_out_is_rejected_and_recreates_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """The sign-out happens between the read and the write of the refresh."""
    overtaken = overtaken_by(deployment, first, lambda: sessions.close(first.tokens.access_token))

    with pytest.raises(SessionEnded):
        refresh(overtaken, first)

    assert family_of(deployment, first) is None


def test_a_call_during_a_sign_out_recreates_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    overtaken = overtaken_by(deployment, first, lambda: sessions.close(first.tokens.access_token))

    authenticate(overtaken, first)

    assert deployment.store.get(key_of(deployment, first)) is None
    assert_ended(sessions, first)


# The account: security.md 99, F11, F38


@pytest.mark.covers("F38", "99")
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_resetting_or_disabling_an_account_ends_every_session(
    deployment: Deployment, sessions: Sessions, alice: User, change: Callable[[Deployment, User], None]
) -> None:
    opened = [sessions.open(alice, client, "password") for client in (HOME, ABROAD)]
    opened.append(refresh(sessions, opened[0]))

    change(deployment, alice)

    assert_ended(sessions, *opened)


def test_sessions_are_valid_again_once_the_account_is_enabled_again(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    disable(deployment, alice)
    deployment.store.write(Update(deployment.users.key(alice.user_id), {"disabled_at": Gone()}))

    assert authenticate(sessions, first).user.user_id == alice.user_id


@pytest.mark.covers("99")
def test_deleting_an_account_ends_its_sessions(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    deployment.store.write(Delete(deployment.users.key(alice.user_id)))

    assert_ended(sessions, first)


@pytest.mark.covers("F11")
def test_a_refresh_during_a_reset_returns_no_valid_token(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """The reset happens between the read and the write of the refresh."""
    overtaken = overtaken_by(deployment, first, lambda: raise_epoch(deployment, alice))

    second = refresh(overtaken, first)

    assert_ended(sessions, first, second)


@pytest.mark.covers("F11")
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_sign_in_during_a_reset_or_disabling_opens_no_session(
    deployment: Deployment, database: Database, alice: User, change: Callable[[Deployment, User], None]
) -> None:
    """The credentials were checked before the reset."""
    meanwhile = MeanwhileStore(
        deployment.store, before=lambda call: call.method == "commit", happens=lambda: change(deployment, alice)
    )

    with pytest.raises(SignInOvertaken):
        replace(deployment, store=meanwhile).sessions.open(alice, HOME, "password")

    assert database.items("RefreshTokenFamilies") == []


def test_a_sign_in_does_not_recreate_a_deleted_account(deployment: Deployment, database: Database, alice: User) -> None:
    deployment.store.write(Delete(deployment.users.key(alice.user_id)))

    with pytest.raises(SignInOvertaken):
        deployment.sessions.open(alice, HOME, "password")

    assert database.items("Users", "USER#") == []


# Changing the password, which moves its own session to the account's next epoch


def change_password(deployment: Deployment, user: User, session: SignedIn) -> None:
    family = family_of(deployment, session)
    assert family is not None
    raising = Update(deployment.users.key(user.user_id), {"epoch": Plus(1)})
    assert deployment.store.commit(raising, deployment.families.carry_over(family, epoch=user.epoch + 1)) == ()


def test_a_password_change_keeps_its_own_session_and_ends_the_others(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    other = sessions.open(alice, ABROAD, "password")

    change_password(deployment, alice, first)

    assert authenticate(sessions, refresh(sessions, first)).family.epoch == 1
    assert authenticate(sessions, first).family.epoch == 1
    assert_ended(sessions, other)


def test_a_refresh_during_a_password_change_succeeds(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    overtaken = overtaken_by(deployment, first, lambda: change_password(deployment, alice, first))

    second = refresh(overtaken, first)

    assert authenticate(sessions, second).family.generation == 2
    assert authenticate(sessions, refresh(sessions, second)).family.generation == 3


def test_a_second_refresh_during_a_password_change_is_forgiven(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """Two tabs: one has refreshed already, the other is refreshing."""
    refresh(sessions, first)
    overtaken = overtaken_by(deployment, first, lambda: change_password(deployment, alice, first))

    second = refresh(overtaken, first)

    assert authenticate(sessions, second).family.epoch == 1
    assert authenticate(sessions, refresh(sessions, second)).family.generation == 3


def test_the_first_use_during_a_password_change_is_accepted_and_confirmed(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    overtaken = overtaken_by(deployment, first, lambda: change_password(deployment, alice, first))

    authenticate(overtaken, first)

    family = family_of(deployment, first)
    assert family is not None
    assert (family.epoch, family.confirmed) == (1, 1)
    assert authenticate(sessions, first).family == family


either_half_first = pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
"""Which of session and account the torn batch read before the change."""


@pytest.mark.covers("D11")
@either_half_first
def test_a_batch_torn_by_a_password_change_is_read_again(
    deployment: Deployment, alice: User, first: SignedIn, old: str
) -> None:
    """A batch is only read-committed."""
    torn = TornStore(
        deployment.store, old=deployment.tables[old], happens=lambda: change_password(deployment, alice, first)
    )

    assert authenticate(replace(deployment, store=torn).sessions, first).family.epoch == 1


@either_half_first
def test_a_sign_out_during_a_password_change_ends_the_session(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn, old: str
) -> None:
    torn = TornStore(
        deployment.store, old=deployment.tables[old], happens=lambda: change_password(deployment, alice, first)
    )

    replace(deployment, store=torn).sessions.close(first.tokens.access_token)

    assert_ended(sessions, first)


@either_half_first
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_batch_torn_by_a_reset_keeps_no_session_valid(
    deployment: Deployment, alice: User, first: SignedIn, old: str, change: Callable[[Deployment, User], None]
) -> None:
    """Reading again must not restore an ended session; a call that read before the reset may still succeed."""
    torn = TornStore(deployment.store, old=deployment.tables[old], happens=lambda: change(deployment, alice))
    torn_sessions = replace(deployment, store=torn).sessions

    if old == "RefreshTokenFamilies":  # the account was read after the reset
        with pytest.raises(SessionEnded):
            authenticate(torn_sessions, first)
    else:
        assert authenticate(torn_sessions, first).user.user_id == alice.user_id

    assert_ended(deployment.sessions, first)


# Tokens that were never issued: security.md 87


@pytest.mark.covers("87")
def test_a_forged_token_is_rejected_and_does_not_end_the_session(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """A stranger with a valid session of their own knows every id, but cannot sign."""
    mallory = sessions.open(new_account(deployment, "mallory"), ABROAD, "password")
    header, _, signature = mallory.tokens.refresh_token.split(".")
    payload = first.tokens.refresh_token.split(".")[1]

    with pytest.raises(InvalidToken):
        sessions.refresh(f"{header}.{payload}.{signature}")

    assert authenticate(sessions, refresh(sessions, first)).user.user_id == alice.user_id


def test_a_signed_token_that_names_another_users_session_is_rejected(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """A session's key contains its user, so the session is not found."""
    mallory = new_account(deployment, "mallory")
    family = family_of(deployment, first)
    assert family is not None
    forged = deployment.tokens.pair(mallory, replace(family, user_id=mallory.user_id), at=deployment.clock())

    with pytest.raises(SessionEnded):
        sessions.authenticate(forged.access_token)
    with pytest.raises(SessionEnded):
        sessions.refresh(forged.refresh_token)


# Addresses that must be verified first: RequireVerifiedEmail


def requiring_verified_email(deployment: Deployment) -> Sessions:
    return with_choices(deployment, Choices(unverified=UnverifiedAddress.REFUSED))


def test_a_session_cannot_be_refreshed_before_the_address_is_verified(
    deployment: Deployment, alice: User, first: SignedIn
) -> None:
    sessions = requiring_verified_email(deployment)

    with pytest.raises(EmailNotVerified) as caught:
        refresh(sessions, first)

    assert caught.value.user_id == alice.user_id
    assert generation_of(deployment, first) == 1
    assert authenticate(sessions, first).user.user_id == alice.user_id  # the access token stays valid until it expires

    verified = Update(deployment.users.key(alice.user_id), {"email_verified_at": to_epoch(deployment.clock())})
    deployment.store.write(verified)

    assert authenticate(sessions, refresh(sessions, first)).family.generation == 2


def test_an_unverified_address_can_refresh_by_default(sessions: Sessions, first: SignedIn) -> None:
    assert first.user.email_verified_at is None
    assert authenticate(sessions, refresh(sessions, first)).family.generation == 2


def test_a_guest_can_refresh_without_a_verified_address(deployment: Deployment) -> None:
    sessions = requiring_verified_email(deployment)
    guest = new_account(deployment, "guest", is_guest_until=timedelta(days=90))

    assert refresh(sessions, sessions.open(guest, HOME, "anonymous")).user.is_anonymous


# Guests


def test_authenticate_person_rejects_guests(deployment: Deployment, sessions: Sessions) -> None:
    guest = new_account(deployment, "guest", is_guest_until=timedelta(days=7))
    session = sessions.open(guest, HOME, "anonymous")

    assert authenticate(sessions, session).user.is_anonymous
    with pytest.raises(NotAPerson):
        sessions.authenticate_person(session.tokens.access_token)


def test_authenticate_person_accepts_registered_users(sessions: Sessions, alice: User, first: SignedIn) -> None:
    assert sessions.authenticate_person(first.tokens.access_token).user.user_id == alice.user_id


@pytest.mark.covers("F35")
def test_an_expired_guest_is_rejected_before_ttl_deletes_it(
    deployment: Deployment, sessions: Sessions, clock: FakeClock
) -> None:
    guest = new_account(deployment, "guest", is_guest_until=timedelta(minutes=30))
    session = sessions.open(guest, HOME, "anonymous")
    clock.advance(timedelta(minutes=30))

    assert_ended(sessions, session)
