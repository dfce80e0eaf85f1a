"""The Atourin API over HTTP: one-time codes."""

import time

import pytest

from tests.wire.client import Answer, Client
from tests.wire.shapes import atourin_error, atourin_invalid, atourin_session
from tests.wire.world import OTHER_PASSWORD, PASSWORD, World

WRONG_CODE = atourin_error(400)


class TestOtp:
    def test_known_and_unknown_addresses_get_the_same_answer_and_only_the_known_one_a_mail(self, world: World) -> None:
        known, unknown = world.register().email, world.email()

        answers = [world.client.post("/auth/otp", {"email": email}) for email in (known, unknown)]

        assert answers[0].status == answers[1].status == 200
        assert answers[0].json == {"info": "Success send OTP", "msg": "Ok"}
        assert answers[0].raw == answers[1].raw
        assert answers[0].stable_headers == answers[1].stable_headers
        assert world.mail(known).subject == "Your sign-in code for Gerbang"
        assert world.mails(unknown) == []

    def test_the_code_is_neither_in_the_answer_nor_in_the_tables(self, world: World) -> None:
        email = world.register().email

        answer = world.client.post("/auth/otp", {"email": email})

        code = world.mail(email).code
        assert code.encode() not in answer.raw
        stored = [
            item for item in world.items("OneTimeCodes") if code in str({**item, "expires_at": "", "issued_at_ms": ""})
        ]
        assert stored == []

    @pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": None}, {"email": 1}, {"email": "ada"}])
    def test_without_an_address_it_is_400(self, client: Client, body: object) -> None:
        answer = client.post("/auth/otp", body)

        assert answer.status == 400
        assert answer.json == atourin_invalid("email")

    def test_known_and_unknown_addresses_are_limited_to_one_mail_a_minute(self, world: World) -> None:
        for email in (world.register().email, world.email()):
            assert world.client.post("/auth/otp", {"email": email}).status == 200

            answer = world.new_client().post("/auth/otp", {"email": email.upper()})

            assert answer.status == 429
            assert answer.json == atourin_error(429)
            assert 1 <= int(answer.headers["retry-after"]) <= 60

    def test_a_disabled_account_gets_the_usual_answer_but_no_mail(self, world: World) -> None:
        disabled, other = world.register(), world.register()
        world.set_account(disabled.user_id, disabled_at=int(time.time()))

        answer = world.client.post("/auth/otp", {"email": disabled.email})

        assert answer.status == 200
        world.request_code(other.email)
        assert world.mails(disabled.email) == []


class TestVerifyOtp:
    def redeem(self, world: World, email: object, code: object) -> Answer:
        return world.client.post("/auth/verify_otp", {"email": email, "otp": code})

    def test_a_code_signs_in(self, world: World) -> None:
        email, mail = world.register_without_session(name="User Name")

        answer = self.redeem(world, f" {email.upper()}", mail.code)

        assert answer.status == 200
        assert answer.json == atourin_session("Success verify OTP", email=email, name="User Name")
        assert world.is_signed_in(answer.data["access_token"])

    def test_a_code_works_once(self, world: World) -> None:
        email, mail = world.register_without_session()
        self.redeem(world, email, mail.code)

        answer = self.redeem(world, email, mail.code)

        assert answer.status == 400
        assert answer.json == WRONG_CODE

    def test_a_newer_code_replaces_the_older_one(self, world: World) -> None:
        email, older = world.register_without_session()
        newer = world.request_code(email)

        assert self.redeem(world, email, older.code).status == 400
        assert self.redeem(world, email, newer.code).status == 200

    def test_after_five_wrong_codes_both_endpoints_answer_429(self, world: World) -> None:
        email, mail = world.register_without_session()
        wrong = "000000" if mail.code != "000000" else "000001"

        tries = [self.redeem(world, email, wrong) for _ in range(5)]
        right = self.redeem(world, email, mail.code)
        newer = world.client.post("/auth/otp", {"email": email})

        assert [answer.json for answer in tries] == [WRONG_CODE] * 5
        for answer in (right, newer):
            assert answer.json == atourin_error(429)
            assert 3500 < int(answer.headers["retry-after"]) <= 3600
        assert len(world.mails(email)) == 1

    def test_an_unknown_address_has_the_same_limit_of_five_wrong_codes(self, world: World) -> None:
        stranger = world.email()

        tries = [self.redeem(world, stranger, "000000").status for _ in range(6)]

        assert tries == [400] * 5 + [429]
        assert world.client.post("/auth/otp", {"email": stranger}).status == 429

    def test_a_code_works_after_four_wrong_ones(self, world: World) -> None:
        email, mail = world.register_without_session()
        wrong = "000000" if mail.code != "000000" else "000001"

        for _ in range(4):
            self.redeem(world, email, wrong)

        assert self.redeem(world, email, mail.code).status == 200

    def test_a_code_is_valid_only_for_the_address_it_was_mailed_to(self, world: World) -> None:
        email, mail = world.register_without_session()
        other, _ = world.register_without_session()

        assert self.redeem(world, other, mail.code).status == 400
        assert self.redeem(world, email, mail.code).status == 200

    @pytest.mark.parametrize("form", [" {}", "{} ", "{}\n", "{}0", "0{}", "+{}", "{}.0", "{wide}", "0x{}"])
    def test_a_malformed_code_is_wrong_and_does_not_count_as_a_try(self, world: World, form: str) -> None:
        email, mail = world.register_without_session()
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in mail.code)

        answer = self.redeem(world, email, form.format(mail.code, wide=wide))

        assert answer.status == 400
        assert answer.json == WRONG_CODE
        assert self.redeem(world, email, mail.code).status == 200, "a malformed code is not counted"

    @pytest.mark.parametrize("otp", [123456, 123456.0, ["123456"], {"$ne": ""}, True, None, ""])
    def test_a_code_must_be_text(self, world: World, otp: object) -> None:
        answer = self.redeem(world, world.email(), otp)

        assert answer.status == 400
        assert answer.json == atourin_invalid("otp")

    def test_missing_fields_are_named(self, client: Client) -> None:
        answer = client.post("/auth/verify_otp", {})

        assert answer.status == 400
        assert answer.json == atourin_invalid("email", "otp")

    def test_an_unknown_address_gets_the_same_answer_as_a_wrong_code(self, world: World) -> None:
        known, _ = world.register_without_session()

        of_unknown = self.redeem(world, world.email(), "123456")
        of_known = self.redeem(world, known, "999999")

        assert of_unknown.raw == of_known.raw
        assert of_unknown.json == WRONG_CODE

    def test_a_reset_token_is_not_accepted_as_a_code(self, world: World) -> None:
        person = world.register()

        assert self.redeem(world, person.email, world.request_reset(person.email)).status == 400

    def test_codes_have_six_digits_and_differ(self, world: World) -> None:
        codes = [world.register_without_session()[1].code for _ in range(3)]

        assert all(len(code) == 6 for code in codes)
        assert len(set(codes)) > 1


class TestPreHijacking:
    """A stranger registers an address before its owner verifies it (security.md 108)."""

    @pytest.mark.covers("108")
    def test_a_sign_in_code_removes_the_strangers_password_and_sessions(self, world: World) -> None:
        stranger = world.register()

        owner = world.client.post(
            "/auth/verify_otp", {"email": stranger.email, "otp": world.request_code(stranger.email).code}
        )

        assert owner.status == 200
        assert world.is_signed_in(owner.data["access_token"])
        assert owner.data["password_removed"] is True
        assert not world.is_signed_in(stranger.access_token)
        assert world.refresh(stranger.refresh_token).status == 401
        assert not world.can_sign_in(stranger.email, stranger.password)
        notice = world.mail(stranger.email, nth=2)
        assert notice.subject == "Set a new password for Gerbang"
        assert "Forgot password" in notice.text

    def test_after_the_owner_tries_to_register_the_first_code_removes_the_strangers_password(
        self, world: World
    ) -> None:
        email, mail = world.register_without_session()  # by a stranger
        owners = {"name": "Ada Lovelace", "email": email, "password": OTHER_PASSWORD}
        assert world.new_client().post("/auth/register", owners).status == 409

        answer = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert answer.status == 200
        assert answer.data["password_removed"] is True
        assert not world.can_sign_in(email, PASSWORD)
        assert not world.can_sign_in(email, OTHER_PASSWORD)
        assert len([mail for mail in world.mails(email) if mail.codes]) == 1  # the second registration sent no mail

    @pytest.mark.covers("108")
    def test_google_removes_the_strangers_password_and_sessions(self, world: World) -> None:
        stranger = world.register()

        owner = world.client.post("/api/auth/google", {"id_token": world.google_token(email=stranger.email)})

        assert owner.status == 200
        assert world.is_signed_in(owner.data["token"])
        assert not world.is_signed_in(stranger.access_token)
        assert world.refresh(stranger.refresh_token).status == 401
        assert not world.can_sign_in(stranger.email, stranger.password)

    def test_the_code_of_a_registration_keeps_its_password(self, world: World) -> None:
        email, mail = world.register_without_session()

        answer = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert "password_removed" not in answer.data
        assert world.can_sign_in(email, PASSWORD)

    def test_a_verified_account_keeps_its_password_and_sessions(self, world: World) -> None:
        email, mail = world.register_without_session()
        first = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code}).data

        world.client.post("/auth/verify_otp", {"email": email, "otp": world.request_code(email).code})
        world.client.post("/api/auth/google", {"id_token": world.google_token(email=email)})

        assert world.is_signed_in(first["access_token"])
        assert world.can_sign_in(email, PASSWORD)
