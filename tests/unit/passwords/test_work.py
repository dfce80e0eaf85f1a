"""The work of rejecting a password, in rounds of bcrypt, is the same for every stored hash (security.md 28, 30).

Bcrypt is counted here instead of computed, so that the cost can be the recommended one.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from gerbang.passwords.bcrypt_sha256 import HIGHEST_COST, RECOMMENDED_COST, Verdict, dummy_hash
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.legacy import WrappedHash, parse

VECTORS = Path(__file__).parents[2] / "vectors" / "legacy_passwords" / "known_answers.jsonl"
KNOWN: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]
ONE_OF_EACH = {str(answer["format"]): str(answer["hash"]) for answer in reversed(KNOWN)}

ROUNDS = 1 << RECOMMENDED_COST
PASSWORDS = Passwords(RECOMMENDED_COST)
GUESS = "a wrong password"
"""Without a quotation mark, which WordPress escaped, so that it would be compared twice."""

type Work = Callable[[str | None], int]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Count the rounds of bcrypt that it takes to reject a password."""
    costs: list[int] = []

    def counted(_text: bytes, salt: bytes) -> bytes:
        costs.append(int(salt.split(b"$")[2]))
        return salt[:29] + b"." * 30 + b"e"  # no hash ends like this

    monkeypatch.setattr(bcrypt, "hashpw", counted)

    def of(stored: str | None) -> int:
        costs.clear()
        assert PASSWORDS.verify(GUESS, stored) is not Verdict.RIGHT
        return sum(1 << cost for cost in costs)

    return of


def test_an_unknown_account_takes_one_hash(work: Work) -> None:
    assert work(None) == ROUNDS


@pytest.mark.parametrize("cost", [4, 10, 11, 12])
def test_a_hash_of_a_lower_cost_takes_the_work_of_the_current_cost(work: Work, cost: int) -> None:
    assert work(dummy_hash(cost)) == ROUNDS


def test_a_hash_of_a_higher_cost_takes_its_own_work_only(work: Work) -> None:
    assert work(dummy_hash(HIGHEST_COST)) == 1 << HIGHEST_COST


@pytest.mark.parametrize(
    "stored",
    ["", "junk", "$2y$31$" + "." * 53, dummy_hash(HIGHEST_COST + 1), "$bcrypt-sha256$v=2,t=2b,r=12$x$y"],
    ids=lambda stored: stored[:30] or "empty",
)
def test_an_unusable_hash_takes_the_work_of_the_current_cost(work: Work, stored: str) -> None:
    assert work(stored) == ROUNDS


@pytest.mark.parametrize("stored", ONE_OF_EACH.values(), ids=ONE_OF_EACH.keys())
def test_a_legacy_hash_takes_about_the_work_of_the_current_cost(work: Work, stored: str) -> None:
    own = own_work(stored)

    assert own > ROUNDS or 31 / 32 <= (own + work(stored)) / ROUNDS <= 33 / 32


@pytest.mark.parametrize(
    "stored",
    [f"md5:{'0' * 32}", f"sha1(salt.password):{'0' * 40}:x", f"md5(password.salt):{'0' * 32}:a$$b", "$P$B" + "." * 30],
    ids=lambda stored: stored[:20],
)
@pytest.mark.parametrize("cost", [10, 11, 12])
def test_a_wrapped_hash_takes_about_the_work_of_the_current_cost(work: Work, stored: str, cost: int) -> None:
    wrapped = f"$wrapped${stored}${dummy_hash(cost)}"
    assert isinstance(parse(wrapped), WrappedHash)

    assert 31 / 32 <= (own_work(wrapped) + work(wrapped)) / ROUNDS <= 33 / 32


def own_work(stored: str) -> int:
    """The work of comparing with a legacy hash that is not bcrypt, and so is not counted."""
    legacy_hash = parse(stored)
    inner = legacy_hash.inner if isinstance(legacy_hash, WrappedHash) else legacy_hash
    return 0 if "bcrypt" in inner.format else inner.rounds
