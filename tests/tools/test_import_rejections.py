"""`gerbang_import`: rows that are rejected."""

import json
from collections.abc import Sequence

import pytest
from gerbang_import.importing import BATCH, FIRST_ROWS, Count
from gerbang_import.records import Unreadable

from tests.tools.imports import (
    STRONG,
    Import,
    lines_of,
    table_of,
)

# --- rejected rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", STRONG), "email: is missing"),
        (("jane", STRONG), "email: is not a valid address"),
        (("jane\x00@example.com", STRONG), "email: is not a valid"),
        (
            ("jane@example.com", "$2y$31$" + "u" * 53),
            "password_hash: bcrypt: takes 131,072.0 times as long to compute as is allowed",
        ),
        (("jane@example.com", "hunter2"), "password_hash: hash: is in no known format"),
        (("jane@example.com", STRONG, "x"), "has more fields than the first line"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rejected_row_is_reported_with_its_line_and_reason(
    import_in_memory: Import, row: Sequence[str], reason: str
) -> None:
    outcome = import_in_memory(table_of(("first@example.com", STRONG), row, ("last@example.com", STRONG)))

    assert (outcome.count.imported, outcome.count.rejected) == (2, 1)
    [(line, reported)] = outcome.rejections
    assert line == "3"
    assert reported.startswith(reason)


def test_the_reason_of_a_rejection_contains_no_value_of_the_row(import_in_memory: Import) -> None:
    secret = "5ecre7"
    rows = [
        (f"{secret}@", STRONG, ""),
        (f"a{secret}@example.com", f"$2y${secret}", ""),
        (f"b{secret}@example.com", f"md5({secret}):{secret}", ""),
        (f"c{secret}@example.com", STRONG, f"not a date {secret}"),
    ]

    outcome = import_in_memory(table_of(*rows, header=("email", "password_hash", "created_at")))

    assert (outcome.count.rejected, len(outcome.dropped)) == (3, 1)
    assert secret not in repr([reason for _, reason in outcome.rejections])
    assert secret not in repr(outcome.dropped)


def test_the_file_of_rejections_can_be_corrected_and_imported(import_in_memory: Import) -> None:
    header = ("email", "password_hash", "name")
    first = import_in_memory(table_of(("jane", STRONG, "Doe, Jane"), ("x@example.com", "wrong", "X"), header=header))
    corrected = import_in_memory.rejected.read_text("utf-8").replace("jane,", "jane@example.com,")

    second = import_in_memory(corrected)
    third = import_in_memory(import_in_memory.rejected.read_text("utf-8").replace(",wrong,", f",{STRONG},"))

    assert [line for line, _ in first.rejections] == ["2", "3"]
    assert second.rejections == [("3", "password_hash: hash: is in no known format")]
    assert (second.count.imported, third.count.imported) == (1, 1)
    assert import_in_memory.find("jane@example.com").name == "Doe, Jane"


def test_a_file_of_rejections_exists_only_if_needed_and_is_private(
    import_in_memory: Import,
) -> None:
    import_in_memory(table_of(("jane", STRONG)))
    mode = import_in_memory.rejected.stat().st_mode
    import_in_memory(table_of(("jane@example.com", STRONG)))

    assert mode & 0o777 == 0o600
    assert not import_in_memory.rejected.exists()


def test_rejections_are_written_immediately(import_in_memory: Import) -> None:
    """So a killed import loses none of them."""
    text = table_of(("jane", STRONG), *((f"user{number}@example.com", STRONG) for number in range(20 * BATCH)))
    seen = list[str]()

    with import_in_memory.notes() as notes:
        import_in_memory.importer.run(
            lines_of(text),
            Count(),
            notes,
            on_progress=lambda: seen.append(import_in_memory.rejected.read_text("utf-8")),
        )

    assert "jane" in seen[0]


def test_the_import_stops_when_the_first_thousand_rows_fail_for_one_reason(import_in_memory: Import) -> None:
    bad = [(f"user{number}@example.com", "bad") for number in range(3 * FIRST_ROWS)]

    with pytest.raises(Unreadable, match=r"first 1,000 rows were all rejected for one reason\. password_hash"):
        import_in_memory(table_of(*bad))
    outcome = import_in_memory(table_of(("good@example.com", STRONG), *bad))

    assert outcome.count.rejected == len(bad)


def test_users_before_a_syntax_error_are_imported(import_in_memory: Import) -> None:
    users = ",\n".join(json.dumps({"email": f"user{number}@example.com"}) for number in range(3))

    with pytest.raises(Unreadable, match=r"not JSON\. Line 4"):
        import_in_memory(f"[{users},\n nonsense]")

    assert import_in_memory.find("user2@example.com").password_hash is None
