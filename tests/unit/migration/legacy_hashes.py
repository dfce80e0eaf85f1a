"""Password hashes of other systems, with their passwords (tests/vectors/legacy_passwords)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "legacy_passwords"

PHP_BCRYPT: Final = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""PHP's bcrypt of `tests.deployment.PASSWORD`."""


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    format: str
    hash: str
    password: str
    made_by: str


def known_answers() -> list[KnownAnswer]:
    lines = (VECTORS / "known_answers.jsonl").read_text("utf-8").splitlines()
    return [KnownAnswer(**json.loads(line)) for line in lines]


KNOWN: Final = known_answers()
ONE_OF_EACH: Final = list({known.format: known for known in reversed(KNOWN)}.values())
"""The first known answer of each format."""
