"""Reads a file of users, record by record, in constant memory. A bad record is reported and skipped."""

import json
from collections.abc import Iterator

from gerbang_import.csv_files import csv_records
from gerbang_import.json_files import document_records, line_records
from gerbang_import.records import Lines, Record, Rejection, Unreadable
from gerbang_import.rejections import COMMENTED, JSON_LINES, Form
from gerbang_import.systems.system import FileForm, System
from gerbang_import.text_files import ldif_records, shadow_records


def records(lines: Lines, system: System) -> tuple[Iterator[Record | Rejection], Form]:
    """Return the records of a file in the form that the system writes, or that its beginning shows; and that form.

    It is JSON if it begins with a bracket, else CSV: one object a line is JSON Lines, anything else is a document.

    Raises:
        Unreadable: it is empty, has no header with the columns that are needed, or is in another form.
    """
    head = lines.head().lstrip()
    if not head:
        raise Unreadable("The file is empty.")
    if system.form is FileForm.LDIF:
        return ldif_records(lines), COMMENTED
    if system.form is FileForm.SHADOW:
        return shadow_records(lines), COMMENTED
    if head.startswith("[") or (head.startswith("{") and not _is_object_a_line(head, system)):
        return document_records(lines, system.collection), JSON_LINES
    if head.startswith("{"):
        return line_records(lines), JSON_LINES
    return csv_records(lines, system)


def _is_object_a_line(head: str, system: System) -> bool:
    try:
        members = json.loads(head)
    except (ValueError, RecursionError):
        # A line of which only a part is here may hold the whole file; a bad line among others is a bad record.
        return head.rstrip(" \r").endswith("}\n")
    return isinstance(members, dict) and not isinstance(members.get(system.collection), list)
