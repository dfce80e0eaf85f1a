from typing import Literal

import pytest
from supabase_auth.errors import AuthWeakPasswordError
from supabase_auth.types import AuthResponse

from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Gerbang, fails, user_of, verify


def test_get_user_returns_the_user(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    user = user_of(owner.client.get_user())

    assert (user.id, user.email) == (owner.id, owner.inbox.address)
    assert (user.aud, user.role) == ("authenticated", "authenticated")
    assert user.user_metadata["nickname"] == "Mira"


def test_get_user_identities_returns_the_identity_of_the_address(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    [identity] = owner.client.get_user_identities().identities

    assert (identity.provider, identity.user_id) == ("email", owner.id)
    assert identity.identity_data["email"] == owner.inbox.address


def test_get_user_with_the_api_key_is_bad_jwt(gerbang: Gerbang) -> None:
    with fails(403, "bad_jwt") as caught:
        gerbang.new_client().get_user(gerbang.key)

    assert caught.value.message.startswith("invalid JWT")


def test_data_is_merged_into_the_metadata_and_none_removes_a_key(gerbang: Gerbang) -> None:
    client = gerbang.sign_up().client
    client.update_user({"data": {"theme": "dark"}})

    client.update_user({"data": {"theme": None, "language": "id"}})

    metadata = user_of(client.get_user()).user_metadata
    assert (metadata["nickname"], metadata["language"]) == ("Mira", "id")
    assert "theme" not in metadata


@pytest.mark.parametrize("first_confirmed", ["current", "new"])
def test_an_email_change_is_confirmed_at_both_addresses(
    gerbang: Gerbang, first_confirmed: Literal["current", "new"]
) -> None:
    owner, new_inbox = gerbang.sign_up(), gerbang.new_inbox()
    client, address = owner.client, owner.inbox.address

    changing = user_of(client.update_user({"email": new_inbox.address}))
    assert (changing.email, changing.new_email) == (address, new_inbox.address)
    assert changing.email_change_sent_at is not None

    inboxes = [owner.inbox, new_inbox] if first_confirmed == "current" else [new_inbox, owner.inbox]
    assert verify(client, inboxes[0], "email_change") == AuthResponse()
    assert user_of(client.get_user()).email == address

    changed = user_of(verify(client, inboxes[1], "email_change"))
    assert (changed.id, changed.email, changed.new_email) == (owner.id, new_inbox.address, None)
    assert user_of(gerbang.sign_in(new_inbox.address).get_user()).id == owner.id
    with fails(400, "invalid_credentials"):
        gerbang.sign_in(address)


def test_the_address_of_another_account_cannot_be_taken(gerbang: Gerbang) -> None:
    other, owner = gerbang.sign_up(), gerbang.sign_up()

    with fails(422, "email_exists"):
        owner.client.update_user({"email": other.inbox.address})


def test_a_new_password_ends_the_other_sessions(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    other = gerbang.sign_in(owner.inbox.address)

    owner.client.update_user({"password": OTHER_PASSWORD})

    owner.client.get_user()
    owner.client.refresh_session()
    with fails(403, "session_not_found"):
        other.get_user()
    gerbang.sign_in(owner.inbox.address, OTHER_PASSWORD)


def test_the_same_password_is_an_error(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    with fails(422, "same_password"):
        owner.client.update_user({"password": PASSWORD})


def test_a_weak_new_password_is_an_error_with_its_reasons(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    with pytest.raises(AuthWeakPasswordError) as caught:
        owner.client.update_user({"password": "short"})

    assert "length" in caught.value.reasons
