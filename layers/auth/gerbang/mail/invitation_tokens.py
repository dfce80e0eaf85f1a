"""Tokens of invitations to organizations, made from the invitation itself.

A token names its invitation and has an HMAC of it, whose key is not in the tables. The token is not stored: it works
as long as its invitation exists. The HMAC covers the address, so a token is valid for one address only.
"""

import re
from typing import Final
from uuid import UUID

from gerbang.core.dataclass import dataclass
from gerbang.core.identifiers import (
    INVITATION,
    MAC_CHARACTERS,
    ORGANIZATION,
    UUID_CHARACTERS,
    from_base62,
    public_id,
    read_public_id,
    to_base62,
)
from gerbang.sessions.keys import KeyedHash, Keys, Purpose
from gerbang.storage.organizations import Invitation

_FORM: Final = re.compile(rf"([0-9A-Za-z]{{{MAC_CHARACTERS}}})([0-9A-Za-z]{{{UUID_CHARACTERS}}})([0-9A-Za-z]{{1,40}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedInvitation:
    """The invitation that a token names, before the token is verified."""

    organization_id: str
    invitation_id: str


@dataclass(frozen=True, slots=True)
class InvitationTokens:
    """Makes and verifies tokens."""

    keys: Keys

    def token(self, invitation: Invitation) -> str:
        """Return the token of an invitation: letters and digits, always the same until the keys rotate.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        secret = to_base62(int.from_bytes(self._hash.digest(_text(invitation))), length=MAC_CHARACTERS)
        identifier = read_public_id(INVITATION, invitation.invitation_id)
        organization = invitation.organization_id.removeprefix(f"{ORGANIZATION}_")
        return f"{secret}{to_base62(identifier.int, length=UUID_CHARACTERS)}{organization}"

    def read(self, token: str) -> NamedInvitation | None:
        """Return the invitation that a token names, None if the text is not a token. The token is not verified."""
        found = _FORM.fullmatch(token)
        number = -1 if found is None else from_base62(found[2])
        if found is None or number >= 1 << 128:
            return None
        return NamedInvitation(
            organization_id=f"{ORGANIZATION}_{found[3]}", invitation_id=public_id(INVITATION, UUID(int=number))
        )

    def matches(self, token: str, invitation: Invitation) -> bool:
        """Return whether a token was made from an invitation with an active key; compared in constant time.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        secret = from_base62(token[:MAC_CHARACTERS])
        return secret < 1 << 256 and self._hash.matches(secret.to_bytes(32).hex(), _text(invitation))

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.INVITATION_TOKEN)


def _text(invitation: Invitation) -> str:
    return f"{invitation.organization_id}\0{invitation.invitation_id}\0{invitation.email}"
