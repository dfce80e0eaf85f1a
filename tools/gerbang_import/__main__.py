"""`python -m gerbang_import --file users.csv --table NAME`: see the package's description.

Where the table is, botocore finds out as every AWS tool does: profile, region and credentials from the environment.
DYNAMODB_ENDPOINT names a DynamoDB Local instead.

Exit status: 0 when every user is in, 1 when some were refused, 2 when it could not be done to the end.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from gerbang.container import Container
from gerbang.core.errors import DependencyUnavailable
from gerbang.passwords import bcrypt_sha256
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.users import UserTable

from gerbang_import.drafting import Drafter
from gerbang_import.importing import Count, Importer, Refusals
from gerbang_import.progress import Progress
from gerbang_import.reading import Lines, Unreadable
from gerbang_import.writing import Writer

DONE: Final = 0
SOME_REFUSED: Final = 1
NOT_DONE: Final = 2

_AGAIN: Final = "Run the same command again to go on: who is there already is passed over."


def main(arguments: list[str]) -> int:
    """Import the file that the arguments name, and return the exit status."""
    options = _options(arguments)
    try:
        with _opened(options.file) as stream:
            return _import(options, stream)
    except OSError as error:
        print(f"{options.file}: {error.strerror}.", file=sys.stderr)
        return NOT_DONE


def _import(options: argparse.Namespace, stream: IO[bytes]) -> int:
    try:
        users = UserTable(DynamoStore(_client(options.workers)), options.table)
        users.find("nobody")  # says now, not at the first batch, that there is no such table or no access to it
    except (BotoCoreError, ClientError, DependencyUnavailable) as error:
        print(f"The table {options.table} cannot be read: {error}", file=sys.stderr)
        return NOT_DONE
    container = Container(os.environ)
    importer = Importer(
        drafter=Drafter(now=container.now, new_id=container.new_id, new_number=container.new_number),
        writer=Writer(store=users.store, users=users, cost=options.cost, new_number=container.new_number),
        workers=options.workers,
    )
    count, lines = Count(), Lines(stream)
    progress = Progress(count=count, lines=lines, total_bytes=_size(stream), output=sys.stderr)
    problem = None
    with Refusals(options.refused or _refused_path(options.file)) as refusals:
        try:
            importer.run(lines, count, refusals, on_progress=progress.show)
        except Unreadable as error:
            problem = str(error)
        except KeyboardInterrupt:
            problem = f"Stopped. {_AGAIN}"
        except (ClientError, DependencyUnavailable) as error:
            problem = f"DynamoDB failed: {error}. {_AGAIN}"
        progress.show_now()
        return _report(count, refusals.path, problem)


def _report(count: Count, refused: Path, problem: str | None) -> int:
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"Imported {count.imported:,}, already there {count.already_there:,}, refused {count.refused:,}.")
    for name, number in count.formats.most_common():
        print(f"  {number:>9,} {name}")
    if count.refused:
        print(f"The lines refused and the reasons are in {refused}.")
    if problem is not None:
        print(problem, file=sys.stderr)
        return NOT_DONE
    return SOME_REFUSED if count.refused else DONE


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gerbang_import", description="Bring users over from an old system.")
    parser.add_argument("--file", required=True, help="CSV with a header or JSON Lines; - is standard input")
    parser.add_argument("--table", required=True, help="the stack's Users table, see its outputs")
    parser.add_argument("--refused", type=Path, help="where to list refused lines (default: FILE with .refused.csv)")
    parser.add_argument(
        "--cost",
        type=int,
        choices=range(bcrypt_sha256.LOWEST_COST, bcrypt_sha256.HIGHEST_COST + 1),
        default=bcrypt_sha256.LOWEST_COST,
        help="of the bcrypt hashes that weak ones are wrapped in: 2^COST rounds (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        choices=range(1, 65),
        metavar="N",
        default=max(4, os.process_cpu_count() or 1),
        help="transactions under way at once, 1 to 64 (default: %(default)s)",
    )
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _opened(name: str) -> Generator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
    else:
        with Path(name).open("rb") as stream:
            yield stream


def _refused_path(name: str) -> Path:
    return Path("refused.csv") if name == "-" else Path(name).with_suffix(".refused.csv")


def _size(stream: IO[bytes]) -> int | None:
    status = os.fstat(stream.fileno())
    return status.st_size or None


def _client(workers: int) -> Any:
    endpoint = os.environ.get("DYNAMODB_ENDPOINT") or None
    session = Session()
    given: dict[str, Any] = {}
    if endpoint is not None and urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}:
        # DynamoDB Local asks for a region and credentials and looks at neither.
        given = {"region_name": "local", "aws_access_key_id": "local", "aws_secret_access_key": "local"}
    config = Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=workers,
    )
    return session.create_client("dynamodb", endpoint_url=endpoint, config=config, **given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
