"""A deployed stack, found by its name, with the tables that its outputs name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from gerbang.accounts.administration import Accounts
from gerbang.core.clock import system_clock
from gerbang.storage.codes import CodeTable
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.resets import ResetTable
from gerbang.storage.users import UserTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_CONFIG: Final = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
"""A tool waits longer than a function: its operator would only start it again."""


class UnknownStack(Exception):
    """The account and region have no such stack, or it is not Gerbang's. Its text is one sentence."""


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
            UnknownStack: it does not exist.
            BotoCoreError, ClientError: CloudFormation did not answer, or denied access.
        """
        cloudformation: Any = session.create_client("cloudformation", config=_CONFIG)
        region = str(cloudformation.meta.region_name)
        try:
            [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ValidationError":  # AWS's answer for an unknown name
                raise UnknownStack(
                    f"Stack {name} does not exist in {region}, in the account of these credentials."
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
            raise UnknownStack(f"Stack {self.name} has no output {name}: it is not Gerbang's, or an older version.")
        return self.outputs[name]

    def accounts(self, session: Session) -> Accounts:
        """Return the stack's accounts.

        Raises:
            UnknownStack: its outputs do not name its tables.
        """
        client = cast("DynamoDBClient", session.create_client("dynamodb", config=_CONFIG))
        store = DynamoStore(client)
        return Accounts(
            store=store,
            users=UserTable(store, self.output("UsersTable")),
            organizations=OrganizationTable(store, self.output("OrganizationsTable")),
            codes=CodeTable(store, self.output("OneTimeCodesTable")),
            resets=ResetTable(store, self.output("OneTimeCodesTable")),
            now=system_clock,
        )
