"""gerbang.mail.codes.CodeMaker: how codes are made and stored (security.md 38, 39, 45)."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.mail.codes import DIGITS, CodeMaker
from gerbang.sessions.keys import Keys

from tests.conftest import Database
from tests.deployment import ALICE, BOB
from tests.fakes import FakeClock, FakeSecret
from tests.unit.mail_deployment import MailDeployment, is_nowhere
from tests.unit.one_time_codes.codes import redeem


@pytest.fixture(scope="module")
def many_codes() -> list[str]:
    maker = CodeMaker(Keys(FakeSecret(), FakeClock()))
    return [maker.code(f"job-{number}", BOB.email, epoch=0) for number in range(30_000)]


@pytest.mark.covers("38", "39")
def test_a_code_has_six_digits_and_may_start_with_zeros(many_codes: list[str]) -> None:
    assert all(re.fullmatch(r"[0-9]{6}", code) for code in many_codes)
    assert any(code.startswith("00") for code in many_codes)


@pytest.mark.covers("39")
def test_codes_are_uniformly_distributed(many_codes: list[str]) -> None:
    def chi_square(values: Sequence[str], kinds: int) -> float:
        expected = len(values) / kinds
        counted = Counter(values)
        return sum((count - expected) ** 2 for count in counted.values()) / expected + expected * (kinds - len(counted))

    for place in range(DIGITS):
        assert chi_square([code[place] for code in many_codes], 10) < 33.7  # one in 10,000 even spreads is above it
    for half in (slice(0, 3), slice(3, 6)):
        assert chi_square([code[half] for code in many_codes], 1000) < 1171  # likewise


@pytest.fixture
def maker(secret: FakeSecret, clock: FakeClock) -> CodeMaker:
    return CodeMaker(Keys(secret, clock))


def test_the_same_job_makes_the_same_code_in_every_process(maker: CodeMaker, secret: FakeSecret) -> None:
    in_another_process = CodeMaker(Keys(secret, FakeClock()))

    assert maker.code("job-1", BOB.email, epoch=0) == in_another_process.code("job-1", BOB.email, epoch=0)


def test_another_job_address_epoch_or_secret_makes_another_code(maker: CodeMaker) -> None:
    of_another_secret = CodeMaker(Keys(FakeSecret("another secret"), FakeClock()))

    codes = {
        maker.code("job-1", BOB.email, epoch=0),
        maker.code("job-2", BOB.email, epoch=0),
        maker.code("job-1", ALICE.email, epoch=0),
        maker.code("job-1", BOB.email, epoch=1),
        of_another_secret.code("job-1", BOB.email, epoch=0),
    }

    assert len(codes) == 5


def test_a_stored_code_matches_only_its_address_and_digits(maker: CodeMaker) -> None:
    stored = maker.stored_form(BOB.email, "012345")

    assert maker.matches(stored, BOB.email, "012345")
    assert not maker.matches(stored, BOB.email, "012346")
    assert not maker.matches(stored, BOB.email, "12345")
    assert not maker.matches(stored, ALICE.email, "012345")
    assert not maker.matches("", BOB.email, "012345")
    assert not maker.matches("né", BOB.email, "012345")


@pytest.mark.covers("45")
def test_a_stored_code_cannot_be_matched_without_the_key(maker: CodeMaker) -> None:
    stored = maker.stored_form(BOB.email, "012345")
    without_the_key = CodeMaker(Keys(FakeSecret("a thief's guess"), FakeClock()))

    assert not without_the_key.matches(stored, BOB.email, "012345")
    for text in ("012345", f"{BOB.email}012345", f"stored\0{BOB.email}\0012345"):
        assert stored != hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.covers("45")
def test_no_table_contains_the_code(app: MailDeployment, database: Database) -> None:
    app.register()

    code = app.mailed_code()

    assert is_nowhere(database, code)


def test_a_code_is_valid_after_one_rotation_of_the_master_secret(
    app_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    app_in_memory.register()
    code = app_in_memory.mailed_code()
    secret.rotate("second secret")
    clock.advance(timedelta(minutes=6))  # every warm function has read the new secret by then

    assert redeem(app_in_memory, code).user.email == BOB.email


def test_a_code_is_invalid_after_two_rotations(
    app_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    app_in_memory.register()
    code = app_in_memory.mailed_code()
    secret.rotate("second secret")
    secret.rotate("third secret")
    clock.advance(timedelta(minutes=6))

    with pytest.raises(InvalidCode):
        redeem(app_in_memory, code)
