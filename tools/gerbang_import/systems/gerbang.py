"""Gerbang itself: its tables Users and Organizations, as `aws dynamodb scan` or an export to S3 writes them."""

from collections.abc import Mapping
from typing import Final

from gerbang.storage.dynamodb import from_wire

from gerbang_import.fields import Fields
from gerbang_import.systems.system import Context, NotAUser, System

_ACCOUNT: Final = "ACCOUNT"


def _item(record: Fields) -> Fields:
    members = record.inner("Item").members or record.members  # an export wraps each item
    attributes: Mapping[str, object] = {name: value for name, value in members.items() if isinstance(value, dict)}
    return Fields(from_wire(attributes))  # type: ignore[arg-type]


def _more(record: Fields, context: Context) -> Mapping[str, object]:
    item = _item(record)
    if item.text("sk") != _ACCOUNT:
        raise NotAUser("an identity, or a name")
    if item.get("is_anonymous") is True:
        raise NotAUser("a guest")
    organization_id = item.text("organization_id")
    membership = next((_item(one) for one in context.of(item.text("user_id"))), Fields({}))
    organization = next((_item(one) for one in context.of(organization_id)), Fields({}))
    subjects = item.inner("subjects").members
    return {
        **{column: item.get(*paths) for column, paths in _COLUMNS.items()},
        "disabled": item.get("disabled_at"),
        "email_verified": item.get("email_verified_at") or False,
        "identities": [
            {"provider": provider, "subject": subject, "email": item.get("email")}
            for provider, subject in subjects.items()
        ],
        "organization_id": organization_id,
        "organization_name": organization.get("name"),
        "organization_role": membership.get("role"),
    }


def _owner(record: Fields) -> str:
    """Return whose membership an item is, or which organization it is."""
    item = _item(record)
    kind, _, user_id = item.text("sk").partition("#")
    return user_id if kind == "MEMBER" else item.text("organization_id")


_COLUMNS: Final = {
    "id": ("user_id",),
    "email": ("email_as_typed", "email"),
    **{
        name: (name,)
        for name in (
            *("password_hash", "name", "username", "number", "created_at", "last_sign_in_at", "banned_until"),
            *("locale", "role_id", "credit_balance", "user_metadata", "app_metadata"),
        )
    },
}

SYSTEM: Final = System(
    title="Gerbang",
    columns={},
    more=_more,
    collection="Items",
    owner=_owner,
    leaves_out="guests, sessions, codes, addresses of identities, further organizations of a user",
)
