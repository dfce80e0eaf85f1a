"""The SnapOTP API over HTTP: registration, login and the account."""

import pytest

from tests.wire.client import Client
from tests.wire.shapes import claims_of, snapotp_error, snapotp_invalid, snapotp_session, snapotp_user
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

WRONG_CREDENTIALS = snapotp_error()


def user_of(person: Person) -> dict[str, object]:
    return snapotp_user(email=person.email, name=person.name, username=person.username)


class TestRegister:
    def test_the_documented_example_answers_201_with_a_session(self, client: Client) -> None:
        request = {"username": "johndoe", "email": "john@example.com", "password": "secret123", "name": "John Doe"}

        answer = client.post("/api/auth/register", request)

        assert answer.status == 201
        assert answer.json == snapotp_session(
            snapotp_user(email="john@example.com", name="John Doe", username="johndoe")
        )

    def test_registering_creates_no_organisation(self, world: World) -> None:
        person = world.register_by_username()

        assert "organization_id" not in world.account(person.user_id)

    def test_registering_sends_no_mail(self, world: World) -> None:
        person = world.register_by_username()

        world.request_code(person.email)

        assert [mail.subject for mail in world.mails(person.email)] == ["Your sign-in code for Gerbang"]

    def test_ids_are_not_sequential(self, world: World) -> None:
        first, second, third = (world.me(world.register_by_username().access_token).data["id"] for _ in range(3))

        assert abs(first - second) > 1
        assert abs(second - third) > 1

    @pytest.mark.parametrize("field", ["email", "password", "name"])
    def test_a_missing_field_is_named(self, world: World, field: str) -> None:
        request = {"username": world.username(), "email": world.email(), "password": PASSWORD, "name": "John Doe"}
        del request[field]

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 400
        assert answer.json == snapotp_invalid(field)

    @pytest.mark.parametrize("username", ["abc", "x" * 30, "a.b_c-9", "...", "AbC-{}"])
    def test_valid_user_names_are_stored_as_typed(self, world: World, username: str) -> None:
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
    def test_invalid_user_names_are_rejected(self, world: World, username: object) -> None:
        request = {"username": username, "email": world.email(), "password": PASSWORD, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("username")

    def test_user_names_are_unique_regardless_of_case(self, world: World) -> None:
        person = world.register_by_username()
        assert person.username is not None
        request = {"email": world.email(), "password": PASSWORD, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", {**request, "username": person.username.upper()})

        assert answer.status == 409
        assert answer.json == snapotp_error()
        assert world.client.post("/api/auth/register", {**request, "username": world.username()}).status == 201, (
            "the failed registration did not take the address"
        )

    def test_addresses_are_unique(self, world: World) -> None:
        request = {"username": world.username(), "password": PASSWORD, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", {**request, "email": world.register().email.upper()})

        assert answer.status == 409
        assert answer.json == snapotp_error()

    @pytest.mark.parametrize("password", ["alllower", "12 45 78", "........"[:8] + "x", "PLAIN UPPER"])
    def test_the_only_rule_for_passwords_is_8_characters(self, world: World, password: str) -> None:
        person = world.register_by_username(password=password)

        assert world.can_sign_in(person.email, password)

    @pytest.mark.parametrize("password", ["seven77", "password", "qwertyuiop", "johndoe1"])
    def test_short_and_common_passwords_are_rejected_with_the_reason(self, world: World, password: str) -> None:
        request = {"username": "johndoe", "email": world.email(), "password": password, "name": "John Doe"}

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 400
        assert answer.json == snapotp_invalid("password")


class TestLogin:
    def test_a_user_name_and_its_password_answer_200_with_a_session(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.client.post("/api/auth/login", {"username": person.username, "password": person.password})

        assert answer.status == 200
        assert answer.json == snapotp_session(user_of(person))

    def test_user_names_are_case_insensitive(self, world: World) -> None:
        person = world.register_by_username()
        assert person.username is not None

        answer = world.client.post(
            "/api/auth/login", {"username": person.username.upper(), "password": person.password}
        )

        assert answer.status == 200
        assert answer.data["user"]["username"] == person.username

    def test_sign_in_accepts_an_address_instead_of_a_user_name(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.client.post("/api/auth/login", {"username": f" {person.email.upper()} ", "password": PASSWORD})

        assert answer.status == 200
        assert answer.json == snapotp_session(user_of(person))

    @pytest.mark.parametrize("unknown", ["unknown-user", "a b", "x", "x" * 5000, "unknown@example.com", "ada@", "@"])
    def test_every_wrong_user_name_gets_the_answer_of_a_wrong_password(
        self, world: World, shared_person: Person, unknown: str
    ) -> None:
        wrong = world.client.post("/api/auth/login", {"username": shared_person.email, "password": OTHER_PASSWORD})

        answer = world.client.post("/api/auth/login", {"username": unknown, "password": OTHER_PASSWORD})

        assert wrong.status == answer.status == 400
        assert wrong.json == WRONG_CREDENTIALS
        assert answer.raw == wrong.raw
        assert answer.stable_headers == wrong.stable_headers
        world.client.post("/api/auth/login", {"username": shared_person.email, "password": shared_person.password})

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

    def test_too_many_guesses_get_429_in_this_apis_format(self, world: World) -> None:
        person = world.register_by_username()
        wrong = {"username": person.username, "password": OTHER_PASSWORD}

        *_, last = [world.client.post("/api/auth/login", wrong) for _ in range(11)]

        assert last.status == 429
        assert last.json == snapotp_error()
        assert int(last.headers["retry-after"]) >= 1

    def test_a_refresh_token_continues_the_session(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.client.post("/api/auth/refresh", {"refresh_token": person.refresh_token})

        assert answer.status == 200
        assert answer.json == snapotp_session(user_of(person))
        assert answer.data["refresh_token"] != person.refresh_token
        assert claims_of(answer.data["token"])["session_id"] == person.session_id

    def test_a_refresh_token_of_an_ended_session_is_401_in_this_apis_format(self, world: World) -> None:
        person = world.register_by_username()
        world.client.post_without_body("/api/auth/logout", bearer=person.access_token)

        answer = world.client.post("/api/auth/refresh", {"refresh_token": person.refresh_token})

        assert answer.status == 401
        assert answer.json == snapotp_error()


class TestMe:
    def test_it_returns_the_account(self, world: World) -> None:
        person = world.register_by_username()

        answer = world.me(person.access_token)

        assert answer.status == 200
        assert answer.json == {"success": True, "data": user_of(person)}

    def test_it_accepts_tokens_of_every_api(self, world: World) -> None:
        botlaunch = world.register()
        atourin, mail = world.register_without_session()
        signed_in = world.client.post("/auth/verify_otp", {"email": atourin, "otp": mail.code}).data

        of_botlaunch, of_atourin = (world.me(token) for token in (botlaunch.access_token, signed_in["access_token"]))

        assert of_botlaunch.data == snapotp_user(email=botlaunch.email, name=botlaunch.name, username=None)
        assert of_atourin.data == snapotp_user(email=atourin, name="Alan Turing", username=None)

    def test_without_a_token_it_is_401(self, client: Client) -> None:
        answer = client.get("/api/auth/me")

        assert answer.status == 401
        assert answer.json == snapotp_error()

    def test_a_token_in_the_query_is_ignored(self, client: Client, shared_person: Person) -> None:
        answer = client.get(
            f"/api/auth/me?access_token={shared_person.access_token}&authorization={shared_person.access_token}"
        )

        assert answer.status == 401

    def test_a_guest_is_403(self, world: World) -> None:
        answer = world.me(world.guest())

        assert answer.status == 403
        assert answer.json == snapotp_error()

    def test_an_operators_changes_are_visible_immediately(self, world: World) -> None:
        person = world.register_by_username()
        world.set_account(person.user_id, role_id=1, credit_balance=5000)

        answer = world.me(person.access_token)

        assert (answer.data["role_id"], answer.data["credit_balance"]) == (1, 5000)
