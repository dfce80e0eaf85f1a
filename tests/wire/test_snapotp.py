"""The SnapOTP contract over HTTP: every row of its tables, word for word."""

import time

import pytest

from tests.wire.client import Answer, Client
from tests.wire.shapes import JWT, SENTENCE, SNAPOTP_NUMBER, claims_of, snapotp_error, snapotp_invalid
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

WRONG_CREDENTIALS = snapotp_error()
DONE = {"success": True, "data": {"message": SENTENCE}}


def user_of(*, email: str, name: str, username: str | None) -> dict[str, object]:
    return {
        "id": SNAPOTP_NUMBER,
        "username": username,
        "name": name,
        "email": email,
        "credit_balance": 0,
        "role_id": 3,
    }


def session_of(user: dict[str, object]) -> dict[str, object]:
    data = {"token": JWT, "refresh_token": JWT, "expires_in": 3600, "user": user}
    return {"success": True, "data": data}


def user_of_person(person: Person) -> dict[str, object]:
    return user_of(email=person.email, name=person.name, username=person.username)


class TestRegister:
    def test_the_example_of_the_contract_answers_201_with_a_session(self, client: Client) -> None:
        asked = {"username": "johndoe", "email": "john@example.com", "password": "secret123", "name": "John Doe"}

        answer = client.post("/api/auth/register", asked)

        assert answer.status == 201
        assert answer.json == session_of(user_of(email="john@example.com", name="John Doe", username="johndoe"))

    def test_it_founds_no_organisation(self, world: World) -> None:
        person = world.register_by_username()

        assert "organization_id" not in world.account(person.user_id)

    def test_registering_mails_nothing(self, world: World) -> None:
        person = world.register_by_username()

        world.request_code(person.email)

        assert [mail.subject for mail in world.mails(person.email)] == ["Your sign-in code for Gerbang"]

    def test_ids_are_random(self, world: World) -> None:
        first, second, third = (world.me(world.register_by_username().access_token).data["id"] for _ in range(3))

        assert abs(first - second) > 1
        assert abs(second - third) > 1

    @pytest.mark.parametrize("field", ["email", "password", "name"])
    def test_a_missing_field_is_named(self, world: World, field: str) -> None:
        asked = {"username": world.username(), "email": world.email(), "password": PASSWORD, "name": "John Doe"}
        del asked[field]

        answer = world.client.post("/api/auth/register", asked)

        assert answer.status == 400
        assert answer.json == snapotp_invalid(field)

    @pytest.mark.parametrize("username", ["abc", "x" * 30, "a.b_c-9", "...", "AbC-{}"])
    def test_user_names_of_the_form_are_taken_as_typed(self, world: World, username: str) -> None:
        person = world.register_by_username(username=username.format(world.username()[-4:]))

        assert world.me(person.access_token).data["username"] == person.username

    @pytest.mark.parametrize(
        "username",
        [
            "",
            "ab",
            "x" * 31,
            "a b c",
            "john@doe",
            "jöhn",
            "john/doe",
            "john\0",
            "jo+hn",
            None,
            12345,
        ],
    )
    def test_other_user_names_are_refused(self, world: World, username: object) -> None:
        asked = {"username": username, "email": world.email(), "password": PASSWORD, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", asked)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("username")

    def test_a_user_name_is_unique_without_regard_to_case(self, world: World) -> None:
        person = world.register_by_username()
        assert person.username is not None
        asked = {"email": world.email(), "password": PASSWORD, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", {**asked, "username": person.username.upper()})

        assert answer.status == 409
        assert answer.json == snapotp_error()
        assert world.client.post("/api/auth/register", {**asked, "username": world.username()}).status == 201, (
            "the address was not taken along with the refusal"
        )

    def test_an_address_is_unique(self, world: World) -> None:
        asked = {"username": world.username(), "password": PASSWORD, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", {**asked, "email": world.register().email.upper()})

        assert answer.status == 409
        assert answer.json == snapotp_error()

    @pytest.mark.parametrize("password", ["alllower", "12 45 78", "........"[:8] + "x", "PLAIN UPPER"])
    def test_a_password_needs_8_characters_and_nothing_else(self, world: World, password: str) -> None:
        person = world.register_by_username(password=password)

        assert world.can_sign_in(person.email, password)

    @pytest.mark.parametrize("password", ["seven77", "password", "qwertyuiop", "johndoe1"])
    def test_other_passwords_are_refused_with_the_reason(self, world: World, password: str) -> None:
        asked = {"username": "johndoe", "email": world.email(), "password": password, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", asked)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("password")


class TestLogin:
    def test_a_user_name_and_its_password_answer_200_with_a_session(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.client.post("/api/auth/login", {"username": person.username, "password": person.password})

        assert answer.status == 200
        assert answer.json == session_of(user_of_person(person))

    def test_the_case_of_a_user_name_does_not_matter(self, world: World) -> None:
        person = world.register_by_username()
        assert person.username is not None

        answer = world.client.post(
            "/api/auth/login", {"username": person.username.upper(), "password": person.password}
        )

        assert answer.status == 200
        assert answer.data["user"]["username"] == person.username

    def test_an_address_is_taken_in_the_place_of_a_user_name(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.client.post("/api/auth/login", {"username": f" {person.email.upper()} ", "password": PASSWORD})

        assert answer.status == 200
        assert answer.json == session_of(user_of_person(person))

    @pytest.mark.parametrize("unknown", ["nobody-at-all", "a b", "x", "x" * 5000, "nobody@example.com", "ada@", "@"])
    def test_whatever_is_wrong_has_one_answer(self, world: World, resident: Person, unknown: str) -> None:
        wrong = world.client.post("/api/auth/login", {"username": resident.email, "password": OTHER_PASSWORD})

        answer = world.client.post("/api/auth/login", {"username": unknown, "password": OTHER_PASSWORD})

        assert wrong.status == answer.status == 400
        assert wrong.json == WRONG_CREDENTIALS
        assert answer.raw == wrong.raw
        assert answer.lasting_headers == wrong.lasting_headers
        world.client.post("/api/auth/login", {"username": resident.email, "password": resident.password})

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"username": "johndoe"}, ["password"]),
            ({"username": "", "password": PASSWORD}, ["username"]),
            ({"username": None, "password": PASSWORD}, ["username"]),
            ({"username": 7, "password": 8}, ["username", "password"]),
            ({"username": "johndoe", "email": "john@example.com"}, ["password"]),
        ],
    )
    def test_missing_and_wrong_fields_are_named(self, client: Client, body: object, fields: list[str]) -> None:
        answer = client.post("/api/auth/login", body)

        assert answer.status == 400
        assert answer.json == snapotp_invalid(*fields)

    def test_too_many_guesses_are_429_in_this_contract(self, world: World) -> None:
        person = world.register_by_username()
        wrong = {"username": person.username, "password": OTHER_PASSWORD}

        *_, last = [world.client.post("/api/auth/login", wrong) for _ in range(11)]

        assert last.status == 429
        assert last.json == snapotp_error()
        assert int(last.headers["retry-after"]) >= 1

    def test_the_session_outlives_the_hour_by_its_refresh_token(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.client.post("/api/auth/refresh", {"refresh_token": person.refresh_token})

        assert answer.status == 200
        assert answer.json == session_of(user_of_person(person))
        assert answer.data["refresh_token"] != person.refresh_token
        assert claims_of(answer.data["token"])["session_id"] == person.session_id

    def test_a_dead_refresh_token_is_401_in_this_contract(self, world: World) -> None:
        person = world.register_by_username()
        world.client.post_nothing("/api/auth/logout", bearer=person.access_token)

        answer = world.client.post("/api/auth/refresh", {"refresh_token": person.refresh_token})

        assert answer.status == 401
        assert answer.json == snapotp_error()


class TestGoogle:
    def test_an_id_token_makes_an_account_at_first_use(self, world: World) -> None:
        email = world.email()

        answer = world.client.post(
            "/api/auth/google", {"id_token": world.google_token(email=email, name="Ada Lovelace")}
        )

        assert answer.status == 200
        assert answer.json == session_of(user_of(email=email, name="Ada Lovelace", username=None))
        assert world.is_signed_in(answer.data["token"])

    def test_the_same_identity_is_the_same_account_whatever_its_address(self, world: World) -> None:
        first = world.google_token(email=world.email(), google_id="same-subject")
        moved = world.google_token(email=world.email(), google_id="same-subject")

        accounts = [world.client.post("/api/auth/google", {"id_token": token}).data["user"] for token in (first, moved)]

        assert accounts[0] == accounts[1]

    def test_another_identity_with_the_same_address_is_409(self, world: World) -> None:
        email = world.email()
        world.client.post("/api/auth/google", {"id_token": world.google_token(email=email)})

        answer = world.client.post("/api/auth/google", {"id_token": world.google_token(email=email)})

        assert answer.status == 409
        assert answer.json == snapotp_error()

    def test_an_address_that_somebody_proved_is_linked_and_keeps_its_password(self, world: World) -> None:
        email, mail = world.register_without_session()
        world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        answer = world.client.post("/api/auth/google", {"id_token": world.google_token(email=email.upper())})

        assert answer.status == 200
        assert answer.data["user"]["email"] == email
        assert world.can_sign_in(email, PASSWORD)

    def test_the_three_fields_may_come_with_the_id_token_and_must_agree(self, world: World) -> None:
        email = world.email()
        token = world.google_token(email=email, google_id="g-1", name="Ada Lovelace")
        documented = {"google_id": "g-1", "email": email.upper(), "name": "Ada Lovelace"}

        assert world.client.post("/api/auth/google", {"id_token": token, **documented}).status == 200
        for field, other in (("google_id", "g-2"), ("email", world.email()), ("name", "Eve")):
            answer = world.client.post("/api/auth/google", {"id_token": token, **documented, field: other})
            assert answer.status == 401, field
            assert answer.json == snapotp_error()

    def test_the_three_fields_alone_are_taken_from_a_trusted_back_end(self, world: World) -> None:
        email = world.email()
        documented = {"google_id": f"id-of-{email}", "email": email, "name": "Ada Lovelace"}

        answer = world.client.post("/api/auth/google", documented, apikey=world.api_keys()["secret_key"])

        assert answer.status == 200
        assert answer.json == session_of(user_of(email=email, name="Ada Lovelace", username=None))

    @pytest.mark.parametrize("field", ["google_id", "email", "name"])
    def test_a_trusted_back_end_has_to_send_all_three(self, world: World, field: str) -> None:
        documented = {"google_id": "g-3", "email": world.email(), "name": "Ada Lovelace"}
        del documented[field]

        answer = world.client.post("/api/auth/google", documented, apikey=world.api_keys()["secret_key"])

        assert answer.status == 400
        assert answer.json == snapotp_invalid(field)

    @pytest.mark.parametrize("key", [None, "publishable_key", "guess", "bearer"])
    def test_the_three_fields_without_a_proof_are_401(self, world: World, key: str | None) -> None:
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
        """Its `aud` is our client id, its `azp` the app's own."""
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
    def test_a_token_that_says_something_wrong_is_401(self, world: World, claims: dict[str, object]) -> None:
        token = world.google_token(email=world.email(), claims=claims)

        answer = world.client.post("/api/auth/google", {"id_token": token})

        assert answer.status == 401
        assert answer.json == snapotp_error()

    @pytest.mark.parametrize("spoilt", ["signature", "none", "ours", "words"])
    def test_a_token_that_google_did_not_sign_is_401(self, world: World, resident: Person, spoilt: str) -> None:
        header, payload, signature = world.google_token(email=world.email()).split(".")
        token = {
            "signature": f"{header}.{payload}.{signature[::-1]}",
            "none": f"eyJhbGciOiJub25lIn0.{payload}.",
            "ours": resident.access_token,
            "words": "not a token",
        }[spoilt]

        answer = world.client.post("/api/auth/google", {"id_token": token})

        assert answer.status == 401
        assert answer.json == snapotp_error()

    def test_a_disabled_account_stays_out(self, world: World) -> None:
        email = world.email()
        token = world.google_token(email=email)
        world.client.post("/api/auth/google", {"id_token": token})
        world.set(
            "Users",
            {"pk": f"USER#{world.account_of(email)['user_id']}", "sk": "ACCOUNT"},
            disabled_at=int(time.time()),
            epoch=9,
        )

        answer = world.client.post("/api/auth/google", {"id_token": token})

        assert answer.status == 403
        assert answer.json == snapotp_error()


class TestForgotPassword:
    def test_known_and_unknown_addresses_have_one_answer_and_one_of_them_a_mail(self, world: World) -> None:
        person = world.register()
        unknown = world.email()

        answers = [
            world.client.post("/api/auth/forgot-password", {"email": email}) for email in (person.email, unknown)
        ]

        known_answer, unknown_answer = answers
        assert known_answer.status == 200
        said = "If the address has an account, a mail with a reset token is on its way"
        assert known_answer.json == {"success": True, "data": {"message": said}}
        assert known_answer.raw == unknown_answer.raw
        assert known_answer.lasting_headers == unknown_answer.lasting_headers
        assert world.mail(person.email).subject == "Reset your Gerbang password"
        assert world.mails(unknown) == []

    def test_asking_changes_nothing(self, world: World) -> None:
        person = world.register()

        world.request_reset(person.email)

        assert world.can_sign_in(person.email, person.password)
        assert world.is_signed_in(person.access_token)

    def test_the_mail_goes_to_the_address_that_was_registered(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/api/auth/forgot-password", {"email": f"  {person.email.upper()} "})

        assert answer.status == 200
        assert world.mail(person.email).reset_token

    def test_the_answer_does_not_depend_on_the_host_header(self, world: World) -> None:
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

    def test_a_token_sets_the_password_and_ends_every_session(self, world: World) -> None:
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

    def test_a_token_works_once(self, world: World) -> None:
        token = world.request_reset(world.register().email)
        self.reset(world, token)

        answer = self.reset(world, token, "Third-password-44")

        assert answer.status == 400
        assert answer.json == snapotp_error()

    def test_the_same_again_is_answered_as_the_first_time(self, world: World) -> None:
        token = world.request_reset(world.register().email)
        first = self.reset(world, token)

        again = self.reset(world, token)

        assert (again.status, again.json) == (first.status, first.json) == (200, DONE)

    @pytest.mark.parametrize("password", ["short", "password", "x" * 257])
    def test_a_refused_password_does_not_spend_the_token(self, world: World, password: str) -> None:
        person = world.register()
        token = world.request_reset(person.email)

        answer = self.reset(world, token, password)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("password")
        assert world.can_sign_in(person.email, person.password)
        assert self.reset(world, token).status == 200

    def test_a_password_changed_meanwhile_outlives_the_token(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)
        changed = {"current_password": person.password, "new_password": "Third-password-44"}
        world.client.post("/api/auth/change-password", changed, bearer=person.access_token)

        answer = self.reset(world, token)

        assert answer.status == 400
        assert world.can_sign_in(person.email, "Third-password-44")

    def test_a_notice_without_token_or_password_follows(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)

        self.reset(world, token)

        notice = world.mail(person.email, nth=2)
        assert notice.subject == "Your Gerbang password was changed"
        for secret in (token, OTHER_PASSWORD):
            assert secret not in notice.text + notice.html

    @pytest.mark.parametrize("token", ["x", "A" * 64, "-" * 64, "A" * 63, "A" * 8000, "ü" * 64, " " * 64, "../../etc"])
    def test_other_tokens_are_worth_nothing(self, world: World, token: str) -> None:
        answer = self.reset(world, token)

        assert answer.status == 400
        assert answer.json == snapotp_error()

    def test_a_token_with_one_character_changed_is_worth_nothing(self, world: World) -> None:
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

    def test_wrong_tokens_run_out_and_the_right_one_survives_them(self, world: World) -> None:
        person = world.register()
        token = world.request_reset(person.email)

        statuses = [self.reset(world, "A" * 64).status for _ in range(31)]

        assert statuses == [400] * 30 + [429]
        right = {"token": token, "password": OTHER_PASSWORD}
        assert world.new_client().post("/api/auth/reset-password", right).status == 200

    def test_a_code_for_signing_in_is_no_reset_token(self, world: World) -> None:
        assert self.reset(world, world.request_code(world.register().email).code).status == 400


class TestMe:
    def test_it_answers_the_account(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.me(person.access_token)

        assert answer.status == 200
        assert answer.json == {"success": True, "data": user_of_person(person)}

    def test_it_answers_for_a_token_of_every_contract(self, world: World) -> None:
        botlaunch = world.register()
        atourin, mail = world.register_without_session()
        signed_in = world.client.post("/auth/verify_otp", {"email": atourin, "otp": mail.code}).data

        of_botlaunch, of_atourin = (world.me(token) for token in (botlaunch.access_token, signed_in["access_token"]))

        assert of_botlaunch.data == user_of(email=botlaunch.email, name=botlaunch.name, username=None)
        assert of_atourin.data == user_of(email=atourin, name="Alan Turing", username=None)

    def test_without_a_token_it_is_401(self, client: Client) -> None:
        answer = client.get("/api/auth/me")

        assert answer.status == 401
        assert answer.json == snapotp_error()

    def test_a_token_in_the_query_is_not_read(self, client: Client, resident: Person) -> None:
        answer = client.get(f"/api/auth/me?access_token={resident.access_token}&authorization={resident.access_token}")

        assert answer.status == 401

    def test_a_guest_has_no_account_to_see(self, world: World) -> None:
        answer = world.me(world.guest())

        assert answer.status == 403
        assert answer.json == snapotp_error()

    def test_what_an_operator_changes_is_seen_at_once(self, world: World) -> None:
        person = world.register_by_username()
        world.set("Users", {"pk": f"USER#{person.user_id}", "sk": "ACCOUNT"}, role_id=1, credit_balance=5000)

        answer = world.me(person.access_token)

        assert (answer.data["role_id"], answer.data["credit_balance"]) == (1, 5000)


class TestChangePassword:
    def change(self, world: World, token: str, current: object, new: object) -> Answer:
        body = {"current_password": current, "new_password": new}
        return world.client.post("/api/auth/change-password", body, bearer=token)

    def test_the_present_password_is_changed_for_another_and_other_sessions_end(self, world: World) -> None:
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

    def test_a_notice_goes_to_an_address_that_was_proved_and_to_no_other(self, world: World) -> None:
        unverified = world.register()
        email, code = world.register_without_session()
        verified = world.client.post("/auth/verify_otp", {"email": email, "otp": code.code}).data

        self.change(world, unverified.access_token, unverified.password, OTHER_PASSWORD)
        self.change(world, verified["access_token"], PASSWORD, OTHER_PASSWORD)

        assert world.mail(email, nth=2).subject == "Your Gerbang password was changed"
        world.request_code(unverified.email)  # what was queued before has come by now
        assert len(world.mails(unverified.email)) == 1

    def test_the_access_token_alone_does_not_do(self, world: World) -> None:
        person = world.register()

        answer = self.change(world, person.access_token, OTHER_PASSWORD, "Third-password-44")

        assert answer.status == 400
        assert answer.json == snapotp_error()
        assert world.can_sign_in(person.email, person.password)

    @pytest.mark.parametrize("new", ["short", "password", "ada lovelace"])
    def test_a_new_password_that_breaks_a_rule_is_named(self, world: World, resident: Person, new: str) -> None:
        answer = self.change(world, resident.access_token, resident.password, new)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("new_password")

    def test_missing_fields_are_named(self, client: Client, resident: Person) -> None:
        answer = client.post("/api/auth/change-password", {}, bearer=resident.access_token)

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

        answer = self.change(world, token["token"], "whatever-it-is", OTHER_PASSWORD)

        assert answer.status == 400
        assert answer.json == snapotp_error()
