"""Read, draft and write the accounts of a file, a few batches at a time."""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol

from gerbang_import.columns import Dropped
from gerbang_import.drafting import Draft, Drafter, Skipped
from gerbang_import.reading import records
from gerbang_import.records import Lines, Rejection, Unreadable
from gerbang_import.rejections import Notes
from gerbang_import.systems.system import System

BATCH: Final = 25
"""Accounts a transaction: each is at least four items, and DynamoDB takes 100 (API reference, TransactWriteItems)."""

FIRST_ROWS: Final = 1000
"""The import stops if the first rows, as many as this, were all rejected for one reason."""

_LINE: Final = re.compile(r"line \d+")

_BATCHES_A_WORKER: Final = 2
"""One that is written and one that waits, so that memory use does not grow with the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a batch."""

    formats: Counter[str] = field(default_factory=Counter[str])
    """How many accounts were imported with a hash of which format."""
    replaced: int = 0
    """How many of these replaced an account of an earlier import."""
    already_there: int = 0
    rejections: Sequence[Rejection] = ()
    dropped: Sequence[Dropped] = ()


class Writing(Protocol):
    """Writes batches of accounts; called from several threads."""

    def write(self, drafts: Sequence[Draft]) -> Outcome:
        """Write accounts and return the result."""
        ...


class Checking:
    """Writes nothing, for `--check`."""

    def write(self, drafts: Sequence[Draft]) -> Outcome:
        """Return the outcome of writing into empty tables."""
        dropped = [one for draft in drafts for one in draft.dropped]
        return Outcome(formats=Counter(draft.format for draft in drafts), dropped=dropped)


@dataclass(slots=True)
class Count:
    """How far the import is, and its results so far."""

    users: int = 0
    """Users that were processed."""
    formats: Counter[str] = field(default_factory=Counter[str])
    """Hashes imported, how many of which format."""
    replaced: int = 0
    already_there: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Why users were rejected, how many for which reason."""
    first_lines: dict[str, int] = field(default_factory=dict[str, int])
    """A line for each reason."""
    skipped: Counter[str] = field(default_factory=Counter[str])
    """Records that are not users to import, how many of which kind."""
    dropped: Counter[str] = field(default_factory=Counter[str])
    """Values that were left out, how many of which column."""
    done_bytes: int = 0
    """Bytes of the file up to the last user that was processed."""

    @property
    def imported(self) -> int:
        """Accounts made or replaced."""
        return self.formats.total()

    def reject(self, rejection: Rejection) -> None:
        """Count a rejected row."""
        self.users += 1
        self.rejected += 1
        reason = _LINE.sub("another line", rejection.reason)
        self.reasons[reason] += 1
        self.first_lines.setdefault(reason, rejection.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Imports files."""

    system: System
    drafter: Drafter
    writer: Writing
    workers: int
    """Batches written at the same time."""

    def run(self, lines: Lines, count: Count, notes: Notes, *, on_progress: Callable[[], None]) -> None:
        """Import every record of a file, keeping *count* and *notes* up to date and calling *on_progress* often.

        Raises:
            Unreadable: the file as a whole cannot be read; what comes before that point is imported.
            DependencyUnavailable: DynamoDB did not answer. The next run continues where this one stopped.
            KeyboardInterrupt: the operator stopped it; transactions that have begun are finished first.
        """
        under_way: deque[tuple[Future[Outcome], int]] = deque()

        def settle(*, most: int) -> None:
            while len(under_way) > most:
                future, end = under_way[0]
                self._count(future.result(), end, count, notes)
                under_way.popleft()
                on_progress()

        with ThreadPoolExecutor(self.workers) as threads:
            try:
                for batch in self._batches(lines, count, notes):
                    under_way.append((threads.submit(self.writer.write, batch), batch[-1].record.end))
                    settle(most=_BATCHES_A_WORKER * self.workers)
                settle(most=0)
            except BaseException:
                for future, _ in under_way:
                    future.cancel()
                for future, end in under_way:
                    if not future.cancelled() and future.exception() is None:
                        self._count(future.result(), end, count, notes)
                raise

    def _batches(self, lines: Lines, count: Count, notes: Notes) -> Iterator[list[Draft]]:
        batch: list[Draft] = []
        try:
            for draft in self._drafts(lines, count, notes):
                batch.append(draft)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        except Unreadable:
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _drafts(self, lines: Lines, count: Count, notes: Notes) -> Iterator[Draft]:
        """Return the accounts of the file, each address once."""
        found, notes.form = records(lines, self.system)
        seen: dict[int, int] = {}  # lines by the hash of the address: about 100 bytes a user
        for record in found:
            draft = record if isinstance(record, Rejection) else self.drafter.draft(record)
            if isinstance(draft, Skipped):
                count.skipped[draft.what] += 1
                continue
            if isinstance(draft, Draft):
                line = seen.get(hash(draft.email))
                if line is None:
                    seen[hash(draft.email)] = draft.line
                    yield draft
                    continue
                draft = Rejection(draft.line, f"email: is in line {line}, too", draft.record)
            notes.reject(draft)
            count.reject(draft)
            _stop_if_one_reason(count, is_first=not seen)

    def _count(self, outcome: Outcome, end: int, count: Count, notes: Notes) -> None:
        count.formats += outcome.formats
        count.replaced += outcome.replaced
        count.already_there += outcome.already_there
        count.users += outcome.formats.total() + outcome.already_there
        count.done_bytes = max(count.done_bytes, end)
        for rejection in outcome.rejections:
            notes.reject(rejection)
            count.reject(rejection)
        for dropped in outcome.dropped:
            notes.drop(dropped)
            count.dropped[dropped.column] += 1


def _stop_if_one_reason(count: Count, *, is_first: bool) -> None:
    if is_first and count.rejected == FIRST_ROWS and len(count.reasons) == 1:
        [reason] = count.reasons
        raise Unreadable(f"Stopped: the first {FIRST_ROWS:,} rows were all rejected for one reason. {reason}.")
