"""Identities, reauthentication and CAPTCHAs with the Python client, which cannot link an identity by ID token."""

import pytest
from supabase_auth.types import UserIdentity

from tests.clients.conftest import NO_LIMITS
from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Gerbang, SignedIn, fails, user_of

LOCAL_CAPTCHA_TOKEN = "local-captcha-token"


def identities_of(owner: SignedIn) -> dict[str, UserIdentity]:
    """Return the identities of an account by their providers."""
    return {each.provider: each for each in owner.client.get_user_identities().identities}


def with_google(gerbang: Gerbang) -> SignedIn:
    """Return an account with a password that Google signs in to as well."""
    owner = gerbang.sign_up()
    token = gerbang.google_token(owner.inbox.address)
    gerbang.new_client().sign_in_with_id_token({"provider": "google", "token": token})
    return owner


def test_an_identity_is_unlinked(gerbang: Gerbang) -> None:
    owner = with_google(gerbang)

    owner.client.unlink_identity(identities_of(owner)["google"])

    assert identities_of(owner).keys() == {"email"}


def test_unlinking_the_email_identity_removes_the_password(gerbang: Gerbang) -> None:
    owner = with_google(gerbang)

    owner.client.unlink_identity(identities_of(owner)["email"])

    assert identities_of(owner).keys() == {"google"}
    with fails(400, "invalid_credentials"):
        gerbang.sign_in(owner.inbox.address)


def test_the_last_identity_cannot_be_unlinked(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    with fails(422, "single_identity_not_deletable"):
        owner.client.unlink_identity(identities_of(owner)["email"])


def test_linking_by_a_redirect_is_not_supported(gerbang: Gerbang) -> None:
    with fails(404, "manual_linking_disabled"):
        gerbang.sign_up().client.link_identity({"provider": "google"})


def test_reauthenticate_mails_a_code(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()

    owner.client.reauthenticate()

    code = owner.inbox.next_code()
    user_of(owner.client.update_user({"password": OTHER_PASSWORD, "nonce": code}))  # not needed by default
    gerbang.sign_in(owner.inbox.address, OTHER_PASSWORD)


class TestCaptcha:
    @pytest.fixture
    def parameters(self) -> str:
        return f"{NO_LIMITS} CaptchaProvider=turnstile"

    def test_a_captcha_token_is_required(self, gerbang: Gerbang) -> None:
        client, inbox = gerbang.new_client(), gerbang.new_inbox()

        with fails(400, "captcha_failed"):
            client.sign_up({"email": inbox.address, "password": PASSWORD})
        with fails(400, "captcha_failed"):
            client.sign_in_with_otp({"email": inbox.address, "options": {"captcha_token": "another"}})

    def test_a_valid_captcha_token_is_accepted(self, gerbang: Gerbang) -> None:
        client, inbox = gerbang.new_client(), gerbang.new_inbox()

        client.sign_up(
            {"email": inbox.address, "password": PASSWORD, "options": {"captcha_token": LOCAL_CAPTCHA_TOKEN}}
        )
        client.verify_otp({"email": inbox.address, "token": inbox.next_code(), "type": "signup"})
        client.sign_in_with_password(
            {"email": inbox.address, "password": PASSWORD, "options": {"captcha_token": LOCAL_CAPTCHA_TOKEN}}
        )

        user_of(client.get_user())
