"""The SnapOTP API over HTTP: sign-in with Google."""

import time

import pytest

from tests.wire.shapes import snapotp_error, snapotp_invalid, snapotp_session, snapotp_user
from tests.wire.world import PASSWORD, Person, World


class TestGoogle:
    def test_a_new_identity_creates_an_account(self, world: World) -> None:
        email = world.email()

        answer = world.client.post(
            "/api/auth/google", {"id_token": world.google_token(email=email, name="Ada Lovelace")}
        )

        assert answer.status == 200
        assert answer.json == snapotp_session(snapotp_user(email=email, name="Ada Lovelace", username=None))
        assert world.is_signed_in(answer.data["token"])

    def test_an_identity_keeps_its_account_when_its_address_changes(self, world: World) -> None:
        first = world.google_token(email=world.email(), google_id="same-subject")
        moved = world.google_token(email=world.email(), google_id="same-subject")

        accounts = [world.client.post("/api/auth/google", {"id_token": token}).data["user"] for token in (first, moved)]

        assert accounts[0] == accounts[1]

    def test_a_second_identity_with_the_same_address_is_409(self, world: World) -> None:
        email = world.email()
        world.client.post("/api/auth/google", {"id_token": world.google_token(email=email)})

        answer = world.client.post("/api/auth/google", {"id_token": world.google_token(email=email)})

        assert answer.status == 409
        assert answer.json == snapotp_error()

    def test_an_account_with_a_verified_address_is_linked_and_keeps_its_password(self, world: World) -> None:
        email, mail = world.register_without_session()
        world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        answer = world.client.post("/api/auth/google", {"id_token": world.google_token(email=email.upper())})

        assert answer.status == 200
        assert answer.data["user"]["email"] == email
        assert world.can_sign_in(email, PASSWORD)

    def test_fields_next_to_the_id_token_must_agree_with_it(self, world: World) -> None:
        email = world.email()
        token = world.google_token(email=email, google_id="g-1", name="Ada Lovelace")
        documented = {"google_id": "g-1", "email": email.upper(), "name": "Ada Lovelace"}

        assert world.client.post("/api/auth/google", {"id_token": token, **documented}).status == 200
        for field, other in (("google_id", "g-2"), ("email", world.email()), ("name", "Eve")):
            answer = world.client.post("/api/auth/google", {"id_token": token, **documented, field: other})
            assert answer.status == 401, field
            assert answer.json == snapotp_error()

    def test_a_back_end_with_the_secret_key_needs_no_id_token(self, world: World) -> None:
        email = world.email()
        documented = {"google_id": f"id-of-{email}", "email": email, "name": "Ada Lovelace"}

        answer = world.client.post("/api/auth/google", documented, apikey=world.secret_key)

        assert answer.status == 200
        assert answer.json == snapotp_session(snapotp_user(email=email, name="Ada Lovelace", username=None))

    @pytest.mark.parametrize("field", ["google_id", "email", "name"])
    def test_a_back_end_with_the_secret_key_must_send_all_three_fields(self, world: World, field: str) -> None:
        documented = {"google_id": "g-3", "email": world.email(), "name": "Ada Lovelace"}
        del documented[field]

        answer = world.client.post("/api/auth/google", documented, apikey=world.secret_key)

        assert answer.status == 400
        assert answer.json == snapotp_invalid(field)

    @pytest.mark.parametrize("key", [None, "publishable_key", "guess", "bearer"])
    def test_without_id_token_and_secret_key_it_is_401(self, world: World, key: str | None) -> None:
        email = world.email()
        documented = {"google_id": "g-4", "email": email, "name": "Ada Lovelace"}
        keys = world.api_keys()
        headers = {} if key is None else {"apikey": keys.get(key, "guess")}
        bearer = keys["secret_key"] if key == "bearer" else None

        answer = world.client.post("/api/auth/google", documented, bearer=bearer, **headers)

        assert answer.status == 401
        assert answer.json == snapotp_error()
        assert world.item("Users", pk=f"EMAIL#{email}", sk="-") is None

    def test_a_token_of_an_android_app_is_accepted(self, world: World) -> None:
        """Its `aud` is our client id, and its `azp` is the app's id."""
        token = world.google_token(email=world.email(), claims={"azp": "android.apps.googleusercontent.com"})

        assert world.client.post("/api/auth/google", {"id_token": token}).status == 200

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "another.apps.googleusercontent.com"},
            {"iss": "https://accounts.example.com"},
            {"exp": 1_700_000_000},
            {"iat": 2**40},
            {"email_verified": False},
            {"email_verified": "false"},
            {"email_verified": 1},
        ],
        ids=repr,
    )
    def test_an_id_token_with_a_wrong_claim_is_401(self, world: World, claims: dict[str, object]) -> None:
        token = world.google_token(email=world.email(), claims=claims)

        answer = world.client.post("/api/auth/google", {"id_token": token})

        assert answer.status == 401
        assert answer.json == snapotp_error()

    @pytest.mark.parametrize("spoilt", ["signature", "none", "ours", "words"])
    def test_an_id_token_without_googles_signature_is_401(
        self, world: World, shared_person: Person, spoilt: str
    ) -> None:
        header, payload, signature = world.google_token(email=world.email()).split(".")
        token = {
            "signature": f"{header}.{payload}.{signature[::-1]}",
            "none": f"eyJhbGciOiJub25lIn0.{payload}.",
            "ours": shared_person.access_token,
            "words": "not a token",
        }[spoilt]

        answer = world.client.post("/api/auth/google", {"id_token": token})

        assert answer.status == 401
        assert answer.json == snapotp_error()

    def test_a_disabled_account_is_403(self, world: World) -> None:
        email = world.email()
        token = world.google_token(email=email)
        world.client.post("/api/auth/google", {"id_token": token})
        world.set_account(
            world.account_of(email)["user_id"],
            disabled_at=int(time.time()),
            epoch=9,
        )

        answer = world.client.post("/api/auth/google", {"id_token": token})

        assert answer.status == 403
        assert answer.json == snapotp_error()
