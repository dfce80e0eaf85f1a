import base64
import json
import time
from contextlib import suppress
from typing import Any, Literal

import pytest
from supabase_auth.errors import AuthApiError, AuthInvalidJwtError
from supabase_auth.types import ClaimsResponse, Session

from tests.clients.gerbang import Client, Gerbang, fails, session_of, user_of


def claims_of(response: ClaimsResponse | None) -> dict[str, Any]:
    assert response is not None
    return dict(response["claims"])


def is_signed_in(client: Client) -> bool:
    with suppress(AuthApiError):
        return client.get_user() is not None
    return False


def test_refresh_session_returns_the_next_tokens_of_the_same_session(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    session = session_of(owner.client.refresh_session())

    assert session.refresh_token != owner.session.refresh_token
    assert session.user.id == owner.id
    before = claims_of(owner.client.get_claims(owner.session.access_token))
    assert claims_of(owner.client.get_claims(session.access_token))["session_id"] == before["session_id"]


def test_set_session_continues_a_session(gerbang: Gerbang) -> None:
    owner, client = gerbang.sign_up(), gerbang.new_client()

    client.set_session(owner.session.access_token, owner.session.refresh_token)

    assert user_of(client.get_user()).id == owner.id


def test_get_session_refreshes_a_session_that_is_about_to_expire(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    soon = round(time.time()) + 5
    client = gerbang.new_client(owner.session.model_copy(update={"expires_at": soon}))

    session = client.get_session()

    assert session is not None
    assert session.refresh_token != owner.session.refresh_token
    client.get_user()


def test_get_session_does_not_refresh_a_new_session(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    session = gerbang.new_client(owner.session).get_session()

    assert session is not None
    assert session.access_token == owner.session.access_token


def test_get_claims_verifies_a_token_with_the_published_keys(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    owner.client.sign_out({"scope": "local"})

    answer = owner.client.get_claims(owner.session.access_token)

    assert answer is not None
    assert answer["headers"]["alg"] == "ES256"
    expected = {
        "sub": owner.id,
        "email": owner.inbox.address,
        "aud": "authenticated",
        "role": "authenticated",
        "aal": "aal1",
        "is_anonymous": False,
    }
    assert claims_of(answer).items() >= expected.items()


def test_get_claims_rejects_a_changed_token(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    header, payload, signature = owner.session.access_token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"role": "service_role"}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    with pytest.raises(AuthInvalidJwtError):
        owner.client.get_claims(f"{header}.{forged}.{signature}")


@pytest.mark.parametrize(
    ("scope", "own_is_left", "other_is_left"),
    [("local", False, True), ("others", True, False), ("global", False, False)],
)
def test_sign_out(
    gerbang: Gerbang, scope: Literal["local", "others", "global"], *, own_is_left: bool, other_is_left: bool
) -> None:
    owner = gerbang.sign_up()
    other = gerbang.sign_in(owner.inbox.address)
    other_session = other.get_session()
    assert other_session is not None

    owner.client.sign_out({"scope": scope})

    assert is_signed_in(owner.client) == own_is_left
    assert is_signed_in(other) == other_is_left
    assert tokens_work(gerbang, owner.session) == (own_is_left, own_is_left)
    assert tokens_work(gerbang, other_session) == (other_is_left, other_is_left)


def tokens_work(gerbang: Gerbang, session: Session) -> tuple[bool, bool]:
    """Say whether the server accepts the access token and the refresh token of a session."""
    refreshed = gerbang.refresh(session.refresh_token)
    return is_signed_in(gerbang.new_client(session)), refreshed.is_success


def test_a_session_that_was_ended_elsewhere_is_not_found(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    gerbang.new_client(owner.session).sign_out()

    with fails(403, "session_not_found"):
        owner.client.get_user()
    owner.client.sign_out()


def test_an_invalid_refresh_token_is_an_error(gerbang: Gerbang) -> None:
    with pytest.raises(AuthApiError, match=r"^Invalid Refresh Token") as caught:
        gerbang.new_client().refresh_session("none")

    assert caught.value.status == 400
