"""The BotLaunch API over HTTP: registration."""

import pytest

from tests.wire.client import Client
from tests.wire.shapes import (
    BOTLAUNCH_ORGANIZATION,
    botlaunch_error,
    botlaunch_invalid,
    botlaunch_session,
    claims_of,
)
from tests.wire.world import PASSWORD, World

INVALID_ADDRESSES = (
    "",
    "ada",
    "ada@",
    "@example.com",
    "ada@example",
    "a da@example.com",
    "ada@exa mple.com",
    "ada@example.com,b@c.de",
    "ada@127.0.0.1",
    "ada@[127.0.0.1]",
    '"a b"@example.com',
    "a..b@example.com",
    ".ada@example.com",
    "x" * 65 + "@example.com",
    "ada@" + "x" * 250 + ".com",
    "ada@example.com\nBcc: eve@example.com",
    "ada\0@example.com",
    "ad\u00e1@example.com",
    "a\u200bda@example.com",
    "ada@exam_ple.com",
    "ada@-example.com",
    "ada@example..com",
)


class TestRegister:
    def test_registering_answers_201_with_a_session_and_the_organisation(self, world: World) -> None:
        email = world.email()

        answer = world.client.post(
            "/api/auth/register",
            {"email": email, "password": PASSWORD, "name": "Ada Lovelace", "organizationName": "Analytical Engines"},
        )

        assert answer.status == 201
        organization = {"id": BOTLAUNCH_ORGANIZATION, "name": "Analytical Engines"}
        data = {**botlaunch_session(email, "Ada Lovelace"), "organization": organization}
        assert answer.json == {"data": data, "message": "Registration successful"}
        assert answer.data["user"]["organizationId"] == answer.data["organization"]["id"]

    @pytest.mark.parametrize("unnamed", [{}, {"organizationName": None}])
    def test_an_organisation_without_a_name_is_named_after_the_person(
        self, world: World, unnamed: dict[str, None]
    ) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Ada Lovelace", **unnamed}

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 201
        assert answer.data["organization"]["name"] == "Ada Lovelace"

    def test_the_tokens_of_a_registration_work(self, world: World) -> None:
        person = world.register()

        assert world.is_signed_in(person.access_token)
        assert world.refresh(person.refresh_token).status == 200

    def test_registering_sends_no_mail(self, world: World) -> None:
        person = world.register()

        world.request_code(person.email)

        assert [mail.subject for mail in world.mails(person.email)] == ["Your sign-in code for Gerbang"]

    @pytest.mark.parametrize("field", ["email", "password", "name"])
    def test_a_missing_field_is_named(self, world: World, field: str) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Ada Lovelace"}
        del request[field]

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 400
        assert answer.json == botlaunch_invalid(field)

    def test_all_missing_fields_are_named_at_once(self, client: Client) -> None:
        answer = client.post("/api/auth/register", {})

        assert answer.status == 400
        assert answer.json == botlaunch_invalid("email", "name", "password")

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("Aa1aaa7", "Password must be at least 8 characters long"),
            ("violet-tram-42", "Password must contain at least one upper-case letter"),
            ("Violet-tram", "Password must contain at least one digit"),
            ("Password1", "This password is too common. Choose another one."),
            ("Lovelace1", "Password must not be made of your name or e-mail address"),
            ("Aa1" + "x" * 254, "Password must be at most 256 characters long"),
        ],
    )
    def test_a_password_that_breaks_a_rule_is_rejected_with_the_reason(
        self, world: World, password: str, reason: str
    ) -> None:
        request = {"email": world.email(), "password": password, "name": "Ada Lovelace"}

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 400
        details = [{"field": "password", "message": reason}]
        assert answer.json == {**botlaunch_error(400, "Validation Error"), "details": details}
        assert password.encode() not in answer.raw

    @pytest.mark.parametrize(
        "password",
        ["Aa1aaa88", "Ünü 1234", "A1" + "x" * 62, "A1" + "𝄞" * 254, "Tab\tNul\0 1'\"", "1234567É", "Пароль№7 привет"],
    )
    def test_a_password_that_meets_the_rules_signs_in(self, world: World, password: str) -> None:
        email = world.register(password=password).email

        answer = world.client.post("/api/auth/login", {"email": email, "password": password})

        assert answer.status == 200

    def test_all_bytes_of_a_long_password_count(self, world: World) -> None:
        password = "A1" + "x" * 78
        email = world.register(password=password).email

        assert not world.can_sign_in(email, password[:72])
        assert not world.can_sign_in(email, password[:72] + "y" * 8)
        assert world.can_sign_in(email, password)

    @pytest.mark.parametrize(
        "near", ["correct-horse-42", "Correct-horse-42 ", " Correct-horse-42", "Correct-horse-42\0"]
    )
    def test_a_password_must_match_exactly(self, world: World, near: str) -> None:
        assert not world.can_sign_in(world.register(password="Correct-horse-42").email, near)

    def test_a_password_in_another_unicode_form_is_the_same(self, world: World) -> None:
        email = world.register(password="Caf\u00e9-au-lait-1").email

        assert world.can_sign_in(email, "Cafe\u0301-au-lait-1")

    def test_an_empty_organization_name_counts_as_missing(self, world: World) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Ada Lovelace", "organizationName": ""}

        answer = world.client.post("/api/auth/register", request)

        assert (answer.status, answer.data["organization"]["name"]) == (201, "Ada Lovelace")

    @pytest.mark.parametrize("field", ["name", "organizationName"])
    @pytest.mark.parametrize("name", ["A", "名" * 200, "O'Brien <b>", "  trimmed  "])
    def test_names_of_1_to_200_characters_are_stored(self, world: World, field: str, name: str) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Ada Lovelace", field: name}

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 201
        found = answer.data["user"]["name"] if field == "name" else answer.data["organization"]["name"]
        assert found == name.strip()

    @pytest.mark.parametrize("field", ["name", "organizationName"])
    @pytest.mark.parametrize(
        "name", ["   ", "\u200b", "x" * 201, "Ada\r\nBcc: all@example.com", "Ada\u2028Lovelace", "\0"]
    )
    def test_invalid_names_are_rejected(self, world: World, field: str, name: str) -> None:
        request = {"email": world.email(), "password": PASSWORD, "name": "Ada Lovelace", field: name}

        answer = world.client.post("/api/auth/register", request)

        assert answer.status == 400
        assert answer.json == botlaunch_invalid(field)

    @pytest.mark.parametrize(
        "email",
        INVALID_ADDRESSES,
    )
    def test_an_invalid_address_is_rejected(self, client: Client, email: str) -> None:
        answer = client.post("/api/auth/register", {"email": email, "password": PASSWORD, "name": "Ada Lovelace"})

        assert answer.status == 400
        assert answer.json == botlaunch_invalid("email")

    @pytest.mark.parametrize(
        "spelling",
        ["{}", "  {} ", "\t{}\n", "{upper}", "{fullwidth}"],
    )
    def test_a_registered_address_is_taken_in_every_spelling(self, world: World, spelling: str) -> None:
        email = world.register().email
        fullwidth = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in email)
        typed = spelling.format(email, upper=email.upper(), fullwidth=fullwidth)

        answer = world.client.post("/api/auth/register", {"email": typed, "password": PASSWORD, "name": "Ada Lovelace"})

        assert answer.status == 409
        assert answer.json == botlaunch_error(409, "Conflict")

    def test_a_unicode_domain_and_its_a_label_are_the_same_address(self, world: World) -> None:
        local = world.username()

        person = world.register(email=f"{local}@Bücher.example")
        again = world.client.post(
            "/api/auth/register",
            {"email": f"{local}@xn--bcher-kva.example", "password": PASSWORD, "name": "Ada Lovelace"},
        )

        assert claims_of(person.access_token)["email"] == f"{local}@xn--bcher-kva.example"
        assert again.status == 409
