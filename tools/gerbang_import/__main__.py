"""`python -m gerbang_import --file users.csv --stack NAME`: see the package's description.

Profile, region and credentials are found as by every AWS tool. --local writes to a running `make run`.

Exit status: 0 if every user was imported, 1 if some rows were rejected, 2 if the import did not finish.
"""

import argparse
import os
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import IO, Final

from gerbang.container import Container
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.users import UserTable
from gerbang_admin.aws import AwsFailure, failure
from gerbang_admin.stacks import Stack, UnknownStack

from gerbang_import.arguments import arguments, context_of, opened, system_of
from gerbang_import.drafting import Drafter
from gerbang_import.hash_options import HashOptions, InvalidHashOptions
from gerbang_import.importing import Checking, Count, Importer, Writing
from gerbang_import.progress import Progress
from gerbang_import.records import Lines, Unreadable
from gerbang_import.rejections import Notes
from gerbang_import.replacing import Replacer
from gerbang_import.reports import report
from gerbang_import.systems.system import InvalidConfig, System
from gerbang_import.trying import try_password
from gerbang_import.writing import Writer

DONE: Final = 0
SOME_REJECTED: Final = 1
NOT_DONE: Final = 2

_HOW_TO_CONTINUE: Final = "Run the same command again to continue: accounts that exist already are skipped."


class CannotStart(Exception):
    """The import cannot start. The text is a sentence."""


def main(given: list[str]) -> int:
    """Run the import of the arguments, and return the exit status."""
    parser = arguments()
    options = parser.parse_args(given)
    if not (options.stack or options.local or options.check or options.try_email):
        parser.error("one of --stack, --local, --check and --try is required")
    system = system_of(options)
    container = Container(os.environ)
    try:
        drafter = Drafter(
            system=system,
            context=context_of(options, system, container.now()),
            now=container.now,
            new_id=container.new_id,
            new_number=container.new_number,
            to_notation=HashOptions.read(options).notation,
            addresses_are_verified=options.verified,
        )
        with opened(options.file) as stream:
            if options.try_email:
                return _try(options, system, drafter, stream)
            return _import(options, system, drafter, _writer(options, container), stream)
    except OSError as error:
        return _failed(f"{error.filename or options.file}: {error.strerror}.")
    except (InvalidConfig, InvalidHashOptions, Unreadable, UnknownStack, CannotStart) as error:
        return _failed(str(error))
    except AwsFailure as error:
        return _failed(failure(error))


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return NOT_DONE


def _writer(options: argparse.Namespace, container: Container) -> Writing:
    if options.check:
        return Checking()
    stack = Stack.chosen(options)
    store = DynamoStore(stack.dynamodb(connections=options.workers))
    users = UserTable(store, stack.output("UsersTable"))
    organizations = OrganizationTable(store, stack.output("OrganizationsTable"))
    try:
        users.find(NO_ACCOUNT)  # a missing table or permission shows here, not at the first batch
    except AwsFailure as error:
        raise CannotStart(f"The table {users.table} cannot be read. {failure(error)}") from error
    replacer = Replacer(
        store=store, users=users, organizations=organizations, new_number=container.new_number, now=container.now
    )
    return Writer(
        store=store,
        users=users,
        organizations=organizations,
        cost=options.cost,
        new_number=container.new_number,
        replacer=replacer if options.replace else None,
    )


def _import(options: argparse.Namespace, system: System, drafter: Drafter, writer: Writing, stream: IO[bytes]) -> int:
    importer = Importer(system=system, drafter=drafter, writer=writer, workers=options.workers)
    count = Count()
    progress = Progress(count=count, total_bytes=_size(stream), output=sys.stderr)
    problem = None
    rejected = options.rejected or _next_to(options.file, "rejected")
    dropped = rejected.with_name(f"{rejected.stem}.dropped.csv") if options.rejected else _dropped(options.file)
    with Notes(rejected, dropped) as notes:
        try:
            importer.run(Lines(stream), count, notes, on_progress=progress.show)
        except (Unreadable, InvalidConfig) as error:
            problem = str(error)
        except KeyboardInterrupt:
            problem = f"Stopped. {_HOW_TO_CONTINUE}"
        except AwsFailure as error:
            problem = f"{failure(error)} {_HOW_TO_CONTINUE}"
        progress.show_now()
        if sys.stderr.isatty():
            print(file=sys.stderr)
        print("\n".join(report(count, system, notes, is_check=options.check)))
    if problem is not None:
        return _failed(problem)
    return SOME_REJECTED if count.rejected else DONE


def _try(
    options: argparse.Namespace,
    system: System,
    drafter: Drafter,
    stream: IO[bytes],
    ask: Callable[[str], str] = getpass,
) -> int:
    try:
        is_right, sentence = try_password(
            Lines(stream), system=system, drafter=drafter, email=options.try_email, ask=ask
        )
    except (KeyboardInterrupt, EOFError):
        return _failed("Stopped.")
    print(sentence)
    return DONE if is_right else SOME_REJECTED


def _next_to(name: str, what: str) -> Path:
    path = Path(name)
    return Path(what) if name == "-" else path.with_name(f"{path.stem}.{what}{path.suffix}")


def _dropped(name: str) -> Path:
    return _next_to(name, "dropped").with_suffix(".csv")


def _size(stream: IO[bytes]) -> int | None:
    return os.fstat(stream.fileno()).st_size or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
