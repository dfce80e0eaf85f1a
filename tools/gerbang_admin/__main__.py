"""`gerbang-admin COMMAND WHO --stack NAME`: find, show and change accounts of a deployed stack.

WHO is an e-mail address, a user name, SnapOTP's number, a UUID or a `usr_…` id; `end-all-sessions` asks for nobody. The
account and region are those of every AWS tool: the environment and `~/.aws`, or --profile and --region.

Exit status: 0 done, 1 not done (nobody of that name, changed meanwhile, not confirmed), 2 wrong usage, or AWS did not
answer.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from gerbang.accounts.administration import ROLES, Accounts, AmbiguousName, ChangedMeanwhile, NoSuchAccount
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.users import User

from gerbang_admin.everybody import NotRotated, end_all_sessions
from gerbang_admin.showing import farewell_of, fields_of, lines_of
from gerbang_admin.stacks import Stack, UnknownStack

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

DONE: Final = 0
NOT_DONE: Final = 1
FAILED: Final = 2

_LARGEST_CREDIT: Final = 2**53 - 1
"""What every JSON reader reads exactly (RFC 8259, section 6)."""


class NotConfirmed(Exception):
    """Nobody said yes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, those of the command line if none are given, and return the exit status."""
    options = _options(arguments)
    session = Session(profile=options.profile)
    if options.region:
        session.set_config_variable("region", options.region)
    try:
        stack = Stack.find(session, options.stack)
        if options.command == _EVERYBODY:
            _end_all_sessions(stack, session, options)
        else:
            accounts = stack.accounts(session)
            _COMMANDS[options.command](accounts, accounts.find(options.who), options)
    except (NoSuchAccount, AmbiguousName, ChangedMeanwhile, NotConfirmed) as refusal:
        print(_sentence(refusal, options), file=sys.stderr)
        return NOT_DONE
    except UnknownStack as error:
        print(error, file=sys.stderr)
        return FAILED
    except NotRotated:
        print("The master secret was not rotated in time: the rotation function's log says why.", file=sys.stderr)
        return FAILED
    except (BotoCoreError, ClientError, DependencyUnavailable) as error:
        print(f"AWS did not do it: {error}", file=sys.stderr)
        return FAILED
    return DONE


def _sentence(refusal: Exception, options: argparse.Namespace) -> str:
    match refusal:
        case NoSuchAccount():
            return f"Nobody in {options.stack} is called {options.who}."
        case AmbiguousName(user_ids=user_ids):
            both = " and ".join(user_ids)
            return f"{options.who} is one account's user name and another's number: {both}. Name one of them."
        case ChangedMeanwhile():
            return "Nothing was done: the account is so already, or was changed meanwhile. Look again."
        case _:
            return "Nothing was done."


def _show(_accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(user, options)


def _disable(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.disable(user), options)


def _enable(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.enable(user), options)


def _end_sessions(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.end_sessions(user), options)


def _set_role(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.set_role(user, options.role), options)


def _set_credit(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _tell(accounts.set_credit(user, options.credit), options)


def _delete(accounts: Accounts, user: User, options: argparse.Namespace) -> None:
    _ask([*lines_of(user), "", *farewell_of(user, accounts.departure(user))], options)
    accounts.delete(user)
    if options.json:
        print(json.dumps({"deleted": user.user_id}))
    else:
        print(f"{user.user_id} is deleted.")


def _end_all_sessions(stack: Stack, session: Session, options: argparse.Namespace) -> None:
    secret_id = stack.output("MasterSecretArn")
    _ask([f"Everybody who uses {stack.name} has to sign in again, in {stack.region} and everywhere."], options)
    end_all_sessions(cast("SecretsManagerClient", session.create_client("secretsmanager")), secret_id)
    if options.json:
        print(json.dumps({"ended": "all sessions"}))
    else:
        print("No token from before will be taken in five minutes from now.")


_EVERYBODY: Final = "end-all-sessions"
_COMMANDS: Final[dict[str, Callable[[Accounts, User, argparse.Namespace], None]]] = {
    "show": _show,
    "disable": _disable,
    "enable": _enable,
    "end-sessions": _end_sessions,
    "set-role": _set_role,
    "set-credit": _set_credit,
    "delete": _delete,
}


def _ask(sentences: Sequence[str], options: argparse.Namespace) -> None:
    """Ask whether it is meant, unless --yes says so.

    Raises:
        NotConfirmed: it is not, or nobody is there to be asked.
    """
    if options.yes:
        return
    print("\n".join(sentences), file=sys.stderr)
    if not sys.stdin.isatty():
        print("Nobody is here to be asked: --yes does it without asking.", file=sys.stderr)
        raise NotConfirmed
    print("Is that meant? Type yes: ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        raise NotConfirmed from None
    if answer.strip().lower() != "yes":
        raise NotConfirmed


def _tell(user: User, options: argparse.Namespace) -> None:
    print(json.dumps(fields_of(user), ensure_ascii=False) if options.json else "\n".join(lines_of(user)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    who = argparse.ArgumentParser(add_help=False)
    who.add_argument("who", metavar="WHO", help="e-mail address, user name, number, UUID or usr_… id")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--stack", required=True, help="the stack's name in CloudFormation")
    where.add_argument("--region", help="the stack's region (default: as for every AWS tool)")
    where.add_argument("--profile", help="of ~/.aws/config (default: as for every AWS tool)")
    where.add_argument("--json", action="store_true", help="print JSON")
    meant = argparse.ArgumentParser(add_help=False)
    meant.add_argument("--yes", action="store_true", help="do not ask")
    parser = argparse.ArgumentParser(prog="gerbang-admin", description="Accounts of a deployed stack.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, summary: str, *parts: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[*parts, where], help=summary, description=f"{summary.capitalize()}.")

    command("show", "show an account, without its secrets", who)
    command("disable", "let nobody use an account, and end its sessions, at once", who)
    command("enable", "let a disabled account be used again; its sessions stay ended", who)
    command("end-sessions", "end every session of an account at once", who)
    names = ", ".join(f"{role_id} {name}" for role_id, name in ROLES.items())
    command("set-role", "give an account a role", who).add_argument("role", type=_role, help=names)
    command("set-credit", "set the credit of an account", who).add_argument("credit", type=_credit, help="0 or more")
    command("delete", "delete an account for good", who, meant)
    command(_EVERYBODY, "end every session of everybody, by rotating the keys twice", meant)
    return parser.parse_args(arguments)


def _role(text: str) -> int:
    for role_id, name in ROLES.items():
        if text in {str(role_id), name}:
            return role_id
    raise argparse.ArgumentTypeError(f"{text} is not a role")


def _credit(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > _LARGEST_CREDIT:
        raise argparse.ArgumentTypeError(f"{text} is not a credit")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
