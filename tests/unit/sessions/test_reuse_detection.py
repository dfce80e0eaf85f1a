"""Used refresh tokens: when they are forgiven, and when they are theft (docs/decisions/0002-forgive-until-used.md)."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.sessions.sessions import Authenticated, RefreshTokenReused, Sessions, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, SECOND, Choices, Deployment
from tests.fakes import FakeClock, PassingStore, RecordingLog, at_once
from tests.unit.sessions.steps import GRACE, assert_ended, authenticate, family_of, overtaken_by, refresh, with_choices

LATE_IN_A_ROW = 3
"""How many generations in a row may be refreshed late, after the grace (decision 0018; faults.md F8)."""


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


# Confirming a generation: the first use of its access token


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
    """The thief refreshes 20 minutes after the victim, and again shortly before the victim's next refresh."""
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
