"""A deployed stack, or the one of a running `make run`. Its outputs name its tables."""

import argparse
import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Final, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from gerbang.accounts.administration import Accounts
from gerbang.accounts.deletion import Deletion
from gerbang.core.clock import system_clock
from gerbang.core.log import Severity
from gerbang.sessions.own_sessions import OwnSessions
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.families import FamilyTable
from gerbang.storage.one_time_codes import OneTimeCodeTable
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.users import UserTable

from gerbang_admin.aws import CONFIG, session_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_LOCAL_SECONDS: Final = 5.0


class UnknownStack(Exception):
    """There is no such stack in that account and region, or it is not Gerbang's. The text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack and its outputs, with the session that reads it."""

    name: str
    region: str
    outputs: Mapping[str, str]
    session: boto3.Session = field(repr=False)
    dynamodb_endpoint: str | None = None
    """The endpoint of a stack on this machine. None: AWS's own."""

    @classmethod
    def chosen(cls, options: argparse.Namespace) -> Self:
        """Return the stack of the arguments that `choose_stack` declares.

        Raises:
            UnknownStack, BotoCoreError, ClientError: as `find` and `find_local`.
        """
        if options.local:
            host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "3000"
            return cls.find_local(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}")  # noqa: S104 - compared
        return cls.find(session_of(profile=options.profile, region=options.region), options.stack)

    @classmethod
    def find_local(cls, url: str) -> Self:
        """Return the stack of `make run` at a URL.

        Raises:
            UnknownStack: it does not run there.
        """
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{url}/_local/stack.json", timeout=_LOCAL_SECONDS) as answer:
                described = json.load(answer)
            name, region, outputs = described["name"], described["region"], described["outputs"]
            endpoint = described["dynamodb_endpoint"]
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            raise UnknownStack(
                f"`make run` does not answer at {url}. Start it, or name its address: HOST=… PORT=…."
            ) from None
        session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)  # noqa: S106
        return cls(name=name, region=region, outputs=outputs, session=session, dynamodb_endpoint=endpoint)

    @classmethod
    def find(cls, session: boto3.Session, name: str) -> Self:
        """Return the stack of that name, in the session's account and region.

        Raises:
            UnknownStack: it does not exist.
            BotoCoreError, ClientError: CloudFormation did not answer, or denied access.
        """
        cloudformation = session.client("cloudformation", config=CONFIG)
        region = cloudformation.meta.region_name
        try:
            [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ValidationError":  # what AWS answers for an unknown name
                raise UnknownStack(
                    f"There is no stack {name} in {region}, in the account of these credentials. "
                    "Check --stack, --region and --profile."
                ) from error
            raise
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        return cls(name=name, region=region, outputs=outputs, session=session)

    def output(self, name: str) -> str:
        """Return one of the outputs.

        Raises:
            UnknownStack: the stack has no such output.
        """
        if name not in self.outputs:
            raise UnknownStack(
                f"The stack {self.name} has no output {name}. Name a stack of Gerbang, or deploy this version."
            )
        return self.outputs[name]

    def dynamodb(self, *, connections: int = 10) -> "DynamoDBClient":
        """Return a client of the stack's tables, for as many threads as *connections*."""
        config = CONFIG.merge(Config(max_pool_connections=connections))
        if self.dynamodb_endpoint is not None:
            config = config.merge(Config(proxies={}))
        return self.session.client("dynamodb", config=config, endpoint_url=self.dynamodb_endpoint)

    def accounts(self) -> Accounts:
        """Return the stack's accounts.

        Raises:
            UnknownStack: its outputs do not name its tables.
        """
        store = DynamoStore(self.dynamodb())
        users = UserTable(store, self.output("UsersTable"))
        families = FamilyTable(store, self.output("RefreshTokenFamiliesTable"))
        organizations = OrganizationTable(store, self.output("OrganizationsTable"))
        deletion = Deletion(
            store=store,
            users=users,
            families=families,
            organizations=organizations,
            codes=OneTimeCodeTable(store, self.output("OneTimeCodesTable")),
            log_event=_log_nothing,
            now=system_clock,
        )
        return Accounts(
            store=store,
            users=users,
            organizations=organizations,
            deletion=deletion,
            own_sessions=OwnSessions(families=families, log_event=_log_nothing, now=system_clock),
            now=system_clock,
        )


def choose_stack(parser: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    """Declare the arguments that choose a stack."""
    which = parser.add_mutually_exclusive_group(required=is_required)
    which.add_argument("--stack", help="the stack's name in CloudFormation")
    which.add_argument("--local", action="store_true", help="a running `make run`: HOST and PORT as it has them")
    parser.add_argument("--region", help="the stack's region (default: as for every AWS tool)")
    parser.add_argument("--profile", help="of ~/.aws/config (default: as for every AWS tool)")


def _log_nothing(_event: str, _severity: Severity = Severity.INFO, /, **_fields: str | float) -> None:
    """Log nothing: what the tool does is printed."""
