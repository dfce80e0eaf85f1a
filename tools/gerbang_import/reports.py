"""What the import prints at its end."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from gerbang_import.drafting import NO_PASSWORD
from gerbang_import.importing import Count
from gerbang_import.rejections import Notes
from gerbang_import.systems.system import System

MOST_REASONS: Final = 10


def report(count: Count, system: System, notes: Notes, *, is_check: bool) -> list[str]:
    """Return the lines of the report."""
    if is_check:
        first = f"Nothing was written. {count.imported:,} would be imported, {count.rejected:,} rejected."
    else:
        replaced = f" ({count.replaced:,} of them replaced)" if count.replaced else ""
        done = f"Imported {count.imported:,}{replaced}, already there {count.already_there:,}"
        first = f"{done}, rejected {count.rejected:,}."
    return [
        first,
        *_numbers(count.formats),
        *_skipped(count),
        *_reasons(count, notes),
        *_dropped(count, notes),
        *_hints(count, system),
    ]


def _numbers(counter: Counter[str]) -> Iterator[str]:
    for name, number in counter.most_common():
        yield f"  {number:>9,} {name}"


def _skipped(count: Count) -> Iterator[str]:
    if count.skipped:
        yield f"Left out {count.skipped.total():,} records:"
        yield from _numbers(count.skipped)


def _reasons(count: Count, notes: Notes) -> Iterator[str]:
    if not count.rejected:
        return
    yield "Rejected, by reason:"
    for reason, number in count.reasons.most_common(MOST_REASONS):
        yield f"  {number:>9,} {reason} (line {count.first_lines[reason]})"
    if len(count.reasons) > MOST_REASONS:
        yield f"            and {len(count.reasons) - MOST_REASONS} other reasons"
    yield f"The rejected rows are in {notes.rejected}. Correct them, and import that file in the same way."


def _dropped(count: Count, notes: Notes) -> Iterator[str]:
    if count.dropped:
        yield f"Imported without values that cannot be read or kept, listed in {notes.dropped}:"
        yield from _numbers(count.dropped)


def _hints(count: Count, system: System) -> Iterator[str]:
    if count.imported and count.formats[NO_PASSWORD] == count.imported and system.has_hashes:
        yield (
            "None of them has a password. If the old system has password hashes, they may be in another file of the "
            "export (ALSO=) or column; import the corrected file with REPLACE=1."
        )
    yield f"Not read from {system.title}: {system.leaves_out}."
