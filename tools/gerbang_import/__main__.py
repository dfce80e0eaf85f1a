"""`python -m gerbang_import --file users.csv --table NAME`: see the package's description.

Profile, region and credentials are found as by every AWS tool. DYNAMODB_ENDPOINT names a DynamoDB Local instead.

Exit status: 0 if every user was imported, 1 if some lines were rejected, 2 if the import did not finish.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from gerbang.container import Container
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.passwords import bcrypt_sha256
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.users import UserTable
from gerbang_admin.aws import CONFIG, AwsFailure, failure, session_of

from gerbang_import import hash_options
from gerbang_import.drafting import Drafter
from gerbang_import.hash_options import HashOptions, InvalidHashOptions
from gerbang_import.importing import Count, Importer, Rejections
from gerbang_import.progress import Progress
from gerbang_import.reading import Lines, Unreadable
from gerbang_import.writing import Writer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

DONE: Final = 0
SOME_REJECTED: Final = 1
NOT_DONE: Final = 2

_AGAIN: Final = "Run the same command again to continue: accounts that exist already are skipped."


def main(arguments: list[str]) -> int:
    """Import the file that the arguments name, and return the exit status."""
    options = _options(arguments)
    try:
        hashes = HashOptions.read(options)
    except InvalidHashOptions as error:
        print(error, file=sys.stderr)
        return NOT_DONE
    try:
        with _opened(options.file) as stream:
            return _import(options, stream, hashes)
    except OSError as error:
        print(f"{options.file}: {error.strerror}.", file=sys.stderr)
        return NOT_DONE


def _import(options: argparse.Namespace, stream: IO[bytes], hashes: HashOptions) -> int:
    try:
        users = UserTable(DynamoStore(_client(options.workers)), options.table)
        users.find(NO_ACCOUNT)  # a missing table or permission shows here, not at the first batch
    except AwsFailure as error:
        print(f"The table {options.table} cannot be read. {failure(error)}", file=sys.stderr)
        return NOT_DONE
    container = Container(os.environ)
    importer = Importer(
        drafter=Drafter(
            now=container.now, new_id=container.new_id, new_number=container.new_number, hash_options=hashes
        ),
        writer=Writer(store=users.store, users=users, cost=options.cost, new_number=container.new_number),
        workers=options.workers,
    )
    count, lines = Count(), Lines(stream)
    progress = Progress(count=count, lines=lines, total_bytes=_size(stream), output=sys.stderr)
    problem = None
    with Rejections(options.rejected or _rejected_path(options.file)) as rejections:
        try:
            importer.run(lines, count, rejections, on_progress=progress.show)
        except Unreadable as error:
            problem = str(error)
        except KeyboardInterrupt:
            problem = f"Stopped. {_AGAIN}"
        except AwsFailure as error:
            problem = f"{failure(error)} {_AGAIN}"
        progress.show_now()
        return _report(count, rejections.path, problem)


def _report(count: Count, path: Path, problem: str | None) -> int:
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"Imported {count.imported:,}, already there {count.already_there:,}, rejected {count.rejected:,}.")
    for name, number in count.formats.most_common():
        print(f"  {number:>9,} {name}")
    if count.rejected:
        print(f"The rejected lines and the reasons are in {path}.")
    if problem is not None:
        print(problem, file=sys.stderr)
        return NOT_DONE
    return SOME_REJECTED if count.rejected else DONE


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gerbang_import", description="Import users from an old system.")
    parser.add_argument("--file", required=True, help="CSV with a header or JSON Lines; - is standard input")
    parser.add_argument("--table", required=True, help="the stack's Users table, see its outputs")
    parser.add_argument("--rejected", type=Path, help="where to list rejected lines (default: FILE with .rejected.csv)")
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
    return parser.parse_args(arguments)


@contextlib.contextmanager
def _opened(name: str) -> Generator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
    else:
        with Path(name).open("rb") as stream:
            yield stream


def _rejected_path(name: str) -> Path:
    return Path("rejected.csv") if name == "-" else Path(name).with_suffix(".rejected.csv")


def _size(stream: IO[bytes]) -> int | None:
    status = os.fstat(stream.fileno())
    return status.st_size or None


def _client(workers: int) -> "DynamoDBClient":
    endpoint = os.environ.get("DYNAMODB_ENDPOINT") or None
    given: dict[str, Any] = {}
    if endpoint is not None and urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}:
        # DynamoDB Local needs a region and credentials, and checks neither.
        given = {"region_name": "local", "aws_access_key_id": "local", "aws_secret_access_key": "local"}
    config = CONFIG.merge(Config(max_pool_connections=workers))
    return session_of().client("dynamodb", endpoint_url=endpoint, config=config, **given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
