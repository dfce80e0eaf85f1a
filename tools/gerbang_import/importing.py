"""Read, draft and write the accounts of a file, a few batches at a time."""

import csv
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from gerbang_import.drafting import Draft, Drafter
from gerbang_import.reading import Lines, Record, Rejection, records
from gerbang_import.writing import BATCH, Outcome, Writer

_BATCHES_A_WORKER: Final = 2
"""One being written and one waiting, so that memory use does not grow with the file."""


@dataclass(slots=True)
class Count:
    """How far the import is."""

    records: int = 0
    """Users read and dealt with."""
    formats: Counter[str] = field(default_factory=Counter[str])
    """Hashes imported, how many of which format."""
    already_there: int = 0
    rejected: int = 0

    @property
    def imported(self) -> int:
        """Accounts made."""
        return self.formats.total()


class Rejections:
    """A CSV file of rejected lines and reasons. It exists only if a line was rejected."""

    def __init__(self, path: Path) -> None:
        """Write to *path*; a file left by an earlier import is replaced or deleted."""
        self.path = path
        self._file: IO[str] | None = None

    def add(self, rejection: Rejection) -> None:
        """Note a rejection."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(("line", "reason"))
        csv.writer(self._file).writerow((rejection.line, rejection.reason))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: object) -> None:
        """Close the file, or delete one that an earlier import left."""
        if self._file is not None:
            self._file.close()
        elif kind is None:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Imports files."""

    drafter: Drafter
    writer: Writer
    workers: int
    """Batches written at the same time."""

    def run(self, lines: Lines, count: Count, rejections: Rejections, *, on_progress: Callable[[], None]) -> None:
        """Import every record of a file, keeping *count* and *rejections* up to date and calling *on_progress* often.

        Raises:
            Unreadable: the file as a whole cannot be read; what comes before that point is imported.
            DependencyUnavailable: DynamoDB did not answer. The next run goes on where this one stopped.
            KeyboardInterrupt: the operator stopped it; transactions that have begun are finished first.
        """
        under_way: deque[Future[Outcome]] = deque()

        def settle(*, most: int) -> None:
            while len(under_way) > most:
                self._count(under_way[0].result(), count, rejections)
                under_way.popleft()
                on_progress()

        with ThreadPoolExecutor(self.workers) as threads:
            try:
                for batch in self._batches(lines, count, rejections):
                    under_way.append(threads.submit(self.writer.write, batch))
                    settle(most=_BATCHES_A_WORKER * self.workers)
                settle(most=0)
            except BaseException:
                for future in under_way:
                    future.cancel()
                for future in under_way:
                    if not future.cancelled() and future.exception() is None:
                        self._count(future.result(), count, rejections)
                raise

    def _batches(self, lines: Lines, count: Count, rejections: Rejections) -> Iterator[list[Draft]]:
        batch: list[Draft] = []
        for record in records(lines):
            draft = self.drafter.draft(record) if isinstance(record, Record) else record
            if isinstance(draft, Rejection):
                count.records += 1
                count.rejected += 1
                rejections.add(draft)
            else:
                batch.append(draft)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _count(self, outcome: Outcome, count: Count, rejections: Rejections) -> None:
        count.formats += outcome.formats
        count.already_there += outcome.already_there
        count.rejected += len(outcome.rejections)
        count.records += outcome.formats.total() + outcome.already_there + len(outcome.rejections)
        for rejection in outcome.rejections:
            rejections.add(rejection)
