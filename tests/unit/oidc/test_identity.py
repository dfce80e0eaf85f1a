"""gerbang.accounts.oidc: the identity and profile in an ID token."""

import json
from collections.abc import Mapping

import pytest
from gerbang.accounts.oidc import LARGEST_PROFILE_BYTES, PROFILE_CLAIMS, IdTokenVerifier
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken, ProviderIdentity
from gerbang.core.errors import AuthError

from tests.unit.id_tokens import good_claims, signed, token_with, token_without
from tests.unit.oidc.verifying import flaw_of


class TestIdentity:
    """security.md 107, 108."""

    def test_a_google_token_identifies_the_user(self, verifier: IdTokenVerifier) -> None:
        identity = verifier.verify(signed())

        assert identity == ProviderIdentity(
            provider="google",
            issuer="https://accounts.google.com",
            subject="110169484474386276334",
            email="Ana@Example.com",
            email_verified=True,
            name="Ana Pérez",
            profile={"picture": "https://lh3.googleusercontent.com/a/photo=s96-c", "locale": "es"},
        )
        assert "Example.com" not in repr(identity)
        assert "Ana" not in repr(identity)
        assert "photo" not in repr(identity)

    def test_the_name_may_be_missing(self, verifier: IdTokenVerifier) -> None:
        assert verifier.verify(token_without("name", "azp")).name == ""

    @pytest.mark.parametrize("wrong", [7, None, ["Ana"], {"first": "Ana"}, "half a pair \ud800"])
    def test_a_name_that_is_not_text_is_ignored(self, verifier: IdTokenVerifier, wrong: object) -> None:
        assert verifier.verify(token_with(name=wrong)).name == ""

    @pytest.mark.parametrize("subject", ["1", "1" * 255, "AItOawmwtWwcT0k51BayewNvutrJUqsvl6qs7A4"])
    def test_a_subject_is_up_to_255_ascii_characters(self, verifier: IdTokenVerifier, subject: str) -> None:
        assert verifier.verify(token_with(sub=subject)).subject == subject

    @pytest.mark.parametrize("subject", ["", " ", "1" * 256, "é", "1\n2", "\x00", 110169484474386276334, ["1"]])
    def test_any_other_subject_is_rejected(self, verifier: IdTokenVerifier, subject: object) -> None:
        assert flaw_of(verifier, token_with(sub=subject)) is IdTokenFlaw.SUBJECT

    @pytest.mark.parametrize(
        "address", ["", "ana", "a@" + "b" * 253, "ana\r\n@example.com", "a\ud800@example.com", 7, None, ["a@b.c"]]
    )
    def test_a_malformed_address_is_rejected(self, verifier: IdTokenVerifier, address: object) -> None:
        assert flaw_of(verifier, token_with(email=address)) is IdTokenFlaw.ADDRESS
        assert flaw_of(verifier, token_without("email")) is IdTokenFlaw.ADDRESS

    @pytest.mark.parametrize("verified", [True, "true"])
    def test_an_address_is_verified_by_true_or_the_string_true(
        self, verifier: IdTokenVerifier, verified: object
    ) -> None:
        assert verifier.verify(token_with(email_verified=verified)).email_verified

    @pytest.mark.parametrize(
        "verified", [False, "false", None, 1, 1.0, "1", "True", "TRUE", "yes", [True], {}], ids=repr
    )
    def test_any_other_value_does_not_verify_an_address(self, verifier: IdTokenVerifier, verified: object) -> None:
        assert flaw_of(verifier, token_with(email_verified=verified)) is IdTokenFlaw.ADDRESS_UNVERIFIED
        assert flaw_of(verifier, token_without("email_verified")) is IdTokenFlaw.ADDRESS_UNVERIFIED

    def test_an_invalid_token_is_an_error_of_the_client(self) -> None:
        assert issubclass(InvalidIdToken, AuthError)


class TestProfile:
    def test_the_known_claims_of_a_profile_are_kept(self, verifier: IdTokenVerifier) -> None:
        profile = {name: f"Ana's {name}" for name in PROFILE_CLAIMS}

        assert verifier.verify(token_with(**profile, gender="f", groups=["admins"])).profile == profile

    @pytest.mark.parametrize("wrong", [7, None, "", ["es"], {"es": 1}, "es\n", "half a pair \ud800"], ids=ascii)
    def test_a_claim_that_is_not_printable_text_is_left_out(self, verifier: IdTokenVerifier, wrong: object) -> None:
        assert verifier.verify(token_with(locale=wrong, given_name="Ana")).profile == {
            "picture": good_claims()["picture"],
            "given_name": "Ana",
        }

    @pytest.mark.parametrize("character", ["a", "é", '"', "\U0001f600"])
    def test_a_claim_that_makes_the_profile_too_large_is_left_out(
        self, verifier: IdTokenVerifier, character: str
    ) -> None:
        """The size is that of the stored JSON: in UTF-8, with escapes and quotation marks."""
        size = len(json.dumps(character, ensure_ascii=False).encode()) - 2
        fits = character * ((LARGEST_PROFILE_BYTES - 2 - len('"Ana"')) // size)

        def profile_with(picture: str) -> Mapping[str, str]:
            claims = {**good_claims(), "picture": picture, "given_name": "Ana", "locale": "es"}
            return verifier.verify(signed(json.dumps(claims, ensure_ascii=False).encode())).profile

        assert profile_with(fits) == {"picture": fits, "given_name": "Ana"}
        assert profile_with(fits + character * 6) == {"given_name": "Ana", "locale": "es"}
