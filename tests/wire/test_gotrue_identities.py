"""Linking and unlinking identities over HTTP, as Supabase's official clients do."""

from typing import Any, Final

import pytest

from tests.wire.client import Answer
from tests.wire.gotrue import call, get_user, set_verified
from tests.wire.shapes import JWT, gotrue_error
from tests.wire.world import Person, World

LINK: Final = "/auth/v1/token?grant_type=id_token"
IDENTITIES: Final = "/auth/v1/user/identities"
NO_ID: Final = "00000000-0000-4000-8000-000000000000"


def link(world: World, token: str | None, *, email: str = "", google_id: str = "", **body: object) -> Answer:
    id_token = world.google_token(email=email or world.email(), google_id=google_id)
    request = {"id_token": id_token, "provider": "google", "link_identity": True, **body}
    headers = {"apikey": world.publishable_key}
    return world.client.post(LINK, request, bearer=token, **headers)


def unlink(world: World, token: str | None, identity_id: str) -> Answer:
    return call(world, "DELETE", f"{IDENTITIES}/{identity_id}", token)


def identities(answer: Any) -> dict[str, str]:
    """Return the ids of a user's identities, by provider."""
    return {each["provider"]: each["identity_id"] for each in answer["identities"]}


def verified_person(world: World) -> Person:
    """Register an account with a verified address."""
    person = world.register()
    set_verified(world, person.user_id)
    return person


class TestLinking:
    def test_linking_returns_the_callers_session(self, world: World) -> None:
        person = verified_person(world)

        answer = link(world, person.access_token, google_id="g-1")

        assert answer.status == 200
        assert answer.json["access_token"] == JWT
        assert answer.json["refresh_token"] == person.refresh_token
        user = answer.json["user"]
        assert (user["id"], user["email"]) == (person.user_id, person.email)
        assert user["app_metadata"]["providers"] == ["email", "google"]
        assert identities(user).keys() == {"email", "google"}
        assert user == get_user(world, person.access_token).json

    def test_a_mail_tells_the_owner(self, world: World) -> None:
        person = verified_person(world)

        link(world, person.access_token)

        assert "Google" in world.mail(person.email).text

    def test_a_linked_identity_signs_in(self, world: World) -> None:
        person, email = verified_person(world), world.email()
        link(world, person.access_token, email=email, google_id="g-signs-in")

        id_token = world.google_token(email=email, google_id="g-signs-in")
        request = {"id_token": id_token, "provider": "google", "link_identity": False}
        answer = world.client.post(LINK, request, apikey=world.publishable_key)

        assert answer.json["user"]["id"] == person.user_id

    def test_linking_it_again_changes_nothing(self, world: World) -> None:
        person, email = verified_person(world), world.email()
        link(world, person.access_token, email=email, google_id="g-again")

        assert link(world, person.access_token, email=email, google_id="g-again").status == 200

    def test_an_identity_of_another_account_is_422(self, world: World) -> None:
        email = world.email()
        link(world, verified_person(world).access_token, email=email, google_id="g-taken")

        answer = link(world, verified_person(world).access_token, email=email, google_id="g-taken")

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "identity_already_exists")

    def test_linking_makes_a_guest_permanent(self, world: World) -> None:
        headers = {"apikey": world.publishable_key}
        guest = world.client.post("/auth/v1/signup", {}, **headers).json
        email = world.email()

        answer = link(world, guest["access_token"], email=email)

        user = answer.json["user"]
        assert (user["id"], user["is_anonymous"], user["email"]) == (guest["user"]["id"], False, email)
        assert user["email_confirmed_at"]
        assert identities(user).keys() == {"google"}
        assert "expires_at" not in world.account(user["id"])

    def test_an_unverified_address_is_422(self, world: World) -> None:
        answer = link(world, world.register().access_token)

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "email_not_confirmed")

    @pytest.mark.parametrize(
        ("token", "status", "code"),
        [(None, 401, "no_authorization"), ("the-publishable-key", 403, "bad_jwt")],
    )
    def test_without_a_user_it_is_401_or_403(self, world: World, token: str | None, status: int, code: str) -> None:
        answer = link(world, token)

        assert (answer.status, answer.json["error_code"]) == (status, code)

    def test_a_bad_id_token_is_400(self, world: World, shared_person: Person) -> None:
        answer = link(world, shared_person.access_token, id_token="x.y.z")

        assert answer.status == 400
        assert answer.json["error"] == "invalid request"

    def test_link_identity_must_be_a_boolean(self, world: World, shared_person: Person) -> None:
        answer = link(world, shared_person.access_token, link_identity="true")

        assert answer.status == 400
        assert answer.json["error_code"] == "validation_failed"


class TestUnlinking:
    def test_an_unlinked_identity_is_removed_and_a_mail_tells_the_owner(self, world: World) -> None:
        person = verified_person(world)
        linked = identities(link(world, person.access_token).json["user"])

        answer = unlink(world, person.access_token, linked["google"])

        assert (answer.status, answer.json) == (200, {})
        assert identities(get_user(world, person.access_token).json).keys() == {"email"}
        world.mail(person.email, having=lambda mail: "removed" in mail.subject)

    def test_unlinking_the_email_identity_removes_the_password(self, world: World) -> None:
        person = verified_person(world)
        linked = identities(link(world, person.access_token).json["user"])

        assert unlink(world, person.access_token, linked["email"].upper()).status == 200

        assert identities(get_user(world, person.access_token).json).keys() == {"google"}
        assert not world.can_sign_in(person.email, person.password)

    def test_the_last_identity_cannot_be_unlinked(self, world: World) -> None:
        person = verified_person(world)
        [identity_id] = identities(get_user(world, person.access_token).json).values()

        answer = unlink(world, person.access_token, identity_id)

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "single_identity_not_deletable")

    def test_an_unknown_identity_is_422(self, world: World, shared_person: Person) -> None:
        answer = unlink(world, shared_person.access_token, NO_ID)

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "identity_not_found")

    @pytest.mark.parametrize("identity_id", ["google", "1", "authorize", "%20"])
    def test_an_id_that_is_not_a_uuid_is_404(self, world: World, shared_person: Person, identity_id: str) -> None:
        answer = unlink(world, shared_person.access_token, identity_id)

        assert answer.status == 404
        assert answer.json["error_code"] == "validation_failed"

    def test_linking_by_redirect_is_not_supported(self, world: World, shared_person: Person) -> None:
        path = f"{IDENTITIES}/authorize?provider=google&skip_http_redirect=true"

        answer = call(world, "GET", path, shared_person.access_token)

        assert answer.status == 404
        assert answer.json == gotrue_error(404, "manual_linking_disabled")

    def test_without_a_user_it_is_401(self, world: World) -> None:
        assert unlink(world, None, NO_ID).status == 401


class TestReauthenticate:
    PATH: Final = "/auth/v1/reauthenticate"

    def test_a_code_is_mailed_at_most_once_a_minute(self, world: World) -> None:
        person = verified_person(world)

        answer = call(world, "GET", self.PATH, person.access_token)

        assert (answer.status, answer.json) == (200, {})
        assert world.mail(person.email).code
        again = call(world, "GET", self.PATH, person.access_token)
        assert again.status == 429
        assert again.json == gotrue_error(429, "over_email_send_rate_limit")

    def test_an_unverified_address_is_422(self, world: World) -> None:
        answer = call(world, "GET", self.PATH, world.register().access_token)

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "email_not_confirmed")

    def test_a_guest_is_400(self, world: World) -> None:
        answer = call(world, "GET", self.PATH, world.guest())

        assert answer.status == 400
        assert answer.json["error_code"] == "validation_failed"
