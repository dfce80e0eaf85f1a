import pytest
from supabase_auth.errors import AuthWeakPasswordError
from supabase_auth.types import EmailOtpType

from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Gerbang, fails, user_of, verify


def test_signing_up_returns_the_user_without_a_session_and_mails_a_code(gerbang: Gerbang) -> None:
    inbox = gerbang.new_inbox()

    answer = gerbang.new_client().sign_up(
        {"email": inbox.address, "password": PASSWORD, "options": {"data": {"nickname": "Mira"}}}
    )

    assert answer.session is None
    user = user_of(answer)
    assert user.email == inbox.address
    assert user.user_metadata["nickname"] == "Mira"
    assert [identity.provider for identity in user.identities or []] == ["email"]
    assert user.confirmation_sent_at is not None
    assert user.email_confirmed_at is None
    assert inbox.next_code().isdecimal()


@pytest.mark.parametrize("kind", ["signup", "email"])
def test_the_mailed_code_confirms_the_address_and_signs_in(gerbang: Gerbang, kind: EmailOtpType) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    signed_up = user_of(client.sign_up({"email": inbox.address, "password": PASSWORD}))

    user = user_of(verify(client, inbox, kind))

    assert user.id == signed_up.id
    assert user.email_confirmed_at is not None
    assert user.confirmed_at is not None
    assert user.user_metadata["email_verified"] is True
    assert user.app_metadata == {"provider": "email", "providers": ["email"]}
    assert user_of(client.get_user()).id == user.id


def test_signing_up_again_with_a_confirmed_address_returns_a_user_without_identities(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    answer = gerbang.new_client().sign_up({"email": owner.inbox.address, "password": OTHER_PASSWORD})

    assert answer.session is None
    assert user_of(answer).identities == []
    assert user_of(answer).id != owner.id
    with fails(400, "invalid_credentials"):
        gerbang.sign_in(owner.inbox.address, OTHER_PASSWORD)


def test_signing_up_again_with_an_unconfirmed_address_mails_another_code_for_the_same_account(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    first = user_of(client.sign_up({"email": inbox.address, "password": PASSWORD}))
    inbox.next_code()

    second = user_of(client.sign_up({"email": inbox.address, "password": PASSWORD}))

    assert second.id == first.id
    assert len(second.identities or []) == 1
    verify(client, inbox, "signup")
    gerbang.sign_in(inbox.address)


def test_the_code_of_an_address_that_was_signed_up_with_two_passwords_removes_both(gerbang: Gerbang) -> None:
    stranger, owner, inbox = gerbang.new_client(), gerbang.new_client(), gerbang.new_inbox()
    stranger.sign_up({"email": inbox.address, "password": PASSWORD})
    inbox.next_code()
    owner.sign_up({"email": inbox.address, "password": OTHER_PASSWORD})

    verify(owner, inbox, "signup")

    for password in (PASSWORD, OTHER_PASSWORD):
        with fails(400, "invalid_credentials"):
            gerbang.sign_in(inbox.address, password)
    owner.update_user({"password": OTHER_PASSWORD})
    gerbang.sign_in(inbox.address, OTHER_PASSWORD)


def test_a_weak_password_is_an_error_with_its_reasons(gerbang: Gerbang) -> None:
    with pytest.raises(AuthWeakPasswordError) as caught:
        gerbang.new_client().sign_up({"email": gerbang.new_inbox().address, "password": "short"})

    assert caught.value.status == 422
    assert "length" in caught.value.reasons


def test_a_malformed_address_is_an_error(gerbang: Gerbang) -> None:
    with fails(400, "validation_failed") as caught:
        gerbang.new_client().sign_up({"email": "mira.example.com", "password": PASSWORD})

    assert "Unable to validate email address" in caught.value.message
