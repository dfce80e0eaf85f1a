"""A deployed stack, found by its name: which tables are its own, by its outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from gerbang.accounts.administration import Accounts
from gerbang.core.clock import system_clock
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.members import MemberList
from gerbang.storage.one_time_codes import OneTimeCodeTable
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.users import UserTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_CONFIG: Final = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
"""An operator would rather wait for a moment than be told to try again."""


class UnknownStack(Exception):
    """There is no such stack in that account and region, or it is none of ours. Its text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack and its outputs."""

    name: str
    region: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, session: Session, name: str) -> Self:
        """Return the stack of that name, in the session's account and region.

        Raises:
            UnknownStack: there is none.
            BotoCoreError, ClientError: CloudFormation did not answer, or may not be asked.
        """
        cloudformation: Any = session.create_client("cloudformation", config=_CONFIG)
        region = str(cloudformation.meta.region_name)
        try:
            [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ValidationError":  # what AWS says of a name unknown
                raise UnknownStack(
                    f"There is no stack {name} in {region}, in the account of these credentials."
                ) from error
            raise
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        return cls(name=name, region=region, outputs=outputs)

    def output(self, name: str) -> str:
        """Return one of the outputs.

        Raises:
            UnknownStack: it has none of that name.
        """
        if name not in self.outputs:
            raise UnknownStack(f"The stack {self.name} has no output {name}: it is not Gerbang's, or an older one.")
        return self.outputs[name]

    def accounts(self, session: Session) -> Accounts:
        """Return the stack's accounts.

        Raises:
            UnknownStack: its outputs do not name its tables.
        """
        client = cast("DynamoDBClient", session.create_client("dynamodb", config=_CONFIG))
        store, organizations = DynamoStore(client), self.output("OrganizationsTable")
        return Accounts(
            store=store,
            users=UserTable(store, self.output("UsersTable")),
            organizations=OrganizationTable(store, organizations),
            members=MemberList(client, organizations),
            codes=OneTimeCodeTable(store, self.output("OneTimeCodesTable")),
            now=system_clock,
        )
