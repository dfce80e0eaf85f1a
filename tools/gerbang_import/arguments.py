"""The arguments of the importer: the system, its files, the parameters of its hashes."""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from gerbang.passwords import bcrypt_sha256
from gerbang_admin.stacks import choose_stack

from gerbang_import import hash_options
from gerbang_import.fields import Fields
from gerbang_import.reading import records
from gerbang_import.records import Lines, Record, Unreadable
from gerbang_import.systems import GENERIC, SYSTEMS
from gerbang_import.systems.system import Context, FileForm, InvalidConfig, System

_PARAMETER: Final = re.compile(r"(\w+)\s*[:=]\s*\"?([^\s\",}]+)")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z0-9-]+")


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = argparse.ArgumentParser(prog="gerbang_import", description="Import users from another system.")
    parser.add_argument("--file", required=True, help="the export; - is standard input")
    parser.add_argument("--from", dest="system", choices=sorted(SYSTEMS), help="the system that wrote the export")
    parser.add_argument("--also", nargs="+", default=[], metavar="FILE", help="other files of the same export")
    parser.add_argument("--hash-config", type=Path, metavar="FILE", help="the project's hash parameters (firebase)")
    parser.add_argument("--domain", default="", help="of the addresses, where there are only user names (shadow)")
    parser.add_argument("--verified", action="store_true", help="the old system has verified every address")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="read everything, write nothing, and say what would happen")
    what.add_argument("--try", dest="try_email", metavar="EMAIL", help="ask for one user's password and verify it")
    what.add_argument("--replace", action="store_true", help="replace imported accounts that have not been used yet")
    choose_stack(parser, is_required=False)
    parser.add_argument("--rejected", type=Path, help="where to write rejected rows (default: next to FILE)")
    parser.add_argument(
        "--cost",
        type=int,
        choices=range(bcrypt_sha256.LOWEST_COST, bcrypt_sha256.HIGHEST_COST + 1),
        default=bcrypt_sha256.LOWEST_COST,
        help="cost of the bcrypt hashes that wrap weak ones: 2^COST rounds (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        choices=range(1, 65),
        metavar="N",
        default=max(4, os.process_cpu_count() or 1),
        help="transactions at the same time, 1 to 64 (default: %(default)s)",
    )
    hash_options.add_arguments(parser)
    return parser


def system_of(options: argparse.Namespace) -> System:
    """Return the system that the arguments name, or the generic form."""
    return GENERIC if options.system is None else SYSTEMS[options.system]


def context_of(options: argparse.Namespace, system: System, now: datetime) -> Context:
    """Return what the system's preset reads in addition to the records.

    Raises:
        InvalidConfig: an argument is missing or wrong.
        OSError: a file cannot be opened.
        Unreadable: another file of the export cannot be read.
    """
    if system.form is FileForm.SHADOW and not _DOMAIN.fullmatch(options.domain):
        raise InvalidConfig("The file has no addresses. Set DOMAIN=, as in DOMAIN=example.com.")
    return Context(
        now=now,
        hash_config={} if options.hash_config is None else _parameters(options.hash_config),
        domain=options.domain,
        others=_others(options.also, system),
    )


def _parameters(path: Path) -> Mapping[str, str]:
    found = dict(_PARAMETER.findall(path.read_text("utf-8", "replace")))
    if not found:
        raise InvalidConfig(f"{path} has no parameters. Copy them from the project's settings, as in rounds: 8.")
    return found


def _others(names: Iterable[str], system: System) -> dict[str, list[Fields]]:
    others: dict[str, list[Fields]] = {}
    for name in names:
        number = 0
        with opened(name) as stream:
            for record in _records_of(stream, name, system):
                fields = Fields(record.fields)
                owner = system.owner(fields)
                if owner:
                    others.setdefault(owner, []).append(fields)
                    number += 1
        if not number:
            raise InvalidConfig(f"{name} has no records that belong to users of {system.title}.")
    return others


def _records_of(stream: IO[bytes], name: str, system: System) -> Iterable[Record]:
    other = System(title=system.title, columns={}, leaves_out="", collection=system.collection)
    problem = None
    try:
        found, _ = records(Lines(stream), other)
        for record in found:
            if isinstance(record, Record):
                yield record
            else:
                problem = problem or f"Line {record.line} {record.reason}."
    except Unreadable as error:
        problem = str(error)
    if problem is not None:
        raise Unreadable(f"{name}: {problem}")


@contextlib.contextmanager
def opened(name: str) -> Generator[IO[bytes]]:
    """Open a file, or standard input."""
    if name == "-":
        yield sys.stdin.buffer
    else:
        with Path(name).open("rb") as stream:
            yield stream
