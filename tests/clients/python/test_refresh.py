"""Refreshing a session, on a server with the default settings."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from supabase_auth.types import Session

from tests.clients.gerbang import Client, Gerbang, fails, session_of


@pytest.fixture
def parameters() -> str:
    return ""


@pytest.fixture
def session(gerbang: Gerbang) -> Session:
    return session_of(gerbang.new_client().sign_in_anonymously())


def refresh_three_times(gerbang: Gerbang, session: Session) -> Client:
    client = gerbang.new_client(session)
    for _ in range(3):
        client.refresh_session()
    return client


def test_two_processes_that_refresh_at_the_same_time_get_the_same_tokens(gerbang: Gerbang, session: Session) -> None:
    clients = [gerbang.new_client(session), gerbang.new_client(session)]

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda client: session_of(client.refresh_session()), clients)

    assert first.refresh_token == second.refresh_token != session.refresh_token
    for client in clients:
        client.get_user()


def test_a_client_can_repeat_a_refresh_after_a_lost_response(gerbang: Gerbang, session: Session) -> None:
    client = gerbang.new_client(session)
    assert gerbang.refresh(session.refresh_token).is_success

    client.refresh_session()
    client.refresh_session()

    client.get_user()


def test_a_stolen_token_that_is_used_after_the_owner_ends_the_session(gerbang: Gerbang, session: Session) -> None:
    owner = refresh_three_times(gerbang, session)

    with fails(400, "refresh_token_already_used"):
        gerbang.new_client(session).refresh_session()
    with fails(400, "refresh_token_not_found"):
        owner.refresh_session()


def test_a_stolen_token_that_is_used_before_the_owner_ends_the_session(gerbang: Gerbang, session: Session) -> None:
    thief = refresh_three_times(gerbang, session)

    with fails(400, "refresh_token_already_used"):
        gerbang.new_client(session).refresh_session()
    with fails(400, "refresh_token_not_found"):
        thief.refresh_session()
