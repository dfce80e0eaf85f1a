"""gerbang.accounts.live_migration: how the endpoint of an old system is asked, with a local server as the endpoint."""

import json
import subprocess
import sys
import time
from datetime import timedelta
from typing import Final

import pytest
from gerbang.accounts import live_migration
from gerbang.accounts.live_migration import FAILURES_THAT_OPEN, OPEN_FOR, Circuit, EndpointVerifier, OldUser, sign
from gerbang.accounts.outbound import Unanswered
from gerbang.container import Container
from gerbang.provider_settings import InvalidSettings
from gerbang.sessions.cached_secret import CachedSecret
from gerbang.settings import Settings

from tests.conftest import in_memory
from tests.deployment import PASSWORD
from tests.fakes import FakeClock, RecordingLog, at_once
from tests.unit.http_servers import Script, answering, answering_slowly, http_server, not_answering

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEADLINE: Final = timedelta(milliseconds=300)


def verifier(
    url: str, *, log: RecordingLog | None = None, clock: FakeClock | None = None, secret: str = SECRET
) -> EndpointVerifier:
    clock = clock or FakeClock()
    return EndpointVerifier(
        url=url,
        secret=CachedSecret(lambda: secret, clock),
        now=clock,
        new_id=lambda: "an id",
        log_event=log or RecordingLog(),
        deadline=DEADLINE,
    )


def test_the_signature_follows_standard_webhooks() -> None:
    """The known answer of the standard's libraries."""
    signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(SECRET.removeprefix("whsec_") + "\n", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b"") != signature


def test_a_request_is_signed_with_its_id_and_time() -> None:
    clock = FakeClock()
    with http_server(answering({"verified": False})) as server:
        assert verifier(server.url, clock=clock).verify("mira@example.com", "pässword") is None

    [body], [headers] = server.bodies, server.headers
    assert json.loads(body) == {"email": "mira@example.com", "password": "pässword"}
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "msg_an id"
    assert headers["webhook-timestamp"] == str(int(clock().timestamp()))
    assert headers["webhook-signature"] == sign(SECRET, "msg_an id", headers["webhook-timestamp"], body)


@pytest.mark.parametrize(
    ("answer", "user"),
    [
        ({"verified": True}, OldUser()),
        ({"verified": True, "name": " Mira ", "email_verified": True}, OldUser(name="Mira", email_verified=True)),
        ({"verified": True, "name": "", "email_verified": "true"}, OldUser()),
        ({"verified": True, "name": "x" * 201, "email_verified": 1}, OldUser()),
        ({"verified": True, "name": "a\nb", "role": "admin"}, OldUser()),
        ({"verified": True, "name": 7}, OldUser()),
        ({"verified": False, "name": "Mira"}, None),
    ],
)
def test_an_answer_is_read_and_invalid_optional_fields_are_dropped(answer: object, user: OldUser | None) -> None:
    with http_server(answering(answer)) as server:
        assert verifier(server.url).verify("mira@example.com", PASSWORD) == user


UNUSABLE_ANSWERS: Final = {
    "broken": answering(b"", 500),
    "signature rejected": answering({"verified": True}, 401),
    "created": answering({"verified": True}, 201),
    "redirect": answering(b"", 302, location="https://example.com/"),
    "no JSON": answering(b"not JSON"),
    "deep": answering(b"[" * 10_000),
    "array": answering([]),
    "no verdict": answering({}),
    "text": answering({"verified": "yes"}),
    "number": answering({"verified": 1}),
    "huge": answering({"verified": True, "x": "x" * 20_000}),
    "hanging": not_answering,
    "dripping": answering_slowly,
}


@pytest.mark.parametrize("script", UNUSABLE_ANSWERS.values(), ids=UNUSABLE_ANSWERS.keys())
def test_an_unusable_answer_rejects_the_password_in_time_and_is_logged_without_its_content(script: Script) -> None:
    log = RecordingLog()
    with http_server(script) as server:
        started = time.perf_counter()
        assert verifier(server.url, log=log).verify("mira@example.com", PASSWORD) is None
        assert time.perf_counter() - started < 1

    [note] = log.notes
    assert note.event == "legacy_verify_failed"
    assert "mira" not in str(note)
    assert PASSWORD not in str(note)


@pytest.mark.parametrize("secret", ["", "whsec_", "not base64!", "c2hvcnQ="])
def test_an_invalid_secret_is_logged_and_nothing_is_sent(secret: str) -> None:
    log = RecordingLog()
    with http_server(answering({"verified": True})) as server:
        assert verifier(server.url, log=log, secret=secret).verify("mira@example.com", PASSWORD) is None

    assert server.bodies == []
    assert "base64" in str(log.notes[0].fields["why"])
    with pytest.raises(Unanswered):
        sign(secret, "", "", b"")


def test_after_three_failures_the_circuit_opens_for_thirty_seconds() -> None:
    clock, log = FakeClock(), RecordingLog()
    with http_server(answering(b"", 500)) as server:
        endpoint_verifier = verifier(server.url, clock=clock, log=log)

        def questions_sent(times: int) -> int:
            before = len(server.bodies)
            for _ in range(times):
                endpoint_verifier.verify("mira@example.com", PASSWORD)
            return len(server.bodies) - before

        assert questions_sent(10) == FAILURES_THAT_OPEN
        assert [note.event for note in log.notes].count("legacy_verify_suspended") == 1
        clock.advance(OPEN_FOR)
        assert questions_sent(3) == 1
        clock.advance(OPEN_FOR)
        server.script = answering({"verified": False})
        assert questions_sent(3) == 3


def test_one_of_many_concurrent_requests_passes_a_half_open_circuit() -> None:
    clock = FakeClock()
    circuit = Circuit()
    for _ in range(FAILURES_THAT_OPEN):
        circuit.fail(clock())
    clock.advance(OPEN_FOR)

    assert at_once([lambda: circuit.admits(clock())] * 8).count(True) == 1


# Settings

ENVIRONMENT: Final = {"USERS_TABLE": "Users", "PASSWORD_HASH_COST": "10"}


@pytest.mark.parametrize("url", ["https://old.example.com/verify", "http://127.0.0.1:8080/verify?tenant=1"])
def test_the_setting_names_the_endpoint(url: str) -> None:
    migration = Container(
        {"LEGACY_VERIFY": f"url={url} secret=arn credit=7"} | ENVIRONMENT, store=in_memory().store
    ).live_migration

    assert migration is not None
    assert isinstance(migration.verifier, EndpointVerifier)
    assert (migration.verifier.url, migration.creation.initial_credit) == (url, 7)
    assert migration.verifier.deadline == live_migration.DEADLINE == timedelta(seconds=3)


@pytest.mark.parametrize(
    "text",
    [
        "url=http://old.example.com/verify secret=s credit=0",
        "url=https://user@old.example.com/verify secret=s credit=0",
        "url=ftp://old.example.com/ secret=s credit=0",
        "url=https://old.example.com/verify secret= credit=0",
        "url=https://old.example.com/verify secret=s credit=",
    ],
)
def test_an_invalid_setting_is_rejected_at_start(text: str) -> None:
    with pytest.raises(InvalidSettings, match="LEGACY_VERIFY"):
        assert Settings({"LEGACY_VERIFY": text}).legacy_verify


def test_without_an_endpoint_no_further_module_is_imported() -> None:
    program = (
        "import sys\n"
        "from gerbang.container import Container\n"
        "import gerbang.accounts.sign_in\n"
        "before = {*sys.modules}\n"
        "assert Container({'LEGACY_VERIFY': 'url= secret= credit=0'}).live_migration is None\n"
        "assert not {each for each in {*sys.modules} - before if 'live' in each or 'urllib3' in each}\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
