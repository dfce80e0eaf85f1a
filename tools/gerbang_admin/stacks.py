"""A deployed stack, found by its name. Its outputs name its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import boto3
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

from gerbang_admin.aws import CONFIG


class UnknownStack(Exception):
    """There is no such stack in that account and region, or it is not Gerbang's. Its text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack and its outputs."""

    name: str
    region: str
    outputs: Mapping[str, str]

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
        return cls(name=name, region=region, outputs=outputs)

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

    def accounts(self, session: boto3.Session) -> Accounts:
        """Return the stack's accounts.

        Raises:
            UnknownStack: its outputs do not name its tables.
        """
        store = DynamoStore(session.client("dynamodb", config=CONFIG))
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


def _log_nothing(_event: str, _severity: Severity = Severity.INFO, /, **_fields: str | float) -> None:
    """Log nothing: what the tool does is printed."""
