"""Files next to the imported one: the rejected rows, to be corrected and imported, and the values left out."""

import csv
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from gerbang_import.columns import Dropped
from gerbang_import.records import LINE, REASON, Rejection


@dataclass(frozen=True, slots=True)
class Form:
    """How rejected rows are written, so that the file can be imported like the original."""

    header: str
    """The first line, empty if there is none."""
    write: Callable[[Rejection], str]
    """Returns a row with its line and reason, and the end of its last line."""


def csv_form(names: str, delimiter: str) -> Form:
    """Return the form of a CSV file whose first line is *names*: line and reason come before the columns."""
    two_columns = re.compile(
        rf'[^{re.escape(delimiter)}]*{re.escape(delimiter)}("[^"]*"|[^"{re.escape(delimiter)}]*)' + re.escape(delimiter)
    )
    is_rejections_file = names.startswith(f"{LINE}{delimiter}{REASON}{delimiter}")

    def without_old(text: str) -> str:
        return two_columns.sub("", text, count=1) if is_rejections_file else text

    def write(rejection: Rejection) -> str:
        reason = rejection.reason.replace('"', "'")
        return f'{rejection.line}{delimiter}"{reason}"{delimiter}{_ended(without_old(_text(rejection)))}'

    return Form(f"{LINE}{delimiter}{REASON}{delimiter}{_ended(without_old(names))}", write)


def _json_line(rejection: Rejection) -> str:
    rejected: dict[str, object] = {"rejected_text": rejection.text}
    if rejection.record is not None:
        rejected = dict(rejection.record.fields)
    line = json.dumps({LINE: rejection.line, REASON: rejection.reason, **_without_old(rejected)}, ensure_ascii=False)
    return _ended(line)


def _commented(rejection: Rejection) -> str:
    return f"# line {rejection.line}: {rejection.reason}\n{_ended(_text(rejection))}\n"


JSON_LINES: Final = Form("", _json_line)
COMMENTED: Final = Form("", _commented)
"""For LDIF and `/etc/shadow`: the line and reason in a comment, and an empty line after the row."""


def _without_old(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in {LINE, REASON}}


def _text(rejection: Rejection) -> str:
    return (rejection.record.text if rejection.record is not None else rejection.text) or ""


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


class Notes:
    """The two files. Each exists only if there is something to write, and only its owner can read it.

    Every entry is flushed at once, so that an import that is killed loses none.
    """

    def __init__(self, rejected: Path, dropped: Path) -> None:
        """Write to these paths; what an earlier import left there is replaced or deleted."""
        self.rejected: Final = rejected
        self.dropped: Final = dropped
        self.form = JSON_LINES
        self._open: Final[dict[Path, IO[str]]] = {}

    def reject(self, rejection: Rejection) -> None:
        """Write a rejected row."""
        file = self._file(self.rejected, self.form.header)
        file.write(self.form.write(rejection))
        file.flush()

    def drop(self, dropped: Dropped) -> None:
        """Write a value that is left out."""
        file = self._file(self.dropped, "line,column,reason\n")
        csv.writer(file, lineterminator="\n").writerow((dropped.line, dropped.column, dropped.reason))
        file.flush()

    def _file(self, path: Path, header: str) -> IO[str]:
        if path not in self._open:
            path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._open[path] = os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="")
            self._open[path].write(header)
        return self._open[path]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: object) -> None:
        """Close the files, or delete those that an earlier import left."""
        for path in (self.rejected, self.dropped):
            if path in self._open:
                self._open[path].close()
            elif kind is None:
                path.unlink(missing_ok=True)
