import hashlib
import uuid

import pytest
from supabase_auth.errors import AuthApiError

from tests.clients.gerbang import PASSWORD, Gerbang, fails, method_of, user_of


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_id_token_of_google_creates_an_account(gerbang: Gerbang) -> None:
    client, address = gerbang.new_client(), gerbang.new_inbox().address

    user = user_of(client.sign_in_with_id_token({"provider": "google", "token": gerbang.google_token(address)}))

    assert user.email == address
    assert user.email_confirmed_at is not None
    assert user.app_metadata["provider"] == "google"
    assert user.user_metadata["name"] == "Mira Silva"
    assert [identity.provider for identity in user.identities or []] == ["google"]
    assert method_of(client) == "oauth"


def test_google_signs_in_to_the_account_of_a_confirmed_address_and_is_linked_to_it(gerbang: Gerbang) -> None:
    owner, client = gerbang.sign_up(), gerbang.new_client()
    token = gerbang.google_token(owner.inbox.address)

    user = user_of(client.sign_in_with_id_token({"provider": "google", "token": token}))

    assert user.id == owner.id
    assert sorted(identity.provider for identity in user.identities or []) == ["email", "google"]
    assert sorted(user.app_metadata["providers"]) == ["email", "google"]


def test_google_removes_the_password_that_was_set_before_the_address_was_confirmed(gerbang: Gerbang) -> None:
    client, address = gerbang.new_client(), gerbang.new_inbox().address
    client.sign_up({"email": address, "password": PASSWORD})

    client.sign_in_with_id_token({"provider": "google", "token": gerbang.google_token(address)})

    with fails(400, "invalid_credentials"):
        gerbang.sign_in(address)


def test_a_nonce_is_checked(gerbang: Gerbang) -> None:
    client, nonce = gerbang.new_client(), uuid.uuid4().hex
    token = gerbang.google_token(gerbang.new_inbox().address, nonce=sha256(nonce))

    client.sign_in_with_id_token({"provider": "google", "token": token, "nonce": nonce})

    user_of(client.get_user())


@pytest.mark.parametrize(("in_token", "sent"), [("a", "b"), ("a", ""), ("", "b")])
def test_a_wrong_or_missing_nonce_is_an_error(gerbang: Gerbang, in_token: str, sent: str) -> None:
    claims = {"nonce": sha256(in_token)} if in_token else {}
    token = gerbang.google_token(gerbang.new_inbox().address, **claims)

    with pytest.raises(AuthApiError, match=r"(?i)nonce") as caught:
        gerbang.new_client().sign_in_with_id_token({"provider": "google", "token": token, "nonce": sent})

    assert caught.value.status == 400
