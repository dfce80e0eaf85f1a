"""gerbang.accounts.live_migration: users of an old system come at their first sign-in, and nobody else does."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, override

import pytest
from gerbang.accounts import live_migration
from gerbang.accounts.live_migration import (
    FAILURES_THAT_OPEN,
    OPEN_FOR,
    Circuit,
    EndpointVerifier,
    LiveMigration,
    OldUser,
    sign,
)
from gerbang.accounts.outbound import Unanswered
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.accounts.user_creation import UserCreation
from gerbang.container import Container
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.provider_settings import InvalidSettings
from gerbang.sessions.cached_secret import CachedSecret
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.sessions import SignedIn
from gerbang.settings import Settings

from tests.conftest import Database, in_memory
from tests.deployment import ALICE, HOME, PASSWORD, Deployment
from tests.fakes import FakeClock, RecordingLog, at_once

OLD: Final = "Mira@Example.com"
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SOON: Final = timedelta(milliseconds=300)

type Script = Callable[[BaseHTTPRequestHandler], None]


@dataclass(slots=True)
class OldSystem:
    """A verifier in memory, which keeps what it was asked."""

    knows: dict[tuple[str, str], OldUser] = field(default_factory=lambda: {("mira@example.com", PASSWORD): OldUser()})
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    meanwhile: Callable[[str], object] = lambda _: None
    """Happens before the answer."""

    def verify(self, email: str, password: str) -> OldUser | None:
        self.asked.append((email, password))
        self.meanwhile(email)
        return self.knows.get((email, password))


@pytest.fixture
def old_system() -> OldSystem:
    return OldSystem()


@pytest.fixture
def migrating(deployment: Deployment, old_system: OldSystem) -> Deployment:
    creation = UserCreation(
        store=deployment.store,
        users=deployment.users,
        passwords=deployment.passwords,
        initial_credit=5000,
        log_event=deployment.log_event,
        now=deployment.now,
        new_id=deployment.new_id,
        new_number=deployment.new_number,
    )
    made = LiveMigration(
        verifier=old_system,
        creation=creation,
        users=deployment.users,
        log_event=deployment.log_event,
        new_id=deployment.new_id,
    )
    return replace(deployment, live_migration=made)


def sign_in(deployment: Deployment, email: str = OLD, password: str = PASSWORD) -> SignedIn:
    return deployment.sign_in.sign_in(Credentials.by_email(EmailAddress(email), password), HOME)


# Who comes


def test_the_old_systems_password_makes_the_account_with_todays_hash(
    migrating: Deployment, old_system: OldSystem, log: RecordingLog
) -> None:
    old_system.knows["mira@example.com", PASSWORD] = OldUser(name="Mira", email_verified=True)

    user = sign_in(migrating).user

    stored = migrating.users.find(user.user_id)
    assert stored is not None
    assert (stored.name, stored.email, stored.email_as_typed) == ("Mira", "mira@example.com", "Mira@Example.com")
    assert stored.email_verified_at == migrating.clock()
    assert stored.credit_balance == 5000
    assert (stored.password_hash or "").startswith("$bcrypt-sha256$v=2")
    events = [note.event for note in log.notes]
    assert {"registered", "legacy_user_moved_in", "signed_in"} <= {*events}


def test_from_then_on_the_old_system_is_not_asked(migrating: Deployment, old_system: OldSystem) -> None:
    first = sign_in(migrating).user

    old_system.knows.clear()

    assert sign_in(migrating).user.user_id == first.user_id
    assert len(old_system.asked) == 1


def test_without_a_name_the_part_before_the_at_is_it_and_the_address_is_unverified(migrating: Deployment) -> None:
    user = sign_in(migrating).user

    assert (user.name, user.email_verified_at) == ("mira", None)


def test_where_only_verified_addresses_sign_in_an_unverified_one_comes_and_waits(
    migrating: Deployment, database: Database
) -> None:
    strict = replace(migrating, choices=replace(migrating.choices, unverified=UnverifiedAddress.REFUSED))

    with pytest.raises(EmailNotVerified):
        sign_in(strict)

    assert len(database.items("Users", "USER#")) == 1


@pytest.mark.parametrize("password", ["wrong", "", "x" * 257])
def test_any_other_password_makes_nothing_and_is_counted(
    migrating: Deployment, database: Database, password: str
) -> None:
    with pytest.raises(InvalidCredentials):
        sign_in(migrating, password=password)

    assert database.items("Users") == []
    assert len(database.items("RateLimits")) == 3


# The password of an account is never shown to the old system


def test_a_wrong_password_of_an_account_is_asked_about_somebody_who_does_not_exist(
    migrating: Deployment, old_system: OldSystem
) -> None:
    migrating.register(ALICE)

    with pytest.raises(InvalidCredentials):
        sign_in(migrating, ALICE.email, "a wrong password")

    [(email, password)] = old_system.asked
    assert email == "nobody@example.invalid"
    assert password != "a wrong password"


def test_a_right_password_of_an_account_and_a_user_name_ask_no_questions_of_their_own(
    migrating: Deployment, old_system: OldSystem
) -> None:
    migrating.register(ALICE)

    sign_in(migrating, ALICE.email)
    assert old_system.asked == []

    with pytest.raises(InvalidCredentials):
        migrating.sign_in.sign_in(Credentials.by_username("nobody", PASSWORD), HOME)
    assert [email for email, _ in old_system.asked] == ["nobody@example.invalid"]


def test_every_failure_costs_as_many_hashes_and_questions(
    migrating: Deployment, old_system: OldSystem, hashes: list[int]
) -> None:
    migrating.register(ALICE)
    work: list[tuple[int, int]] = []
    for email in (ALICE.email, OLD):
        hashes.clear()
        old_system.asked.clear()
        with pytest.raises(InvalidCredentials):
            sign_in(migrating, email, "a wrong password")
        work.append((len(hashes), len(old_system.asked)))

    assert work == [(1, 1), (1, 1)]


# Races (on DynamoDB Local, too)


def test_of_many_first_sign_ins_at_once_one_makes_the_account_and_all_are_signed_in(
    migrating: Deployment, database: Database
) -> None:
    outcomes = at_once([lambda: sign_in(migrating)] * 8)

    users = {outcome.user.user_id for outcome in outcomes if isinstance(outcome, SignedIn)}
    others = [outcome for outcome in outcomes if not isinstance(outcome, SignedIn)]
    assert len(users) == 1
    assert all(isinstance(outcome, DependencyUnavailable) for outcome in others)  # contention, to be tried again
    assert len(database.items("Users", "USER#")) == 1
    assert len(database.items("Users", "EMAIL#")) == 1


def test_who_registers_the_address_meanwhile_with_another_password_keeps_it(
    migrating: Deployment, old_system: OldSystem, database: Database
) -> None:
    """The transaction decides, whatever the old system says."""

    def register(email: str) -> None:
        migrating.register(replace(ALICE, email=EmailAddress(email), password="quite another one"))

    old_system.meanwhile = register

    with pytest.raises(InvalidCredentials):
        sign_in(migrating)

    assert len(database.items("Users", "USER#")) == 1


# The endpoint


@dataclass
class Endpoint:
    """An endpoint that answers as a test says, and keeps what it was sent."""

    script: Script
    bodies: list[bytes] = field(default_factory=list[bytes])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    url: str = ""


def answering(body: object, status: int = 200, **headers: str) -> Script:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def hanging(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


@contextmanager
def endpoint(script: Script) -> Iterator[Endpoint]:
    made = Endpoint(script)

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            made.headers.append({name.lower(): value for name, value in self.headers.items()})
            with suppress(OSError):  # the client has gone
                made.script(self)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_port}/verify"
        yield made
        server.shutdown()


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
        deadline=SOON,
    )


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The known answer of the standard's libraries."""
    made = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(SECRET.removeprefix("whsec_") + "\n", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b"") != made


def test_a_question_is_signed_with_its_id_and_time() -> None:
    clock = FakeClock()
    with endpoint(answering({"verified": False})) as there:
        assert verifier(there.url, clock=clock).verify("mira@example.com", "pässword") is None

    [body], [headers] = there.bodies, there.headers
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
def test_an_answer_decides_yes_or_no_and_a_bad_extra_is_dropped(answer: object, user: OldUser | None) -> None:
    with endpoint(answering(answer)) as there:
        assert verifier(there.url).verify("mira@example.com", PASSWORD) == user


UNUSABLE: Final = {
    "broken": answering(b"", 500),
    "signature refused": answering({"verified": True}, 401),
    "created": answering({"verified": True}, 201),
    "redirect": answering(b"", 302, location="https://example.com/"),
    "no JSON": answering(b"not JSON"),
    "deep": answering(b"[" * 10_000),
    "array": answering([]),
    "no verdict": answering({}),
    "text": answering({"verified": "yes"}),
    "number": answering({"verified": 1}),
    "huge": answering({"verified": True, "x": "x" * 20_000}),
    "hanging": hanging,
    "dripping": dripping,
}


@pytest.mark.parametrize("script", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_anything_else_is_no_yes_is_logged_without_its_content_and_ends_in_time(script: Script) -> None:
    log = RecordingLog()
    with endpoint(script) as there:
        started = time.perf_counter()
        assert verifier(there.url, log=log).verify("mira@example.com", PASSWORD) is None
        assert time.perf_counter() - started < 1

    [note] = log.notes
    assert note.event == "legacy_verify_failed"
    assert "mira" not in str(note)
    assert PASSWORD not in str(note)


@pytest.mark.parametrize("secret", ["", "whsec_", "not base64!", "c2hvcnQ="])
def test_a_secret_that_is_none_is_said_and_nothing_is_sent(secret: str) -> None:
    log = RecordingLog()
    with endpoint(answering({"verified": True})) as there:
        assert verifier(there.url, log=log, secret=secret).verify("mira@example.com", PASSWORD) is None

    assert there.bodies == []
    assert "base64" in str(log.notes[0].fields["why"])
    with pytest.raises(Unanswered):
        sign(secret, "", "", b"")


def test_after_three_failures_it_is_left_alone_for_half_a_minute_then_asked_once() -> None:
    clock, log = FakeClock(), RecordingLog()
    with endpoint(answering(b"", 500)) as there:
        asking = verifier(there.url, clock=clock, log=log)

        def ask(times: int) -> int:
            before = len(there.bodies)
            for _ in range(times):
                asking.verify("mira@example.com", PASSWORD)
            return len(there.bodies) - before

        assert ask(10) == FAILURES_THAT_OPEN
        assert [note.event for note in log.notes].count("legacy_verify_suspended") == 1
        clock.advance(OPEN_FOR)
        assert ask(3) == 1
        clock.advance(OPEN_FOR)
        there.script = answering({"verified": False})
        assert ask(3) == 3


def test_of_many_at_once_one_tries_an_open_circuit() -> None:
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
    made = Container(
        {"LEGACY_VERIFY": f"url={url} secret=arn credit=7"} | ENVIRONMENT, store=in_memory().store
    ).live_migration

    assert made is not None
    assert isinstance(made.verifier, EndpointVerifier)
    assert (made.verifier.url, made.creation.initial_credit) == (url, 7)
    assert made.verifier.deadline == live_migration.DEADLINE == timedelta(seconds=3)


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
def test_a_wrong_setting_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(InvalidSettings, match="LEGACY_VERIFY"):
        assert Settings({"LEGACY_VERIFY": text}).legacy_verify


def test_without_an_endpoint_nothing_more_is_imported() -> None:
    program = (
        "import sys\n"
        "from gerbang.container import Container\n"
        "import gerbang.accounts.sign_in\n"
        "before = {*sys.modules}\n"
        "assert Container({'LEGACY_VERIFY': 'url= secret= credit=0'}).live_migration is None\n"
        "assert not {each for each in {*sys.modules} - before if 'live' in each or 'urllib3' in each}\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
