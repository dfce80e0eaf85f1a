"""Who belongs to an organisation: the one thing that is listed, for operators. No request asks for it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gerbang.storage.dynamodb import from_wire
from gerbang.storage.organizations import MEMBER

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who belongs to an organisation, and as what."""

    user_id: str
    role: str


@dataclass(frozen=True, slots=True)
class MemberList:
    """Lists members, from the table of organisations."""

    client: "DynamoDBClient"
    table: str

    def of(self, organization_id: str) -> tuple[Member, ...]:
        """Return everybody who belongs to an organisation; one call a megabyte.

        Whose item is damaged and names no role is still somebody, whose role is empty (F45): whoever asks whether an
        organisation has other people must not be told that it has none.

        Raises:
            ClientError, BotoCoreError: the database did not answer; whoever operates it wants to know why.
        """
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :member)",
            ExpressionAttributeValues={":pk": {"S": organization_id}, ":member": {"S": MEMBER}},
            ConsistentRead=True,
        )
        items = [from_wire(item) for page in pages for item in page["Items"]]
        return tuple(
            Member(user_id=str(item["sk"]).removeprefix(MEMBER), role=str(item.get("role", ""))) for item in items
        )
