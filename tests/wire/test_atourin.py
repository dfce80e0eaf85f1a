"""The Atourin contract over HTTP: every row of its tables, word for word."""

import hashlib
import time

import bcrypt
import pytest
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST

from tests.wire.client import Answer, Client
from tests.wire.shapes import INSTANT, JWT, UUID, Text, Whole, atourin_error, claims_of
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

REGISTERED = "Pendaftaran berhasil, silakan cek email untuk verifikasi"
WRONG_CREDENTIALS = atourin_error(400)
WRONG_CODE = atourin_error(400)
UNAUTHORIZED = atourin_error(401)
INHERITED = "old-password-7"


def invalid(*fields: str) -> dict[str, object]:
    return atourin_error(400, Text("; ".join(f"{field}: [A-Z][^;]+" for field in fields)))


def session_of(info: str, *, email: str, name: str) -> dict[str, object]:
    now = int(time.time())
    return {
        "status": True,
        "code": 200,
        "info": info,
        "msg": "Ok",
        "data": {
            "access_token": JWT,
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": Whole(now + 3540, now + 3660),
            "refresh_token": JWT,
            "user": {"id": UUID, "email": email, "user_metadata": {"name": name}},
        },
    }


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class TestRegister:
    def test_registering_answers_200_with_the_account_and_no_session(self, world: World) -> None:
        email = world.email()

        answer = world.client.post("/auth/register", {"name": "Alan Turing", "email": email, "password": PASSWORD})

        assert answer.status == 200
        data = {"id": UUID, "email": email, "created_at": INSTANT, "info": REGISTERED}
        assert answer.json == {"code": 200, "status": True, "msg": "Ok", "info": REGISTERED, "data": data}

    def test_the_example_of_the_contract_works(self, client: Client) -> None:
        asked = {"name": "Info Atourin", "email": "info@atourin.com", "password": PASSWORD}

        answer = client.post("/auth/register", asked)

        assert answer.status == 200
        assert answer.data["email"] == "info@atourin.com"

    def test_a_code_that_proves_the_address_is_mailed(self, world: World) -> None:
        email, mail = world.register_without_session()

        assert mail.subject == "Confirm your email address for Gerbang"
        answer = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert answer.status == 200
        assert world.account_of(email)["email_verified_at"] > 0

    def test_the_password_works_before_and_after_the_address_is_proved(self, world: World) -> None:
        email, mail = world.register_without_session()

        before = world.can_sign_in(email, PASSWORD)
        world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert before
        assert world.can_sign_in(email, PASSWORD)

    def test_an_address_is_registered_once(self, world: World) -> None:
        asked = {"name": "Alan Turing", "email": world.register().email.upper(), "password": PASSWORD}

        answer = world.client.post("/auth/register", asked)

        assert answer.status == 409
        assert answer.json == atourin_error(409)

    @pytest.mark.parametrize("field", ["name", "email", "password"])
    def test_a_missing_field_is_named(self, world: World, field: str) -> None:
        asked = {"name": "Alan Turing", "email": world.email(), "password": PASSWORD}
        del asked[field]

        answer = world.client.post("/auth/register", asked)

        assert answer.status == 400
        assert answer.json == invalid(field)

    @pytest.mark.parametrize("password", ["alllower", "12 45 78"])
    def test_a_password_needs_8_characters_and_nothing_else(self, world: World, password: str) -> None:
        email, _ = world.register_without_session(password=password)

        assert world.can_sign_in(email, password)

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("seven77", "password: Password must be at least 8 characters long"),
            ("sunshine", "password: This password is too common. Choose another one."),
        ],
    )
    def test_other_passwords_are_refused_with_the_reason(self, world: World, password: str, reason: str) -> None:
        asked = {"name": "Alan Turing", "email": world.email(), "password": password}

        answer = world.client.post("/auth/register", asked)

        assert answer.status == 400
        assert answer.json == atourin_error(400, reason)


class TestLogin:
    def test_the_right_password_answers_200_with_a_session(self, world: World) -> None:
        email, _ = world.register_without_session(name="User Name")

        answer = world.client.post("/auth/login_with_email_password", {"email": email, "password": PASSWORD})

        assert answer.status == 200
        assert answer.json == session_of("Success login", email=email, name="User Name")
        assert world.is_signed_in(answer.data["access_token"])
        assert answer.data["expires_at"] == claims_of(answer.data["access_token"])["exp"]
        assert answer.data["user"]["id"] == claims_of(answer.data["access_token"])["sub"]

    @pytest.mark.parametrize("path", ["/auth/login_with_email_password", "/auth/verify_legacy_password"])
    def test_a_wrong_password_and_an_unknown_address_have_one_answer(
        self, world: World, resident: Person, path: str
    ) -> None:
        wrong = world.client.post(path, {"email": resident.email, "password": OTHER_PASSWORD})
        unknown = world.client.post(path, {"email": world.email(), "password": OTHER_PASSWORD})

        assert wrong.status == unknown.status == 400
        assert wrong.json == WRONG_CREDENTIALS
        assert wrong.raw == unknown.raw
        assert wrong.lasting_headers == unknown.lasting_headers

    @pytest.mark.parametrize("path", ["/auth/login_with_email_password", "/auth/verify_legacy_password"])
    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["email", "password"]),
            ({"email": "user@example.com"}, ["password"]),
            ({"email": "null", "password": "null"}, ["email"]),
            ({"email": None, "password": None}, ["email", "password"]),
            ({"username": "johndoe", "password": PASSWORD}, ["email"]),
        ],
    )
    def test_missing_and_wrong_fields_are_named(
        self, client: Client, path: str, body: object, fields: list[str]
    ) -> None:
        answer = client.post(path, body)

        assert answer.status == 400
        assert answer.json == invalid(*fields)

    def test_too_many_guesses_are_429_in_this_contract(self, world: World) -> None:
        wrong = {"email": world.email(), "password": OTHER_PASSWORD}

        *_, last = [world.client.post("/auth/login_with_email_password", wrong) for _ in range(11)]

        assert last.status == 429
        assert last.json == atourin_error(429)
        assert int(last.headers["retry-after"]) >= 1


class TestLegacy:
    @pytest.mark.parametrize(
        "inherited",
        [
            bcrypt.hashpw(INHERITED.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode(),
            f"md5(salt.password):{md5('pepper' + INHERITED)}:pepper",
            f"md5:{md5(INHERITED)}",
        ],
        ids=["bcrypt", "salted md5", "bare md5"],
    )
    def test_a_right_password_signs_in_and_moves_the_account_over(self, world: World, inherited: str) -> None:
        email = world.inherit(inherited)

        answer = world.client.post("/auth/verify_legacy_password", {"email": email, "password": INHERITED})

        assert answer.status == 200
        info = "Success verify and migrate legacy user"
        assert answer.json == session_of(info, email=email, name="Ada Lovelace")
        account = world.account_of(email)
        assert account["password_hash"].startswith(f"$bcrypt-sha256$v=2,t=2b,r={CHEAPEST_COST}$")
        assert account["migrated_at"] >= account["created_at"]
        assert world.can_sign_in(email, INHERITED)

    def test_a_wrong_password_is_400_and_changes_nothing(self, world: World) -> None:
        email = world.inherit(f"md5:{md5(INHERITED)}")
        before = world.account_of(email)

        answer = world.client.post("/auth/verify_legacy_password", {"email": email, "password": OTHER_PASSWORD})

        assert answer.status == 400
        assert answer.json == WRONG_CREDENTIALS
        assert world.account_of(email) == before

    @pytest.mark.parametrize(
        ("path", "name"),
        [("/api/auth/login", "email"), ("/api/auth/login", "username"), ("/auth/login_with_email_password", "email")],
    )
    def test_an_account_moves_over_at_every_other_door_too(self, world: World, path: str, name: str) -> None:
        email = world.inherit(f"md5:{md5(INHERITED)}")

        answer = world.client.post(path, {name: email, "password": INHERITED})

        assert answer.status == 200
        assert world.account_of(email)["migrated_at"] > 0

    def test_an_account_of_today_signs_in_here_as_well(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/auth/verify_legacy_password", {"email": person.email, "password": PASSWORD})

        assert answer.status == 200
        assert "migrated_at" not in world.account(person.user_id)

    @pytest.mark.parametrize("junk", ["junk", "$2y$31$" + "a" * 53, "pbkdf2_sha256$1000000000$salt$hash", "$6$"])
    def test_a_hash_that_is_junk_or_hostile_lets_nobody_in_and_costs_nothing(self, world: World, junk: str) -> None:
        email = world.inherit(junk)

        answer = world.client.post("/auth/verify_legacy_password", {"email": email, "password": INHERITED})

        assert answer.status == 400
        assert answer.json == WRONG_CREDENTIALS
        assert answer.seconds < 5

    def test_nothing_in_a_request_writes_a_hash(self, world: World) -> None:
        asked = {
            "name": "Alan Turing",
            "email": world.email(),
            "password": PASSWORD,
            "password_hash": f"md5:{md5(INHERITED)}",
        }

        world.client.post("/auth/register", asked)

        assert not world.can_sign_in(asked["email"], INHERITED)


class TestAnonymous:
    @pytest.mark.parametrize("body", [b'{"email": "null", "password": "null"}', b"", b"{}", b'{"email": null}'])
    def test_anybody_is_let_in_as_a_guest(self, client: Client, body: bytes) -> None:
        headers = {"content-type": "application/json"}

        answer = client.request("POST", "/auth/login_with_anonymous", body=body, headers=headers)

        assert answer.status == 200
        assert answer.json == session_of("Success login anonymous", email="", name="")
        claims = claims_of(answer.data["access_token"])
        assert claims["role"] == "anonymous"
        assert claims["is_anonymous"] is True

    def test_an_empty_body_needs_no_content_type(self, client: Client) -> None:
        assert client.post_nothing("/auth/login_with_anonymous").status == 200

    def test_every_guest_is_somebody_else(self, world: World) -> None:
        assert claims_of(world.guest())["sub"] != claims_of(world.guest())["sub"]

    def test_naming_an_account_does_not_open_it(self, world: World, resident: Person) -> None:
        body = {"email": resident.email, "password": resident.password}

        answer = world.client.post("/auth/login_with_anonymous", body)

        assert answer.data["user"]["id"] != resident.user_id
        assert claims_of(answer.data["access_token"])["role"] == "anonymous"

    def test_a_guest_goes_on_by_its_refresh_token_and_stays_a_guest(self, world: World) -> None:
        guest = world.client.post_nothing("/auth/login_with_anonymous").data

        answer = world.refresh(guest["refresh_token"])

        assert answer.status == 200
        assert claims_of(answer.data["accessToken"])["role"] == "anonymous"
        assert claims_of(answer.data["accessToken"])["sub"] == guest["user"]["id"]

    def test_a_guest_is_swept_after_its_longest_possible_session(self, world: World) -> None:
        guest = world.client.post_nothing("/auth/login_with_anonymous").data

        expires_at = world.account(guest["user"]["id"])["expires_at"]

        longest = claims_of(guest["refresh_token"])["iat"] + 90 * 24 * 3600  # SessionMaxDays
        assert expires_at in {longest, longest - 1}  # the second may end between account and token

    @pytest.mark.covers("115")
    def test_a_guest_opens_nothing_that_needs_a_person(self, world: World, resident: Person) -> None:
        token = world.guest()

        me = world.me(token)
        passwords = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        change = world.client.post("/api/auth/change-password", passwords, bearer=token)
        organization = world.client.get("/api/organization", bearer=token, x_organization_id=resident.organization_id)

        assert (me.status, change.status, organization.status) == (403, 403, 403)

    def test_a_guest_can_log_out(self, world: World) -> None:
        token = world.guest()

        assert world.client.get("/auth/logout", bearer=token).status == 200
        assert world.client.get("/auth/logout", bearer=token).status == 401


class TestLogout:
    def test_logging_out_ends_the_session_at_once(self, world: World) -> None:
        person = world.register()

        answer = world.client.get("/auth/logout", bearer=person.access_token)

        assert answer.status == 200
        assert answer.json == {"code": 200, "info": "Success logout user", "msg": "Ok", "status": True}
        assert not world.is_signed_in(person.access_token)
        assert world.refresh(person.refresh_token).status == 401

    def test_without_a_token_it_is_401(self, client: Client) -> None:
        answer = client.get("/auth/logout")

        assert answer.status == 401
        assert answer.json == atourin_error(401)
        assert answer.headers["www-authenticate"] == "Bearer"

    def test_only_the_header_counts(self, world: World, resident: Person) -> None:
        token = resident.access_token

        in_query = world.client.get(f"/auth/logout?access_token={token}&token={token}")
        in_cookie = world.client.get("/auth/logout", cookie=f"access_token={token}; authorization=Bearer {token}")

        assert (in_query.status, in_cookie.status) == (401, 401)
        assert world.is_signed_in(token)

    def test_a_token_that_has_expired_ends_its_own_session(self, world: World) -> None:
        person = world.register()
        expired = world.forge(person.access_token, exp=int(time.time()) - 1)

        answers = [world.client.get("/auth/logout", bearer=expired) for _ in range(2)]

        assert [answer.status for answer in answers] == [200, 401]
        assert world.refresh(person.refresh_token).status == 401
        assert answers[1].json == atourin_error(401)


class TestOtp:
    def test_known_and_unknown_addresses_have_one_answer_and_one_of_them_a_mail(self, world: World) -> None:
        known, unknown = world.register().email, world.email()

        answers = [world.client.post("/auth/otp", {"email": email}) for email in (known, unknown)]

        assert answers[0].status == answers[1].status == 200
        assert answers[0].json == {"info": "Success send OTP", "msg": "Ok"}
        assert answers[0].raw == answers[1].raw
        assert answers[0].lasting_headers == answers[1].lasting_headers
        assert world.mail(known).subject == "Your sign-in code for Gerbang"
        assert world.mails(unknown) == []

    def test_no_code_is_in_the_answer_or_the_tables(self, world: World) -> None:
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
        assert answer.json == invalid("email")

    def test_one_mail_a_minute_for_known_and_unknown_addresses_alike(self, world: World) -> None:
        for email in (world.register().email, world.email()):
            assert world.client.post("/auth/otp", {"email": email}).status == 200

            answer = world.new_client().post("/auth/otp", {"email": email.upper()})

            assert answer.status == 429
            assert answer.json == atourin_error(429)
            assert 1 <= int(answer.headers["retry-after"]) <= 60

    def test_a_disabled_account_gets_no_mail_and_nobody_hears_of_it(self, world: World) -> None:
        disabled, other = world.register(), world.register()
        world.set("Users", {"pk": f"USER#{disabled.user_id}", "sk": "ACCOUNT"}, disabled_at=int(time.time()))

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
        assert answer.json == session_of("Success verify OTP", email=email, name="User Name")
        assert world.is_signed_in(answer.data["access_token"])

    def test_a_code_works_once(self, world: World) -> None:
        email, mail = world.register_without_session()
        self.redeem(world, email, mail.code)

        answer = self.redeem(world, email, mail.code)

        assert answer.status == 400
        assert answer.json == WRONG_CODE

    def test_a_newer_code_takes_the_place_of_the_older(self, world: World) -> None:
        email, older = world.register_without_session()
        newer = world.request_code(email)

        assert self.redeem(world, email, older.code).status == 400
        assert self.redeem(world, email, newer.code).status == 200

    def test_after_five_wrong_tries_neither_a_code_nor_asking_for_one_is_accepted(self, world: World) -> None:
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

    def test_five_wrong_tries_are_the_end_of_it_at_an_unknown_address_too(self, world: World) -> None:
        stranger = world.email()

        tries = [self.redeem(world, stranger, "000000").status for _ in range(6)]

        assert tries == [400] * 5 + [429]
        assert world.client.post("/auth/otp", {"email": stranger}).status == 429

    def test_four_wrong_tries_are_not(self, world: World) -> None:
        email, mail = world.register_without_session()
        wrong = "000000" if mail.code != "000000" else "000001"

        for _ in range(4):
            self.redeem(world, email, wrong)

        assert self.redeem(world, email, mail.code).status == 200

    def test_a_code_opens_the_address_it_was_mailed_to_and_no_other(self, world: World) -> None:
        email, mail = world.register_without_session()
        other, _ = world.register_without_session()

        assert self.redeem(world, other, mail.code).status == 400
        assert self.redeem(world, email, mail.code).status == 200

    @pytest.mark.parametrize("form", [" {}", "{} ", "{}\n", "{}0", "0{}", "+{}", "{}.0", "{wide}", "0x{}"])
    def test_a_code_is_six_digits_and_nothing_else(self, world: World, form: str) -> None:
        email, mail = world.register_without_session()
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in mail.code)

        answer = self.redeem(world, email, form.format(mail.code, wide=wide))

        assert answer.status == 400
        assert answer.json == WRONG_CODE
        assert self.redeem(world, email, mail.code).status == 200, "what is no code takes no try"

    @pytest.mark.parametrize("otp", [123456, 123456.0, ["123456"], {"$ne": ""}, True, None, ""])
    def test_a_code_is_text(self, world: World, otp: object) -> None:
        answer = self.redeem(world, world.email(), otp)

        assert answer.status == 400
        assert answer.json == invalid("otp")

    def test_without_fields_they_are_named(self, client: Client) -> None:
        answer = client.post("/auth/verify_otp", {})

        assert answer.status == 400
        assert answer.json == invalid("email", "otp")

    def test_a_code_for_nobody_is_wrong_like_any_other(self, world: World) -> None:
        known, _ = world.register_without_session()

        of_unknown = self.redeem(world, world.email(), "123456")
        of_known = self.redeem(world, known, "999999")

        assert of_unknown.raw == of_known.raw
        assert of_unknown.json == WRONG_CODE

    def test_a_reset_token_is_no_code(self, world: World) -> None:
        person = world.register()

        assert self.redeem(world, person.email, world.request_reset(person.email)).status == 400

    def test_codes_keep_their_leading_zeros_and_differ(self, world: World) -> None:
        codes = [world.register_without_session()[1].code for _ in range(3)]

        assert all(len(code) == 6 for code in codes)
        assert len(set(codes)) > 1


class TestPreHijacking:
    """An address that a stranger registered, and its owner's proof of it (security.md 108)."""

    @pytest.mark.covers("108")
    def test_a_code_that_was_asked_for_drops_the_strangers_password_and_sessions(self, world: World) -> None:
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

    def test_after_a_refused_registration_the_code_in_the_mailbox_drops_the_strangers_password(
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
        assert len([mail for mail in world.mails(email) if mail.codes]) == 1  # the refused one mailed nothing

    @pytest.mark.covers("108")
    def test_google_drops_the_strangers_password_and_sessions(self, world: World) -> None:
        stranger = world.register()

        owner = world.client.post("/api/auth/google", {"id_token": world.google_token(email=stranger.email)})

        assert owner.status == 200
        assert world.is_signed_in(owner.data["token"])
        assert not world.is_signed_in(stranger.access_token)
        assert world.refresh(stranger.refresh_token).status == 401
        assert not world.can_sign_in(stranger.email, stranger.password)

    def test_the_code_of_the_registration_itself_vouches_for_its_password(self, world: World) -> None:
        email, mail = world.register_without_session()

        answer = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert "password_removed" not in answer.data
        assert world.can_sign_in(email, PASSWORD)

    def test_once_an_address_is_proved_nothing_is_dropped(self, world: World) -> None:
        email, mail = world.register_without_session()
        first = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code}).data

        world.client.post("/auth/verify_otp", {"email": email, "otp": world.request_code(email).code})
        world.client.post("/api/auth/google", {"id_token": world.google_token(email=email)})

        assert world.is_signed_in(first["access_token"])
        assert world.can_sign_in(email, PASSWORD)
