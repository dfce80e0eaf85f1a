"""What functions log: one line for every outcome, without secrets and addresses."""

import json
import time
from typing import Any

import pytest

from tests.wire.server import Server
from tests.wire.world import World

PASSWORD = "Logged-never-77"
OTHER_PASSWORD = "Logged-never-78"


class Listener:
    """Reads the output of the server after this point."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._from = len(server.output())

    def text(self) -> str:
        return self._server.output()[self._from :]

    def lines(self) -> list[str]:
        """Return the complete lines. Only a line feed ends a line."""
        return self.text().split("\n")[:-1]

    def events(self) -> list[dict[str, Any]]:
        """Return the events, which are lines of JSON."""
        documents = [json.loads(line) for line in self.lines() if line.startswith("{")]
        return [document for document in documents if "event" in document]

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event, and return the newest one. A line may appear shortly after the answer."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            found = [event for event in self.events() if event["event"] == name]
            if found:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(f"{name} is not among {[event['event'] for event in self.events()]}")


@pytest.fixture
def listener(server: Server) -> Listener:
    return Listener(server)


def test_passwords_tokens_codes_addresses_and_names_are_not_logged(world: World, listener: Listener) -> None:
    person = world.register(password=PASSWORD, name="Augusta King")
    wrong = {"email": person.email, "password": OTHER_PASSWORD}
    secrets = [PASSWORD, OTHER_PASSWORD, person.email, person.email.upper(), "Augusta"]
    secrets += [person.access_token, person.refresh_token]

    world.client.post("/api/auth/login", wrong)
    world.client.post("/auth/login_with_email_password", wrong)
    world.client.post("/api/auth/login", {"username": person.email.upper(), "password": PASSWORD})
    world.client.post("/api/auth/register", {**wrong, "name": "Augusta King"})
    refreshed = world.refresh(person.refresh_token).data
    secrets += [refreshed["accessToken"], refreshed["refreshToken"]]
    world.me(refreshed["accessToken"] + "x")
    code = world.request_code(person.email).code
    world.client.post("/auth/verify_otp", {"email": person.email, "otp": "999999" if code != "999999" else "999998"})
    world.client.post("/auth/verify_otp", {"email": person.email, "otp": code})
    token = world.request_reset(person.email)
    world.client.post("/api/auth/reset-password", {"token": token, "password": "short"})
    world.client.post("/api/auth/reset-password", {"token": token, "password": OTHER_PASSWORD})
    google = world.google_token(email=world.email())
    world.client.post("/api/auth/google", {"id_token": google})
    world.client.post("/api/auth/google", {"id_token": google[:-3]})
    keys = world.api_keys()
    world.client.post("/api/auth/google", {"google_id": "g"}, apikey=keys["secret_key"])
    secrets += [token, google, keys["secret_key"], world.account(person.user_id)["password_hash"]]
    listener.event("invalid_id_token")

    printed = listener.text()
    assert [secret for secret in secrets if secret in printed] == []
    assert f'"{code}"' not in printed


@pytest.mark.covers("167")
def test_wrong_secrets_are_not_logged(world: World, listener: Listener) -> None:
    """A wrong password may be a mistyped one, and an invalid token may be valid elsewhere."""
    person, stranger = world.register(), "unknown.person@example.com"
    code, token = world.request_code(person.email).code, world.request_reset(person.email)
    wrong = {
        "token": f"{token[:-4]}AAAA",
        "no token": "not-of-the-form-of-a-token",
        "otp": f"{(int(code) + 1) % 1_000_000:06d}",
        "access": f"{person.access_token[:-4]}AAAA",
        "refresh": f"{person.refresh_token[:-4]}AAAA",
        "key": "sb_secret_unknown",
        "username": "unknown-user-name",
    }

    for name in ("token", "no token"):
        world.client.post("/api/auth/reset-password", {"token": wrong[name], "password": PASSWORD})
    world.client.post("/auth/verify_otp", {"email": person.email, "otp": wrong["otp"]})
    world.client.post("/auth/verify_otp", {"email": stranger, "otp": wrong["otp"]})
    world.client.post("/auth/otp", {"email": stranger})
    world.client.post("/auth/login_with_email_password", {"email": stranger, "password": PASSWORD})
    world.client.post("/api/auth/login", {"username": wrong["username"], "password": PASSWORD})
    change = {"current_password": OTHER_PASSWORD, "new_password": PASSWORD}
    world.client.post("/api/auth/change-password", change, bearer=person.access_token)
    world.me(wrong["access"])
    world.refresh(wrong["refresh"])
    three = {"google_id": "g", "email": stranger, "name": "Unknown"}
    world.client.post("/api/auth/google", three, apikey=wrong["key"])
    world.client.post("/auth/v1/token?grant_type=refresh_token", {"refresh_token": "x"}, apikey=wrong["key"])
    for name in ("invalid_reset_token", "invalid_code", "invalid_credentials", "bad_jwt", "identity_not_proven"):
        listener.event(name)
    listener.event("invalid_api_key")

    secrets = [*wrong.values(), PASSWORD, OTHER_PASSWORD, stranger, person.email]
    secrets[secrets.index(wrong["otp"])] = f'"{wrong["otp"]}"'  # six digits may also be part of a time or an id
    assert [secret for secret in secrets if secret in listener.text()] == []


@pytest.mark.covers("167")
def test_an_unknown_path_is_not_logged(world: World, listener: Listener) -> None:
    """A path may contain a token or an address, for example in a link to the wrong host."""
    world.client.get("/reset/a-secret-token/mira@example.com")

    assert listener.event("not_found")["route"] == "$default"
    assert "a-secret-token" not in json.dumps(listener.events())


@pytest.mark.parametrize("odd", ['\r\n{"event": "signed_in"}', "\x1b[2J\x1b[31m", "\u2028\u0085", '"}{"'])
def test_a_client_cannot_inject_log_lines(world: World, listener: Listener, odd: str) -> None:
    agent = odd.encode("unicode_escape").decode()

    world.client.post("/api/auth/login", {"username": f"x{odd}", "password": "any-password"}, user_agent=agent)
    world.client.request("GET", "/api/" + "".join(f"%{byte:02x}" for byte in odd.encode()))

    listener.event("invalid_credentials")
    events = listener.events()
    assert "signed_in" not in {event["event"] for event in events}
    assert all("\x1b" not in line for line in listener.lines())


def test_every_outcome_is_logged_with_ids(world: World, listener: Listener) -> None:
    person = world.register()
    wrong = {"email": person.email, "password": OTHER_PASSWORD}

    assert listener.event("registered")["user_id"] == person.user_id
    world.client.post("/api/auth/login", {"email": person.email, "password": person.password})
    assert listener.event("signed_in")["user_id"] == person.user_id
    world.client.post("/api/auth/login", wrong)
    wrong_password = listener.event("invalid_credentials")
    assert wrong_password["client"] == world.client.address
    assert wrong_password["route"] == "ANY /api/auth/login"
    assert wrong_password["level"] == "WARNING"
    newest = person.refresh_token
    for _ in range(3):
        newest = world.refresh(newest).data["refreshToken"]
    assert listener.event("session_refreshed")["session_id"] == person.session_id
    world.refresh(person.refresh_token)
    reused = listener.event("refresh_token_reused")
    assert (reused["session_id"], reused["user_id"]) == (person.session_id, person.user_id)
    world.refresh(newest)
    assert listener.event("session_not_found")["session_id"] == person.session_id
    world.me(person.access_token + "x")
    listener.event("bad_jwt")
    world.client.get("/api/auth/me")
    listener.event("no_authorization")
    for _ in range(10):
        world.client.post("/api/auth/login", wrong)
    assert listener.event("over_request_rate_limit")["limit"] == "sign_in_account_and_address"
    world.client.post("/auth/verify_otp", {"email": person.email, "otp": "000000"})
    listener.event("invalid_code")
    world.request_reset(person.email)
    listener.event("mail_asked_for")
    listener.event("mail_sent")
    world.client.post("/api/auth/reset-password", {"token": "A" * 64, "password": OTHER_PASSWORD})
    listener.event("invalid_reset_token")


def test_a_line_has_the_request_id_of_the_answer(world: World, listener: Listener) -> None:
    answer = world.client.post("/api/auth/login", {"email": world.email(), "password": OTHER_PASSWORD})

    assert listener.event("invalid_credentials")["request_id"] == answer.headers["apigw-requestid"]


def test_every_line_contains_the_metric_of_its_event(world: World, listener: Listener) -> None:
    world.client.post("/api/auth/login", {"email": world.email(), "password": OTHER_PASSWORD})

    line = listener.event("invalid_credentials")

    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert line["InvalidCredentials"] == [1.0]
    assert [metric["Name"] for metric in directive["Metrics"]] == ["InvalidCredentials"]
    assert "location" not in line


@pytest.mark.parametrize("path", ["/api/auth/refresh", "/auth/v1/token?grant_type=refresh_token"])
def test_an_error_is_one_line_with_the_status_of_the_answer(world: World, listener: Listener, path: str) -> None:
    """The same error is 401 at one path and 400 at the other."""
    body = {"refreshToken": "x.y.z", "refresh_token": "x.y.z"}

    answer = world.client.post(path, body, apikey=world.publishable_key)

    assert listener.event("bad_jwt")["status"] == answer.status
    assert [
        event["event"] for event in listener.events() if event["request_id"] == answer.headers["apigw-requestid"]
    ] == ["bad_jwt"]


def test_no_unexpected_failure_was_logged(world: World, server: Server) -> None:
    world.client.get("/api/auth/me")

    assert "unexpected_failure" not in server.output()
