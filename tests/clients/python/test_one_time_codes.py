import pytest
from supabase_auth.types import EmailOtpType

from tests.clients.gerbang import Gerbang, fails, method_of, user_of, verify


@pytest.mark.parametrize("kind", ["email", "signup"])
def test_a_code_creates_an_account_for_a_new_address(gerbang: Gerbang, kind: EmailOtpType) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()

    client.sign_in_with_otp({"email": inbox.address, "options": {"data": {"nickname": "Mira"}}})

    user = user_of(verify(client, inbox, kind))
    assert user.email == inbox.address
    assert user.user_metadata["nickname"] == "Mira"
    assert user.email_confirmed_at is not None


@pytest.mark.parametrize("kind", ["email", "magiclink"])
def test_a_code_signs_in_to_an_account(gerbang: Gerbang, kind: EmailOtpType) -> None:
    owner, client = gerbang.sign_up(), gerbang.new_client()
    client.sign_in_with_otp({"email": owner.inbox.address, "options": {"should_create_user": False}})

    user = user_of(verify(client, owner.inbox, kind))

    assert user.id == owner.id
    assert method_of(client) == "otp"


def test_should_create_user_false_mails_nothing_to_an_unknown_address_and_succeeds(gerbang: Gerbang) -> None:
    inbox = gerbang.new_inbox()

    gerbang.new_client().sign_in_with_otp({"email": inbox.address, "options": {"should_create_user": False}})

    gerbang.wait_for_all_mail()
    assert inbox.codes() == []


def test_a_code_works_once(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    client.sign_in_with_otp({"email": inbox.address})
    token = inbox.next_code()
    client.verify_otp({"email": inbox.address, "token": token, "type": "email"})

    with fails(403, "otp_expired"):
        client.verify_otp({"email": inbox.address, "token": token, "type": "email"})


def test_a_wrong_code_and_an_unknown_address_are_the_same_error(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    client.sign_in_with_otp({"email": inbox.address})
    token = "654321" if inbox.next_code() == "123456" else "123456"

    with fails(403, "otp_expired") as wrong:
        client.verify_otp({"email": inbox.address, "token": token, "type": "email"})
    with fails(403, "otp_expired") as unknown:
        client.verify_otp({"email": gerbang.new_inbox().address, "token": token, "type": "email"})

    assert "expired or is invalid" in wrong.value.message
    assert unknown.value.message == wrong.value.message
