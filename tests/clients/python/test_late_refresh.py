"""Refreshing a session after `RefreshGraceSeconds`, which are 0 on this server."""

import pytest
from supabase_auth.types import Session

from tests.clients.gerbang import Gerbang, fails, session_of


@pytest.fixture
def session(gerbang: Gerbang) -> Session:
    return session_of(gerbang.new_client().sign_in_anonymously())


def test_a_client_can_repeat_a_refresh_at_any_time_after_a_lost_response(gerbang: Gerbang, session: Session) -> None:
    client = gerbang.new_client(session)
    assert gerbang.refresh(session.refresh_token).is_success

    client.refresh_session()

    client.get_user()


def test_a_stolen_token_ends_the_session_after_its_successor_was_used(gerbang: Gerbang, session: Session) -> None:
    owner = gerbang.new_client(session)
    owner.refresh_session()
    owner.get_user()

    with fails(400, "refresh_token_already_used"):
        gerbang.new_client(session).refresh_session()
    with fails(400, "refresh_token_not_found"):
        owner.refresh_session()
