"""gerbang.sessions.sessions: refresh-token families, forgiven until used, and sessions that end at once."""

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
"""Generations whose parent may come back after the grace, one after the other (decision 0018; faults.md F8)."""


@pytest.fixture
def alice(deployment: Deployment) -> User:
    """An account."""
    return kept(deployment, "alice")


@pytest.fixture
def sessions(deployment: Deployment) -> Sessions:
    return deployment.sessions


@pytest.fixture
def first(sessions: Sessions, alice: User) -> SignedIn:
    """A session as it is after its sign-in."""
    return sessions.open(alice, HOME, "password")


def kept(deployment: Deployment, name: str, *, is_guest_until: timedelta | None = None) -> User:
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


def trade(sessions: Sessions, session: SignedIn) -> SignedIn:
    return sessions.refresh(session.tokens.refresh_token)


def use(sessions: Sessions, session: SignedIn) -> Authenticated:
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
    """Do what a password reset does to an account."""
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), {"epoch": Plus(1)})), Written)


def disable(deployment: Deployment, user: User) -> None:
    change = Update(deployment.users.key(user.user_id), {"disabled_at": to_epoch(deployment.clock())})
    assert isinstance(deployment.store.write(change), Written)


def assert_dead(sessions: Sessions, *tokens: SignedIn) -> None:
    for session in tokens:
        with pytest.raises(SessionEnded):
            use(sessions, session)
        with pytest.raises(SessionEnded):
            trade(sessions, session)


# Rotation


def test_a_session_opens_with_tokens_that_work(
    sessions: Sessions, alice: User, first: SignedIn, clock: FakeClock
) -> None:
    authenticated = use(sessions, first)
    family = authenticated.family

    assert authenticated.user.user_id == alice.user_id
    assert family.family_id == first.family_id
    assert (family.amr, family.aal) == ((Authentication(method="password", at=clock()),), "aal1")
    assert (family.device, family.address) == (HOME.device, HOME.address)


def test_a_refresh_keeps_how_the_user_signed_in(sessions: Sessions, alice: User, clock: FakeClock) -> None:
    opened = sessions.open(alice, HOME, "oauth")
    signed_in_at = clock()
    clock.advance(timedelta(hours=1))

    family = use(sessions, trade(sessions, opened)).family

    assert (family.amr, family.aal) == ((Authentication(method="oauth", at=signed_in_at),), "aal1")


def test_one_query_lists_the_sessions_of_a_user(deployment: Deployment, alice: User, first: SignedIn) -> None:
    second = deployment.sessions.open(alice, ABROAD, "password")
    mallory = kept(deployment, "mallory")
    deployment.sessions.open(mallory, ABROAD, "password")
    watched = PassingStore(deployment.store)

    families = replace(deployment.families, store=watched).list(alice.user_id)

    assert {family.family_id for family in families} == {first.family_id, second.family_id}
    assert {family.user_id for family in families} == {alice.user_id}
    assert set(families) == {family_of(deployment, first), family_of(deployment, second)}
    assert [call.method for call in watched.calls] == ["query"]
    assert deployment.families.list("no account") == ()


def test_signing_in_is_remembered_on_the_account(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    clock.advance(timedelta(days=3))

    deployment.sessions.open(alice, HOME, "password")

    user = deployment.users.find(alice.user_id)
    assert user is not None
    assert user.last_sign_in_at == clock()


@pytest.mark.covers("98")
def test_every_sign_in_is_a_session_of_its_own(sessions: Sessions, alice: User, first: SignedIn) -> None:
    """ASVS 7.2.4, security.md 98."""
    second = sessions.open(alice, ABROAD, "password")

    assert second.family_id != first.family_id
    sessions.close(second.tokens.access_token)
    assert use(sessions, first).user.user_id == alice.user_id


def test_a_new_session_never_replaces_another(deployment: Deployment, alice: User, first: SignedIn) -> None:
    """security.md 98: not even if an id were drawn twice."""
    drawing_again = replace(deployment.sessions, new_id=lambda: first.family_id)

    with pytest.raises(SignInOvertaken):
        drawing_again.open(alice, ABROAD, "password")

    assert use(deployment.sessions, first).user.user_id == alice.user_id


def test_what_a_device_calls_itself_is_cut(deployment: Deployment, alice: User) -> None:
    opened = deployment.sessions.open(alice, Client(address="192.0.2.1", device="x" * 10_000), "password")

    family = family_of(deployment, opened)
    assert family is not None
    assert family.device == "x" * LONGEST_USER_AGENT


@pytest.mark.covers("80")
def test_a_refresh_trades_the_token_for_the_next_one(
    deployment: Deployment, sessions: Sessions, first: SignedIn, log: RecordingLog
) -> None:
    """Each use rotates and spends the token."""
    second = trade(sessions, first)

    assert second.tokens.refresh_token != first.tokens.refresh_token
    assert second.family_id == first.family_id
    assert generation_of(deployment, first) == 2
    assert use(sessions, second).family.generation == 2
    assert log.events[-1] == "session_refreshed"


def test_a_session_can_be_refreshed_again_and_again(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    session = first
    for _ in range(20):
        clock.advance(timedelta(hours=1))
        session = trade(sessions, session)
        use(sessions, session)

    assert generation_of(deployment, first) == 21


@pytest.mark.covers("91")
def test_the_refreshed_session_says_who_the_person_is_now(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """Security.md 91: nothing is carried over from the token; it is read from the account."""
    deployment.store.write(Update(deployment.users.key(alice.user_id), {"name": "Alice Cooper"}))

    assert trade(sessions, first).user.name == "Alice Cooper"


def showing_roles(deployment: Deployment) -> Sessions:
    return replace(deployment.sessions, read_role=deployment.organizations.table.default_role)


def test_a_session_shows_the_role_of_the_membership_as_it_is_now(deployment: Deployment) -> None:
    alice, sessions = deployment.register(), showing_roles(deployment)
    membership = deployment.organizations.table.membership_deletion(str(alice.organization_id), alice.user_id).key

    first = sessions.open(alice, HOME, "password")
    deployment.store.write(Update(membership, {"role": "CLIENT_MEMBER"}))
    second = trade(sessions, first)
    again = trade(sessions, first)  # forgiven
    deployment.store.write(Delete(membership))
    third = trade(sessions, second)

    assert [session.role for session in (first, second, again, third)] == [
        "CLIENT_OWNER",
        "CLIENT_MEMBER",
        "CLIENT_MEMBER",
        None,
    ]


def test_the_role_is_read_while_the_session_is_written(deployment: Deployment) -> None:
    """Budgets: it costs no round trip of its own."""
    alice = deployment.register()
    role_was_read = Event()

    def wait_for_the_role(call: Call) -> bool:
        if call.keys[0].table == deployment.tables["Organizations"]:
            role_was_read.set()
        elif call.method in {"commit", "write"}:
            assert role_was_read.wait(timeout=20), "the role is read after the write"
            role_was_read.clear()
        return False

    sessions = showing_roles(replace(deployment, store=FaultyStore(deployment.store, at=wait_for_the_role)))

    first = sessions.open(alice, HOME, "password")
    second = trade(sessions, first)

    assert [first.role, second.role] == ["CLIENT_OWNER"] * 2


def test_an_account_without_an_organisation_has_no_role_and_reads_none(deployment: Deployment, alice: User) -> None:
    watched = PassingStore(deployment.store)
    sessions = showing_roles(replace(deployment, store=watched))

    assert trade(sessions, sessions.open(alice, HOME, "password")).role is None

    assert all(key.table != deployment.tables["Organizations"] for call in watched.calls for key in call.keys)


def test_only_sessions_that_show_the_role_read_it(deployment: Deployment) -> None:
    alice, watched = deployment.register(), PassingStore(deployment.store)
    sessions = replace(deployment, store=watched).sessions

    assert trade(sessions, sessions.open(alice, HOME, "password")).role is None

    assert all(key.table != deployment.tables["Organizations"] for call in watched.calls for key in call.keys)


@pytest.mark.covers("86")
def test_nothing_in_the_table_is_a_token(database: Database, sessions: Sessions, first: SignedIn) -> None:
    """What is stored cannot be presented."""
    second = trade(sessions, first)

    (item,) = database.items("RefreshTokenFamilies")

    texts = [value for value in item.values() if isinstance(value, str)]
    for token in (first.tokens, second.tokens):
        for part in (*token.access_token.split("."), *token.refresh_token.split(".")):
            assert not any(part in text for text in texts)


# Races: F6, security.md 82


@pytest.mark.covers("F6", "80", "82")
def test_fifty_refreshes_at_once_make_one_lineage_and_leave_the_client_signed_in(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    outcomes = at_once([lambda: trade(sessions, first)] * 50)

    traded = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, SignedIn)] == []
    assert len({session.tokens.refresh_token for session in traded}) == 1
    assert generation_of(deployment, first) == 2
    for session in (traded[0], traded[-1]):
        assert use(sessions, session).family.generation == 2
    assert use(sessions, trade(sessions, traded[0])).family.generation == 3


def test_racing_callers_with_the_grace_set_to_nothing_still_get_the_same_successor(
    deployment: Deployment, first: SignedIn
) -> None:
    strict = with_choices(deployment, Choices(grace=timedelta(0)))

    outcomes = at_once([lambda: trade(strict, first)] * 20)

    assert (
        len({session.tokens.refresh_token if isinstance(session, SignedIn) else repr(session) for session in outcomes})
        == 1
    )
    assert generation_of(deployment, first) == 2


def test_the_same_successor_is_handed_out_byte_for_byte(
    sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    clock.advance(timedelta(hours=2, microseconds=987_654))
    second = trade(sessions, first)
    clock.advance(timedelta(seconds=29))

    again = trade(sessions, first)

    assert again.tokens.refresh_token == second.tokens.refresh_token
    assert log.events[-1] == "refresh_forgiven"


# Forgive until used: docs/decisions/0002-forgive-until-used.md, security.md 83


@pytest.mark.covers("83")
def test_within_the_grace_a_traded_token_is_forgiven_although_its_successor_is_used(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = trade(sessions, first)
    use(sessions, second)
    clock.advance(GRACE - SECOND)

    assert trade(sessions, first).tokens.refresh_token == second.tokens.refresh_token


@pytest.mark.covers("F7", "F8")
def test_a_lost_answer_can_be_asked_for_again_six_days_later(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """F7, F8: the successor is unused, so the answer was lost."""
    lost = trade(sessions, first)
    clock.advance(timedelta(days=6))

    again = trade(sessions, first)

    assert again.tokens.refresh_token == lost.tokens.refresh_token
    assert use(sessions, again).family.generation == 2
    assert use(sessions, trade(sessions, again)).family.generation == 3


@pytest.mark.covers("F8", "81")
def test_a_token_replayed_after_its_successor_was_used_ends_the_family(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    """The newest tokens die too."""
    second = trade(sessions, first)
    use(sessions, second)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused) as caught:
        trade(sessions, first)

    assert (caught.value.session_id, caught.value.user_id) == (first.family_id, first.user.user_id)
    assert family_of(deployment, first) is None
    assert_dead(sessions, first, second)
    assert "refresh_forgiven" not in log.events


def test_a_token_whose_successor_was_traded_on_without_being_used_is_not_forgiven_after_the_grace(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = trade(sessions, first)
    third = trade(sessions, second)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)
    assert_dead(sessions, second, third)


@pytest.mark.covers("83")
def test_a_grandparent_is_forgiven_only_within_the_grace_of_its_own_trade(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = trade(sessions, first)
    clock.advance(timedelta(seconds=20))
    third = trade(sessions, second)
    use(sessions, third)
    clock.advance(timedelta(seconds=9))

    assert trade(sessions, first).tokens.refresh_token == third.tokens.refresh_token

    clock.advance(SECOND)  # 30 s after its own trade, 10 s after its successor's
    assert trade(sessions, second).tokens.refresh_token == third.tokens.refresh_token
    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)


@pytest.mark.covers("93")
def test_what_is_three_steps_behind_is_never_forgiven(sessions: Sessions, first: SignedIn) -> None:
    """Generations are compared, not seconds; all of this is one instant."""
    second = trade(sessions, first)
    third = trade(sessions, second)
    fourth = trade(sessions, third)

    assert trade(sessions, third).tokens.refresh_token == fourth.tokens.refresh_token
    assert trade(sessions, second).tokens.refresh_token == fourth.tokens.refresh_token
    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)
    assert_dead(sessions, fourth)


@pytest.mark.covers("93")
@pytest.mark.parametrize("replayed", [0, 1, 2], ids=["first", "second", "third"])
def test_with_no_grace_three_trades_of_one_second_are_told_apart(
    deployment: Deployment, first: SignedIn, replayed: int
) -> None:
    """Keycloak PR 51885."""
    strict = with_choices(deployment, Choices(grace=timedelta(0)))
    opened = [first]
    for _ in range(3):
        opened.append(trade(strict, opened[-1]))
        use(strict, opened[-1])

    with pytest.raises(RefreshTokenReused):
        trade(strict, opened[replayed])
    assert_dead(strict, *opened)


def test_the_grace_for_unused_successors_has_an_end_of_its_own(
    deployment: Deployment, first: SignedIn, clock: FakeClock
) -> None:
    """For deployments whose access tokens are verified elsewhere, where nothing confirms (UnconfirmedGraceSeconds)."""
    bounded = with_choices(deployment, Choices(unconfirmed_grace=timedelta(hours=1)))
    second = trade(bounded, first)
    clock.advance(timedelta(hours=1) - SECOND)
    assert trade(bounded, first).tokens.refresh_token == second.tokens.refresh_token

    clock.advance(SECOND)

    with pytest.raises(RefreshTokenReused):
        trade(bounded, first)


def test_an_access_token_of_an_older_generation_still_works_and_confirms_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    second = trade(sessions, first)
    clock.advance(timedelta(minutes=10))

    assert use(sessions, first).family.generation == 2
    family = family_of(deployment, first)

    assert family is not None
    assert family.confirmed == 0
    assert trade(sessions, first).tokens.refresh_token == second.tokens.refresh_token


def test_a_generation_is_confirmed_by_one_write_at_its_first_use(deployment: Deployment, first: SignedIn) -> None:
    watched = PassingStore(deployment.store)
    sessions = replace(deployment, store=watched).sessions
    session = first
    for _ in range(3):
        watched.calls.clear()
        for _ in range(4):
            use(sessions, session)

        assert [call.method for call in watched.calls] == ["get_all", "write", "get_all", "get_all", "get_all"]
        session = trade(sessions, session)


def test_uses_at_once_confirm_a_generation_once(deployment: Deployment, sessions: Sessions, first: SignedIn) -> None:
    outcomes = at_once([lambda: use(sessions, first)] * 10)

    assert all(isinstance(outcome, Authenticated) for outcome in outcomes)
    family = family_of(deployment, first)
    assert family is not None
    assert family.confirmed == family.generation == 1


def test_a_use_that_a_later_generations_use_overtakes_unconfirms_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    meanwhile = MeanwhileStore(
        deployment.store,
        before=of_the_family(first),
        happens=lambda: use(sessions, trade(sessions, first)),
    )
    use(replace(deployment, store=meanwhile).sessions, first)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)


# Thieves: the victim and the thief hold the same token


def test_a_thief_who_trades_first_is_found_out_when_the_victim_trades(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    thiefs = trade(sessions, first)
    use(sessions, thiefs)
    clock.advance(timedelta(minutes=50))

    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)
    assert_dead(sessions, thiefs)


def test_a_thief_who_trades_second_is_found_out_and_gets_nothing(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    victims = trade(sessions, first)
    use(sessions, victims)
    clock.advance(timedelta(minutes=50))

    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)
    assert_dead(sessions, victims)


def test_a_thief_one_step_behind_does_not_live_on_unseen(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    """Both get the same successor, one by forgiveness; once it is used, the second one to trade it is detected."""
    both = trade(sessions, first)
    clock.advance(timedelta(minutes=5))
    assert trade(sessions, first).tokens.refresh_token == both.tokens.refresh_token
    use(sessions, both)
    clock.advance(timedelta(minutes=5))

    one = trade(sessions, both)
    use(sessions, one)
    clock.advance(GRACE)

    with pytest.raises(RefreshTokenReused):
        trade(sessions, both)
    assert_dead(sessions, first, both, one)


def test_a_thief_who_trades_first_and_never_uses_what_the_victim_has_not_is_found_out(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """Decision 0018: `confirmed` alone never catches them, since the victim is the first to use each generation."""
    thiefs = victims = first
    for _ in range(LATE_IN_A_ROW):
        thiefs, victims = turn_of_a_patient_thief(sessions, thiefs, victims, clock)

    with pytest.raises(RefreshTokenReused):
        turn_of_a_patient_thief(sessions, thiefs, victims, clock)
    assert_dead(sessions, thiefs, victims)


def turn_of_a_patient_thief(
    sessions: Sessions, thiefs: SignedIn, victims: SignedIn, clock: FakeClock
) -> tuple[SignedIn, SignedIn]:
    """The thief trades while the victim's access token is young, and once more shortly before the victim does."""
    use(sessions, victims)
    clock.advance(timedelta(minutes=20))
    trade(sessions, thiefs)
    use(sessions, thiefs)  # the access token of the generation before, which confirms nothing
    clock.advance(timedelta(minutes=15))
    again = trade(sessions, thiefs)
    clock.advance(timedelta(minutes=1))
    return again, trade(sessions, victims)


def test_a_network_that_loses_answers_now_and_then_signs_no_user_out(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    session = first
    for _ in range(5):
        for _ in range(LATE_IN_A_ROW):
            session = late(sessions, session, clock)
        session = trade(sessions, session)
        use(sessions, session)


def test_one_answer_may_be_lost_as_often_as_it_likes(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    for _ in range(3 * LATE_IN_A_ROW):
        late(sessions, first, clock)


def test_tabs_that_race_at_every_trade_are_not_late(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    session = first
    for _ in range(3 * LATE_IN_A_ROW):
        trade(sessions, session)
        clock.advance(GRACE - SECOND)
        session = trade(sessions, session)
        use(sessions, session)


def late(sessions: Sessions, session: SignedIn, clock: FakeClock) -> SignedIn:
    """Trade a token whose answer is lost, and once more after the grace."""
    trade(sessions, session)
    clock.advance(GRACE)
    return trade(sessions, session)


def test_a_theft_in_one_session_leaves_the_others_alone(
    sessions: Sessions, alice: User, first: SignedIn, clock: FakeClock
) -> None:
    elsewhere = sessions.open(alice, ABROAD, "password")
    use(sessions, trade(sessions, first))
    clock.advance(GRACE)
    with pytest.raises(RefreshTokenReused):
        trade(sessions, first)

    assert use(sessions, trade(sessions, elsewhere)).user.user_id == alice.user_id


# Lost answers to our own writes: F9, D6


def of_the_family(session: SignedIn) -> Callable[[Call], bool]:
    return lambda call: call.method == "write" and call.keys[0].sk == session.family_id


def second_write_of_the_family(session: SignedIn) -> Callable[[Call], bool]:
    """Of a refresh, that which records a late return."""
    writes = count(1)
    return lambda call: of_the_family(session)(call) and next(writes) == 2


@pytest.mark.covers("F9", "D6")
def test_a_write_whose_answer_was_lost_is_not_taken_for_theft(
    deployment: Deployment, first: SignedIn, log: RecordingLog
) -> None:
    """The SDK repeats the write, which fails because of our own first one. Only the nonce shows that."""
    choices = Choices(grace=timedelta(0), unconfirmed_grace=timedelta(0))
    faulty = FaultyStore(deployment.store, at=of_the_family(first), fault=Fault.ASKED_AGAIN)
    sessions = replace(deployment, store=faulty, choices=choices).sessions

    second = trade(sessions, first)

    assert log.events[-1] == "session_refreshed"
    assert use(deployment.sessions, second).family.generation == 2
    assert use(deployment.sessions, trade(deployment.sessions, second)).family.generation == 3


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_refresh_that_was_not_confirmed_hands_out_nothing_and_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, fault: Fault
) -> None:
    faulty = FaultyStore(deployment.store, at=of_the_family(first), fault=fault)
    with pytest.raises(DependencyUnavailable):
        trade(replace(deployment, store=faulty).sessions, first)
    clock.advance(timedelta(days=2))

    second = trade(sessions, first)

    assert generation_of(deployment, first) == 2
    assert use(sessions, second).family.generation == 2


def test_a_refresh_whose_tokens_could_not_be_signed_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    """The write is done then; to the client it is one more answer that was lost."""

    def fail() -> str:
        raise DependencyUnavailable("secret")

    failing = replace(sessions, tokens=replace(deployment.tokens, new_id=fail))
    with pytest.raises(DependencyUnavailable):
        trade(failing, first)
    assert generation_of(deployment, first) == 2
    assert "session_refreshed" not in log.events
    clock.advance(timedelta(days=2))

    second = trade(sessions, first)

    assert log.events[-1] == "refresh_forgiven"
    assert generation_of(deployment, first) == 2
    assert use(sessions, trade(sessions, second)).family.generation == 3


def test_tokens_say_what_the_write_returned(deployment: Deployment, first: SignedIn) -> None:
    """Not what the token presented says: here the table has another time of sign-in."""
    earlier = to_epoch(deployment.clock()) - 3600
    deployment.store.write(Update(key_of(deployment, first), {"created_at": earlier}))

    second = trade(deployment.sessions, first)

    claims = deployment.tokens.read_refresh(second.tokens.refresh_token, at=deployment.clock())
    assert to_epoch(claims.signed_in_at) == earlier


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_late_return_that_could_not_be_recorded_can_be_repeated(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, fault: Fault
) -> None:
    second = trade(sessions, first)
    clock.advance(GRACE)
    faulty = FaultyStore(deployment.store, at=second_write_of_the_family(first), fault=fault)
    with pytest.raises(DependencyUnavailable):
        trade(replace(deployment, store=faulty).sessions, first)

    assert trade(sessions, first).tokens.refresh_token == second.tokens.refresh_token


def test_a_session_that_ends_while_a_late_return_is_recorded_leaves_nothing_behind(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """An item made by that record would have no end, and stay for ever."""
    trade(sessions, first)
    clock.advance(GRACE)
    meanwhile = MeanwhileStore(
        deployment.store,
        before=second_write_of_the_family(first),
        happens=lambda: sessions.close(first.tokens.access_token),
    )

    trade(replace(deployment, store=meanwhile).sessions, first)

    assert deployment.store.get(key_of(deployment, first)) is None


# How long a session lasts: security.md 84, 85


@pytest.mark.covers("85")
def test_a_session_that_is_not_used_ends(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().lifetime)

    with pytest.raises(InvalidToken):
        trade(sessions, first)


def test_a_session_that_is_used_lasts(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    session = first
    for _ in range(10):
        clock.advance(Choices().lifetime - SECOND)
        session = trade(sessions, session)

    assert use(sessions, session).family.generation == 11


@pytest.mark.covers("84")
def test_no_use_moves_the_absolute_end(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    sessions = with_choices(deployment, Choices(longest=timedelta(days=10)))
    session = sessions.open(alice, HOME, "password")
    for _ in range(9):
        clock.advance(timedelta(days=1))
        session = trade(sessions, session)
    clock.advance(timedelta(days=1) - SECOND)
    last = trade(sessions, session)
    assert use(sessions, last).family.expires_at == clock() + SECOND

    clock.advance(SECOND)

    with pytest.raises(InvalidToken):
        trade(sessions, last)
    with pytest.raises(TokenExpired):
        use(sessions, last)


def test_no_access_token_outlives_its_session(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    choices = Choices(access_lifetime=timedelta(days=1), lifetime=timedelta(hours=1), longest=timedelta(minutes=90))
    sessions = with_choices(deployment, choices)

    opened = sessions.open(alice, HOME, "password").tokens
    assert (opened.expires_in, opened.expires_at) == (timedelta(hours=1), clock() + timedelta(hours=1))

    clock.advance(timedelta(minutes=50))
    traded = sessions.refresh(opened.refresh_token).tokens
    assert (traded.expires_in, traded.expires_at) == (timedelta(minutes=40), clock() + timedelta(minutes=40))

    clock.advance(timedelta(minutes=9))
    forgiven = sessions.refresh(opened.refresh_token)
    assert (forgiven.tokens.expires_in, forgiven.tokens.expires_at) == (timedelta(minutes=31), traded.expires_at)
    assert use(sessions, forgiven).family.expires_at == forgiven.tokens.expires_at


def test_an_access_token_ends_by_its_own_time(sessions: Sessions, first: SignedIn, clock: FakeClock) -> None:
    clock.advance(Choices().access_lifetime - SECOND)
    use(sessions, first)
    clock.advance(SECOND)

    with pytest.raises(TokenExpired):
        use(sessions, first)


@pytest.mark.covers("F35")
def test_a_family_past_its_time_is_refused_although_ttl_has_not_swept_it(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    """F35: DynamoDB may delete expired items days late."""
    key = key_of(deployment, first)
    deployment.store.write(Update(key, {"expires_at": to_epoch(clock())}))

    assert_dead(sessions, first)
    assert generation_of(deployment, first) == 1


@pytest.mark.covers("F36")
def test_a_family_that_was_swept_early_is_gone_and_not_revived(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """F36."""
    deployment.store.write(Delete(key_of(deployment, first)))

    assert_dead(sessions, first)
    assert family_of(deployment, first) is None


@pytest.mark.covers("F44")
def test_a_token_from_ahead_of_a_restored_table_is_refused(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """F44: a backup knows the family as it was some trades ago."""
    backup = deployment.store.get(key_of(deployment, first))
    assert backup is not None
    second = trade(sessions, first)
    deployment.store.write(Put(key_of(deployment, first), backup))

    with pytest.raises(SessionEnded):
        use(sessions, second)


# Logout: security.md 96, 97, 94


@pytest.mark.covers("96")
def test_logout_kills_access_and_refresh_at_once(sessions: Sessions, first: SignedIn, log: RecordingLog) -> None:
    second = trade(sessions, first)

    sessions.close(second.tokens.access_token)

    assert_dead(sessions, first, second)
    assert log.events[-1] == "signed_out"


@pytest.mark.covers("97")
def test_logout_with_an_older_token_of_the_session_ends_it_too(sessions: Sessions, first: SignedIn) -> None:
    second = trade(sessions, first)
    use(sessions, second)

    sessions.close(first.tokens.access_token)

    assert_dead(sessions, first, second)


def test_a_session_is_not_ended_twice(sessions: Sessions, first: SignedIn) -> None:
    sessions.close(first.tokens.access_token)

    with pytest.raises(SessionEnded):
        sessions.close(first.tokens.access_token)


@pytest.mark.covers("74")
def test_a_token_with_a_sign_appended_is_the_same_token_and_dies_with_it(sessions: Sessions, first: SignedIn) -> None:
    """Sessions are ended by their id, never by the text of a token."""
    sessions.close(first.tokens.access_token)

    with pytest.raises((SessionEnded, InvalidToken)):
        sessions.authenticate(first.tokens.access_token + "=")


def test_logging_out_needs_an_access_token(sessions: Sessions, first: SignedIn) -> None:
    header, payload, signature = first.tokens.access_token.split(".")

    for token in (first.tokens.refresh_token, f"{header}.{payload}.{signature[::-1]}", ""):
        with pytest.raises(InvalidToken):
            sessions.close(token)
    trade(sessions, first)


def test_an_access_token_that_has_expired_ends_its_own_session(
    deployment: Deployment, sessions: Sessions, first: SignedIn, clock: FakeClock, log: RecordingLog
) -> None:
    clock.advance(Choices().access_lifetime + timedelta(days=3))
    with pytest.raises(TokenExpired):
        use(sessions, first)

    sessions.close(first.tokens.access_token)

    assert family_of(deployment, first) is None
    assert log.events[-1] == "signed_out"
    with pytest.raises(SessionEnded):
        trade(sessions, first)
    with pytest.raises(SessionEnded):  # and not twice
        sessions.close(first.tokens.access_token)


def test_an_access_token_that_has_expired_ends_no_session_that_has_expired(
    sessions: Sessions, first: SignedIn, clock: FakeClock
) -> None:
    clock.advance(Choices().lifetime)

    with pytest.raises(SessionEnded):
        sessions.close(first.tokens.access_token)


@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_an_access_token_that_has_expired_ends_no_session_of_an_account_that_was_reset_or_disabled(
    deployment: Deployment, alice: User, first: SignedIn, change: Callable[[Deployment, User], None]
) -> None:
    change(deployment, alice)
    deployment.clock.advance(Choices().access_lifetime)

    with pytest.raises(SessionEnded):
        deployment.sessions.close(first.tokens.access_token)


@pytest.mark.covers("F10", "94")
def test_logout_wins_against_refreshes_that_run_at_the_same_time(deployment: Deployment, alice: User) -> None:
    """F10: in any order, no token survives."""
    sessions = deployment.sessions
    for _ in range(5):
        session = sessions.open(alice, HOME, "password")
        refresh, log_out = partial(trade, sessions, session), partial(sessions.close, session.tokens.access_token)
        calls: list[Callable[[], SignedIn | None]] = [refresh, refresh, log_out, refresh, refresh]

        outcomes = at_once(calls)

        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert all(type(error) is SessionEnded for error in errors)
        assert outcomes[2] is None
        assert_dead(sessions, session, *(outcome for outcome in outcomes if isinstance(outcome, SignedIn)))
        assert family_of(deployment, session) is None


@pytest.mark.covers("F10")
def test_a_refresh_that_logout_overtakes_is_refused_and_revives_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """The narrowest case: the logout falls between the refresh's read and its write."""
    meanwhile = MeanwhileStore(
        deployment.store,
        before=of_the_family(first),
        happens=lambda: sessions.close(first.tokens.access_token),
    )

    with pytest.raises(SessionEnded):
        trade(replace(deployment, store=meanwhile).sessions, first)

    assert family_of(deployment, first) is None


def test_a_use_that_logout_overtakes_revives_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    meanwhile = MeanwhileStore(
        deployment.store,
        before=of_the_family(first),
        happens=lambda: sessions.close(first.tokens.access_token),
    )

    use(replace(deployment, store=meanwhile).sessions, first)

    assert deployment.store.get(key_of(deployment, first)) is None
    assert_dead(sessions, first)


# The account: security.md 99, F11, F38


@pytest.mark.covers("F38", "99")
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_every_session_is_dead_once_its_account_is_reset_or_disabled(
    deployment: Deployment, sessions: Sessions, alice: User, change: Callable[[Deployment, User], None]
) -> None:
    opened = [sessions.open(alice, client, "password") for client in (HOME, ABROAD)]
    opened.append(trade(sessions, opened[0]))

    change(deployment, alice)

    assert_dead(sessions, *opened)


def test_an_account_that_is_enabled_again_has_its_sessions_back(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    disable(deployment, alice)
    deployment.store.write(Update(deployment.users.key(alice.user_id), {"disabled_at": Gone()}))

    assert use(sessions, first).user.user_id == alice.user_id


@pytest.mark.covers("99")
def test_the_sessions_of_an_account_that_was_deleted_are_dead(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    deployment.store.write(Delete(deployment.users.key(alice.user_id)))

    assert_dead(sessions, first)


@pytest.mark.covers("F11")
def test_a_refresh_that_a_reset_overtakes_hands_out_nothing_that_works(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """The reset falls between the refresh's read of the account and its write of the family."""
    meanwhile = MeanwhileStore(
        deployment.store,
        before=of_the_family(first),
        happens=lambda: raise_epoch(deployment, alice),
    )

    second = trade(replace(deployment, store=meanwhile).sessions, first)

    assert_dead(sessions, first, second)


@pytest.mark.covers("F11")
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_sign_in_that_a_reset_overtakes_opens_nothing(
    deployment: Deployment, database: Database, alice: User, change: Callable[[Deployment, User], None]
) -> None:
    """What the person showed was looked at before the reset."""
    meanwhile = MeanwhileStore(
        deployment.store, before=lambda call: call.method == "commit", happens=lambda: change(deployment, alice)
    )

    with pytest.raises(SignInOvertaken):
        replace(deployment, store=meanwhile).sessions.open(alice, HOME, "password")

    assert database.items("RefreshTokenFamilies") == []


def test_a_sign_in_to_an_account_that_is_gone_does_not_bring_it_back(
    deployment: Deployment, database: Database, alice: User
) -> None:
    deployment.store.write(Delete(deployment.users.key(alice.user_id)))

    with pytest.raises(SignInOvertaken):
        deployment.sessions.open(alice, HOME, "password")

    assert database.items("Users", "USER#") == []


# A change of password, which carries the session it was made in over to the account's next epoch


def change_password(deployment: Deployment, user: User, session: SignedIn) -> None:
    family = family_of(deployment, session)
    assert family is not None
    raising = Update(deployment.users.key(user.user_id), {"epoch": Plus(1)})
    assert deployment.store.commit(raising, deployment.families.carry_over(family, epoch=user.epoch + 1)) == ()


def test_the_session_that_a_password_is_changed_in_goes_on_and_the_others_end(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    other = sessions.open(alice, ABROAD, "password")

    change_password(deployment, alice, first)

    assert use(sessions, trade(sessions, first)).family.epoch == 1
    assert use(sessions, first).family.epoch == 1
    assert_dead(sessions, other)


def test_a_refresh_that_a_change_of_password_overtakes_goes_on(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    meanwhile = MeanwhileStore(
        deployment.store,
        before=of_the_family(first),
        happens=lambda: change_password(deployment, alice, first),
    )

    second = trade(replace(deployment, store=meanwhile).sessions, first)

    assert use(sessions, second).family.generation == 2
    assert use(sessions, trade(sessions, second)).family.generation == 3


def test_a_racing_refresh_that_a_change_of_password_overtakes_is_forgiven_all_the_same(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """Two tabs: one has traded the token already, the other is in the middle of it."""
    trade(sessions, first)
    meanwhile = MeanwhileStore(
        deployment.store,
        before=of_the_family(first),
        happens=lambda: change_password(deployment, alice, first),
    )

    second = trade(replace(deployment, store=meanwhile).sessions, first)

    assert use(sessions, second).family.epoch == 1
    assert use(sessions, trade(sessions, second)).family.generation == 3


def test_the_first_use_of_a_generation_that_a_change_of_password_overtakes_is_let_through_and_noted(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    meanwhile = MeanwhileStore(
        deployment.store,
        before=lambda call: call.method == "write" and of_the_family(first)(call),
        happens=lambda: change_password(deployment, alice, first),
    )

    use(replace(deployment, store=meanwhile).sessions, first)

    family = family_of(deployment, first)
    assert family is not None
    assert (family.epoch, family.confirmed) == (1, 1)
    assert use(sessions, first).family == family


either_half_first = pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
"""Which of family and account a torn batch holds as it was before."""


@pytest.mark.covers("D11")
@either_half_first
def test_a_batch_read_half_before_and_half_after_a_change_of_password_is_read_again(
    deployment: Deployment, alice: User, first: SignedIn, old: str
) -> None:
    """A batch is only read-committed."""
    torn = TornStore(
        deployment.store, old=deployment.tables[old], happens=lambda: change_password(deployment, alice, first)
    )

    assert use(replace(deployment, store=torn).sessions, first).family.epoch == 1


@either_half_first
def test_a_sign_out_during_a_change_of_password_ends_the_session(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn, old: str
) -> None:
    torn = TornStore(
        deployment.store, old=deployment.tables[old], happens=lambda: change_password(deployment, alice, first)
    )

    replace(deployment, store=torn).sessions.close(first.tokens.access_token)

    assert_dead(sessions, first)


@either_half_first
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_batch_read_half_before_and_half_after_a_reset_lets_no_session_in_afterwards(
    deployment: Deployment, alice: User, first: SignedIn, old: str, change: Callable[[Deployment, User], None]
) -> None:
    """Reading twice must not revive what a reset has ended; what was read before it may still be answered."""
    torn = TornStore(deployment.store, old=deployment.tables[old], happens=lambda: change(deployment, alice))
    torn_sessions = replace(deployment, store=torn).sessions

    if old == "RefreshTokenFamilies":  # the account was read after the reset
        with pytest.raises(SessionEnded):
            use(torn_sessions, first)
    else:
        assert use(torn_sessions, first).user.user_id == alice.user_id

    assert_dead(deployment.sessions, first)


# Tokens that were never issued: security.md 87


@pytest.mark.covers("87")
def test_a_token_made_up_for_another_session_neither_works_nor_ends_it(
    deployment: Deployment, sessions: Sessions, alice: User, first: SignedIn
) -> None:
    """A stranger who knows every id, and whose own tokens are good, cannot sign."""
    mallory = sessions.open(kept(deployment, "mallory"), ABROAD, "password")
    header, _, signature = mallory.tokens.refresh_token.split(".")
    payload = first.tokens.refresh_token.split(".")[1]

    with pytest.raises(InvalidToken):
        sessions.refresh(f"{header}.{payload}.{signature}")

    assert use(sessions, trade(sessions, first)).user.user_id == alice.user_id


def test_a_well_signed_token_of_another_users_family_opens_nothing(
    deployment: Deployment, sessions: Sessions, first: SignedIn
) -> None:
    """Even if a token were signed with another user's family: the key of a family includes its user."""
    mallory = kept(deployment, "mallory")
    family = family_of(deployment, first)
    assert family is not None
    forged = deployment.tokens.pair(mallory, replace(family, user_id=mallory.user_id), at=deployment.clock())

    with pytest.raises(SessionEnded):
        sessions.authenticate(forged.access_token)
    with pytest.raises(SessionEnded):
        sessions.refresh(forged.refresh_token)


# Addresses that must be verified first: RequireVerifiedEmail


def demanding(deployment: Deployment) -> Sessions:
    return with_choices(deployment, Choices(unverified=UnverifiedAddress.REFUSED))


def test_a_session_cannot_be_refreshed_before_the_address_is_verified(
    deployment: Deployment, alice: User, first: SignedIn
) -> None:
    sessions = demanding(deployment)

    with pytest.raises(EmailNotVerified) as caught:
        trade(sessions, first)

    assert caught.value.user_id == alice.user_id
    assert generation_of(deployment, first) == 1
    assert use(sessions, first).user.user_id == alice.user_id  # the session itself goes on until its token expires

    verified = Update(deployment.users.key(alice.user_id), {"email_verified_at": to_epoch(deployment.clock())})
    deployment.store.write(verified)

    assert use(sessions, trade(sessions, first)).family.generation == 2


def test_a_deployment_that_demands_no_verified_address_refreshes_any_session(
    sessions: Sessions, first: SignedIn
) -> None:
    assert first.user.email_verified_at is None
    assert use(sessions, trade(sessions, first)).family.generation == 2


def test_a_guest_has_no_address_to_verify(deployment: Deployment) -> None:
    sessions = demanding(deployment)
    guest = kept(deployment, "guest", is_guest_until=timedelta(days=90))

    assert trade(sessions, sessions.open(guest, HOME, "anonymous")).user.is_anonymous


# Guests


def test_a_guest_is_no_person(deployment: Deployment, sessions: Sessions) -> None:
    guest = kept(deployment, "guest", is_guest_until=timedelta(days=7))
    session = sessions.open(guest, HOME, "anonymous")

    assert use(sessions, session).user.is_anonymous
    with pytest.raises(NotAPerson):
        sessions.authenticate_person(session.tokens.access_token)


def test_a_person_is_one(sessions: Sessions, alice: User, first: SignedIn) -> None:
    assert sessions.authenticate_person(first.tokens.access_token).user.user_id == alice.user_id


@pytest.mark.covers("F35")
def test_a_guest_past_its_time_is_refused_although_ttl_has_not_swept_it(
    deployment: Deployment, sessions: Sessions, clock: FakeClock
) -> None:
    guest = kept(deployment, "guest", is_guest_until=timedelta(minutes=30))
    session = sessions.open(guest, HOME, "anonymous")
    clock.advance(timedelta(minutes=30))

    assert_dead(sessions, session)
