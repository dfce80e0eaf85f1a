"""What a reset, disabling, a deletion and a password change do to sessions (security.md 99, F11, F38)."""

from collections.abc import Callable
from copy import replace

import pytest
from gerbang.sessions.sessions import SessionEnded, Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Delete, Gone, Plus, Update

from tests.deployment import ABROAD, HOME, Deployment
from tests.unit.sessions.steps import assert_ended, authenticate, disable, family_of, overtaken_by, raise_epoch, refresh
from tests.unit.torn_store import TornStore


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
