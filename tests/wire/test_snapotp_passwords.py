"""The SnapOTP API over HTTP: forgotten passwords and password changes."""

import pytest

from tests.wire.client import Answer, Client
from tests.wire.shapes import SENTENCE, snapotp_error, snapotp_invalid
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

DONE = {"success": True, "data": {"message": SENTENCE}}


class TestForgotPassword:
    def test_known_and_unknown_addresses_get_the_same_answer_and_only_the_known_one_a_mail(self, world: World) -> None:
        person = world.register()
        unknown = world.email()

        answers = [
            world.client.post("/api/auth/forgot-password", {"email": email}) for email in (person.email, unknown)
        ]

        known_answer, unknown_answer = answers
        assert known_answer.status == 200
        message = "If the address has an account, a mail with a reset token is on its way"
        assert known_answer.json == {"success": True, "data": {"message": message}}
        assert known_answer.raw == unknown_answer.raw
        assert known_answer.stable_headers == unknown_answer.stable_headers
        assert world.mail(person.email).subject == "Reset your Gerbang password"
        assert world.mails(unknown) == []

    def test_requesting_a_reset_does_not_change_the_account(self, world: World) -> None:
        person = world.register()

        world.request_reset(person.email)

        assert world.can_sign_in(person.email, person.password)
        assert world.is_signed_in(person.access_token)

    def test_the_mail_goes_to_the_registered_address(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/api/auth/forgot-password", {"email": f"  {person.email.upper()} "})

        assert answer.status == 200
        assert world.mail(person.email).reset_token

    def test_the_mail_does_not_depend_on_the_host_header(self, world: World) -> None:
        person = world.register()

        world.client.post("/api/auth/forgot-password", {"email": person.email}, host="evil.example.com")

        mail = world.mail(person.email)
        assert "evil" not in mail.text + mail.html

    @pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": None}, {"email": "ada"}, {"email": ["a@b.cd"]}])
    def test_without_an_address_it_is_400(self, client: Client, body: object) -> None:
        answer = client.post("/api/auth/forgot-password", body)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("email")


class TestResetPassword:
    def reset(self, world: World, token: object, password: object = OTHER_PASSWORD) -> Answer:
        return world.client.post("/api/auth/reset-password", {"token": token, "password": password})

    def test_a_reset_sets_the_password_and_ends_all_sessions(self, world: World) -> None:
        person = world.register()
        other = world.client.post("/api/auth/login", {"email": person.email, "password": person.password}).data

        answer = self.reset(world, world.request_reset(person.email))

        assert answer.status == 200
        assert answer.json == DONE
        assert not world.is_signed_in(person.access_token)
        assert not world.is_signed_in(other["accessToken"])
        assert world.refresh(other["refreshToken"]).status == 401
        assert not world.can_sign_in(person.email, person.password)
        assert world.can_sign_in(person.email, OTHER_PASSWORD)

    def test_a_reset_token_works_once(self, world: World) -> None:
        token = world.request_reset(world.register().email)
        self.reset(world, token)

        answer = self.reset(world, token, "Third-password-44")

        assert answer.status == 400
        assert answer.json == snapotp_error()

    def test_a_repeated_reset_gets_the_same_answer(self, world: World) -> None:
        token = world.request_reset(world.register().email)
        first = self.reset(world, token)

        again = self.reset(world, token)

        assert (again.status, again.json) == (first.status, first.json) == (200, DONE)

    @pytest.mark.parametrize("password", ["short", "password", "x" * 257])
    def test_an_invalid_password_does_not_spend_the_token(self, world: World, password: str) -> None:
        person = world.register()
        token = world.request_reset(person.email)

        answer = self.reset(world, token, password)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("password")
        assert world.can_sign_in(person.email, person.password)
        assert self.reset(world, token).status == 200

    def test_changing_the_password_invalidates_the_token(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)
        changed = {"current_password": person.password, "new_password": "Third-password-44"}
        world.client.post("/api/auth/change-password", changed, bearer=person.access_token)

        answer = self.reset(world, token)

        assert answer.status == 400
        assert world.can_sign_in(person.email, "Third-password-44")

    def test_a_notice_is_mailed_without_token_or_password(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)

        self.reset(world, token)

        notice = world.mail(person.email, nth=2)
        assert notice.subject == "Your Gerbang password was changed"
        for secret in (token, OTHER_PASSWORD):
            assert secret not in notice.text + notice.html

    @pytest.mark.parametrize("token", ["x", "A" * 64, "-" * 64, "A" * 63, "A" * 8000, "ü" * 64, " " * 64, "../../etc"])
    def test_an_invalid_token_is_400(self, world: World, token: str) -> None:
        answer = self.reset(world, token)

        assert answer.status == 400
        assert answer.json == snapotp_error()

    def test_a_token_with_one_changed_character_is_400(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)
        spoilt = token[:-1] + ("A" if token[-1] != "A" else "B")

        assert self.reset(world, spoilt).status == 400
        assert self.reset(world, token.swapcase()).status == 400
        assert world.can_sign_in(person.email, person.password)

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["token", "password"]),
            ({"token": "x"}, ["password"]),
            ({"token": 5, "password": None}, ["token", "password"]),
        ],
    )
    def test_missing_fields_are_named(self, client: Client, body: object, fields: list[str]) -> None:
        answer = client.post("/api/auth/reset-password", body)

        assert answer.status == 400
        assert answer.json == snapotp_invalid(*fields)

    def test_a_limit_on_wrong_tokens_does_not_affect_other_clients(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)

        statuses = [self.reset(world, "A" * 64).status for _ in range(31)]

        assert statuses == [400] * 30 + [429]
        right = {"token": token, "password": OTHER_PASSWORD}
        assert world.new_client().post("/api/auth/reset-password", right).status == 200

    def test_a_sign_in_code_is_not_accepted_as_a_reset_token(self, world: World) -> None:
        assert self.reset(world, world.request_code(world.register().email).code).status == 400


class TestChangePassword:
    def change(self, world: World, token: str, current: object, new: object) -> Answer:
        body = {"current_password": current, "new_password": new}
        return world.client.post("/api/auth/change-password", body, bearer=token)

    def test_changing_the_password_ends_all_other_sessions(self, world: World) -> None:
        person = world.register()
        other = world.client.post("/api/auth/login", {"email": person.email, "password": person.password}).data

        answer = self.change(world, person.access_token, person.password, OTHER_PASSWORD)

        assert answer.status == 200
        assert answer.json == DONE
        assert world.is_signed_in(person.access_token)
        assert world.refresh(person.refresh_token).status == 200
        assert not world.is_signed_in(other["accessToken"])
        assert world.refresh(other["refreshToken"]).status == 401
        assert not world.can_sign_in(person.email, person.password)
        assert world.can_sign_in(person.email, OTHER_PASSWORD)

    def test_a_notice_is_mailed_only_to_a_verified_address(self, world: World) -> None:
        unverified = world.register()
        email, code = world.register_without_session()
        verified = world.client.post("/auth/verify_otp", {"email": email, "otp": code.code}).data

        self.change(world, unverified.access_token, unverified.password, OTHER_PASSWORD)
        self.change(world, verified["access_token"], PASSWORD, OTHER_PASSWORD)

        assert world.mail(email, nth=2).subject == "Your Gerbang password was changed"
        world.request_code(unverified.email)  # mails that were queued before have arrived now
        assert len(world.mails(unverified.email)) == 1

    def test_the_current_password_is_required(self, world: World) -> None:
        person = world.register()

        answer = self.change(world, person.access_token, OTHER_PASSWORD, "Third-password-44")

        assert answer.status == 400
        assert answer.json == snapotp_error()
        assert world.can_sign_in(person.email, person.password)

    @pytest.mark.parametrize("new", ["short", "password", "ada lovelace"])
    def test_an_invalid_new_password_is_named(self, world: World, shared_person: Person, new: str) -> None:
        answer = self.change(world, shared_person.access_token, shared_person.password, new)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("new_password")

    def test_missing_fields_are_named(self, client: Client, shared_person: Person) -> None:
        answer = client.post("/api/auth/change-password", {}, bearer=shared_person.access_token)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("current_password", "new_password")

    def test_without_a_token_it_is_401(self, client: Client) -> None:
        body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}

        answer = client.post("/api/auth/change-password", body)

        assert answer.status == 401
        assert answer.json == snapotp_error()

    def test_a_guest_has_no_password(self, world: World) -> None:
        answer = self.change(world, world.guest(), PASSWORD, OTHER_PASSWORD)

        assert answer.status == 403
        assert answer.json == snapotp_error()

    def test_an_account_without_a_password_cannot_change_it(self, world: World) -> None:
        token = world.client.post("/api/auth/google", {"id_token": world.google_token(email=world.email())}).data

        answer = self.change(world, token["token"], "any-password", OTHER_PASSWORD)

        assert answer.status == 400
        assert answer.json == snapotp_error()
