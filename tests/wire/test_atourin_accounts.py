"""The Atourin API over HTTP: registration, sign-in, legacy passwords, guests and logout."""

import hashlib
import time

import bcrypt
import pytest
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST

from tests.wire.client import Client
from tests.wire.shapes import INSTANT, UUID, atourin_error, atourin_invalid, atourin_session, claims_of
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

REGISTERED = "Pendaftaran berhasil, silakan cek email untuk verifikasi"
WRONG_CREDENTIALS = atourin_error(400)
LEGACY_PASSWORD = "old-password-7"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class TestRegister:
    def test_registering_answers_200_with_the_account_and_no_session(self, world: World) -> None:
        email = world.email()

        answer = world.client.post("/auth/register", {"name": "Alan Turing", "email": email, "password": PASSWORD})

        assert answer.status == 200
        data = {"id": UUID, "email": email, "created_at": INSTANT, "info": REGISTERED}
        assert answer.json == {"code": 200, "status": True, "msg": "Ok", "info": REGISTERED, "data": data}

    def test_the_documented_example_works(self, client: Client) -> None:
        request = {"name": "Info Atourin", "email": "info@atourin.com", "password": PASSWORD}

        answer = client.post("/auth/register", request)

        assert answer.status == 200
        assert answer.data["email"] == "info@atourin.com"

    def test_a_code_that_verifies_the_address_is_mailed(self, world: World) -> None:
        email, mail = world.register_without_session()

        assert mail.subject == "Confirm your email address for Gerbang"
        answer = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert answer.status == 200
        assert world.account_of(email)["email_verified_at"] > 0

    def test_the_password_works_before_and_after_the_address_is_verified(self, world: World) -> None:
        email, mail = world.register_without_session()

        before = world.can_sign_in(email, PASSWORD)
        world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})

        assert before
        assert world.can_sign_in(email, PASSWORD)

    def test_an_address_cannot_be_registered_twice(self, world: World) -> None:
        request = {"name": "Alan Turing", "email": world.register().email.upper(), "password": PASSWORD}

        answer = world.client.post("/auth/register", request)

        assert answer.status == 409
        assert answer.json == atourin_error(409)

    @pytest.mark.parametrize("field", ["name", "email", "password"])
    def test_a_missing_field_is_named(self, world: World, field: str) -> None:
        request = {"name": "Alan Turing", "email": world.email(), "password": PASSWORD}
        del request[field]

        answer = world.client.post("/auth/register", request)

        assert answer.status == 400
        assert answer.json == atourin_invalid(field)

    @pytest.mark.parametrize("password", ["alllower", "12 45 78"])
    def test_the_only_rule_for_passwords_is_8_characters(self, world: World, password: str) -> None:
        email, _ = world.register_without_session(password=password)

        assert world.can_sign_in(email, password)

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("seven77", "password: Password must be at least 8 characters long"),
            ("sunshine", "password: This password is too common. Choose another one."),
        ],
    )
    def test_short_and_common_passwords_are_rejected_with_the_reason(
        self, world: World, password: str, reason: str
    ) -> None:
        request = {"name": "Alan Turing", "email": world.email(), "password": password}

        answer = world.client.post("/auth/register", request)

        assert answer.status == 400
        assert answer.json == atourin_error(400, reason)


class TestLogin:
    def test_the_right_password_answers_200_with_a_session(self, world: World) -> None:
        email, _ = world.register_without_session(name="User Name")

        answer = world.client.post("/auth/login_with_email_password", {"email": email, "password": PASSWORD})

        assert answer.status == 200
        assert answer.json == atourin_session("Success login", email=email, name="User Name")
        assert world.is_signed_in(answer.data["access_token"])
        assert answer.data["expires_at"] == claims_of(answer.data["access_token"])["exp"]
        assert answer.data["user"]["id"] == claims_of(answer.data["access_token"])["sub"]

    @pytest.mark.parametrize("path", ["/auth/login_with_email_password", "/auth/verify_legacy_password"])
    def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
        self, world: World, shared_person: Person, path: str
    ) -> None:
        wrong = world.client.post(path, {"email": shared_person.email, "password": OTHER_PASSWORD})
        unknown = world.client.post(path, {"email": world.email(), "password": OTHER_PASSWORD})

        assert wrong.status == unknown.status == 400
        assert wrong.json == WRONG_CREDENTIALS
        assert wrong.raw == unknown.raw
        assert wrong.stable_headers == unknown.stable_headers

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
        assert answer.json == atourin_invalid(*fields)

    def test_too_many_guesses_get_429_in_this_apis_format(self, world: World) -> None:
        wrong = {"email": world.email(), "password": OTHER_PASSWORD}

        *_, last = [world.client.post("/auth/login_with_email_password", wrong) for _ in range(11)]

        assert last.status == 429
        assert last.json == atourin_error(429)
        assert int(last.headers["retry-after"]) >= 1


class TestLegacy:
    @pytest.mark.parametrize(
        "inherited",
        [
            bcrypt.hashpw(LEGACY_PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode(),
            f"md5(salt.password):{md5('pepper' + LEGACY_PASSWORD)}:pepper",
            f"md5:{md5(LEGACY_PASSWORD)}",
        ],
        ids=["bcrypt", "salted md5", "bare md5"],
    )
    def test_a_right_password_signs_in_and_migrates_the_account(self, world: World, inherited: str) -> None:
        email = world.add_legacy_account(inherited)

        answer = world.client.post("/auth/verify_legacy_password", {"email": email, "password": LEGACY_PASSWORD})

        assert answer.status == 200
        info = "Success verify and migrate legacy user"
        assert answer.json == atourin_session(info, email=email, name="Ada Lovelace")
        account = world.account_of(email)
        assert account["password_hash"].startswith(f"$bcrypt-sha256$v=2,t=2b,r={CHEAPEST_COST}$")
        assert account["migrated_at"] >= account["created_at"]
        assert world.can_sign_in(email, LEGACY_PASSWORD)

    def test_a_wrong_password_is_400_and_changes_nothing(self, world: World) -> None:
        email = world.add_legacy_account(f"md5:{md5(LEGACY_PASSWORD)}")
        before = world.account_of(email)

        answer = world.client.post("/auth/verify_legacy_password", {"email": email, "password": OTHER_PASSWORD})

        assert answer.status == 400
        assert answer.json == WRONG_CREDENTIALS
        assert world.account_of(email) == before

    @pytest.mark.parametrize(
        ("path", "name"),
        [("/api/auth/login", "email"), ("/api/auth/login", "username"), ("/auth/login_with_email_password", "email")],
    )
    def test_every_other_login_endpoint_migrates_the_account_too(self, world: World, path: str, name: str) -> None:
        email = world.add_legacy_account(f"md5:{md5(LEGACY_PASSWORD)}")

        answer = world.client.post(path, {name: email, "password": LEGACY_PASSWORD})

        assert answer.status == 200
        assert world.account_of(email)["migrated_at"] > 0

    def test_an_account_without_a_legacy_hash_signs_in_too(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/auth/verify_legacy_password", {"email": person.email, "password": PASSWORD})

        assert answer.status == 200
        assert "migrated_at" not in world.account(person.user_id)

    @pytest.mark.parametrize("junk", ["junk", "$2y$31$" + "a" * 53, "pbkdf2_sha256$1000000000$salt$hash", "$6$"])
    def test_an_invalid_or_too_expensive_hash_is_rejected_without_computing_it(self, world: World, junk: str) -> None:
        email = world.add_legacy_account(junk)

        answer = world.client.post("/auth/verify_legacy_password", {"email": email, "password": LEGACY_PASSWORD})

        assert answer.status == 400
        assert answer.json == WRONG_CREDENTIALS
        assert answer.seconds < 5

    def test_a_request_cannot_set_a_password_hash(self, world: World) -> None:
        request = {
            "name": "Alan Turing",
            "email": world.email(),
            "password": PASSWORD,
            "password_hash": f"md5:{md5(LEGACY_PASSWORD)}",
        }

        world.client.post("/auth/register", request)

        assert not world.can_sign_in(request["email"], LEGACY_PASSWORD)


class TestAnonymous:
    @pytest.mark.parametrize("body", [b'{"email": "null", "password": "null"}', b"", b"{}", b'{"email": null}'])
    def test_a_guest_needs_no_credentials(self, client: Client, body: bytes) -> None:
        headers = {"content-type": "application/json"}

        answer = client.request("POST", "/auth/login_with_anonymous", body=body, headers=headers)

        assert answer.status == 200
        assert answer.json == atourin_session("Success login anonymous", email="", name="")
        claims = claims_of(answer.data["access_token"])
        assert claims["role"] == "anonymous"
        assert claims["is_anonymous"] is True

    def test_an_empty_body_needs_no_content_type(self, client: Client) -> None:
        assert client.post_without_body("/auth/login_with_anonymous").status == 200

    def test_each_guest_has_a_new_account(self, world: World) -> None:
        assert claims_of(world.guest())["sub"] != claims_of(world.guest())["sub"]

    def test_the_credentials_of_an_account_are_ignored(self, world: World, shared_person: Person) -> None:
        body = {"email": shared_person.email, "password": shared_person.password}

        answer = world.client.post("/auth/login_with_anonymous", body)

        assert answer.data["user"]["id"] != shared_person.user_id
        assert claims_of(answer.data["access_token"])["role"] == "anonymous"

    def test_a_guests_refresh_token_gives_a_session_of_the_same_guest(self, world: World) -> None:
        guest = world.client.post_without_body("/auth/login_with_anonymous").data

        answer = world.refresh(guest["refresh_token"])

        assert answer.status == 200
        assert claims_of(answer.data["accessToken"])["role"] == "anonymous"
        assert claims_of(answer.data["accessToken"])["sub"] == guest["user"]["id"]

    def test_a_guests_account_expires_after_its_longest_possible_session(self, world: World) -> None:
        guest = world.client.post_without_body("/auth/login_with_anonymous").data

        expires_at = world.account(guest["user"]["id"])["expires_at"]

        longest = claims_of(guest["refresh_token"])["iat"] + 90 * 24 * 3600  # SessionMaxDays
        assert expires_at in {longest, longest - 1}  # the second may end between account and token

    @pytest.mark.covers("115")
    def test_a_guest_may_not_use_endpoints_that_need_a_user(self, world: World, shared_person: Person) -> None:
        token = world.guest()

        me = world.me(token)
        passwords = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        change = world.client.post("/api/auth/change-password", passwords, bearer=token)
        organization = world.client.get(
            "/api/organization", bearer=token, x_organization_id=shared_person.organization_id
        )

        assert (me.status, change.status, organization.status) == (403, 403, 403)

    def test_a_guest_can_log_out(self, world: World) -> None:
        token = world.guest()

        assert world.client.get("/auth/logout", bearer=token).status == 200
        assert world.client.get("/auth/logout", bearer=token).status == 401


class TestLogout:
    def test_logging_out_ends_the_session_immediately(self, world: World) -> None:
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

    def test_tokens_in_the_query_or_a_cookie_are_ignored(self, world: World, shared_person: Person) -> None:
        token = shared_person.access_token

        in_query = world.client.get(f"/auth/logout?access_token={token}&token={token}")
        in_cookie = world.client.get("/auth/logout", cookie=f"access_token={token}; authorization=Bearer {token}")

        assert (in_query.status, in_cookie.status) == (401, 401)
        assert world.is_signed_in(token)

    def test_an_expired_token_ends_its_own_session(self, world: World) -> None:
        person = world.register()
        expired = world.forge(person.access_token, exp=int(time.time()) - 1)

        answers = [world.client.get("/auth/logout", bearer=expired) for _ in range(2)]

        assert [answer.status for answer in answers] == [200, 401]
        assert world.refresh(person.refresh_token).status == 401
        assert answers[1].json == atourin_error(401)
