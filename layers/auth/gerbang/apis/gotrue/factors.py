"""The answers of Supabase Auth's endpoints about second factors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from gerbang.accounts.challenges import Challenge
    from gerbang.accounts.own_factors import Enrolled


class TotpSecret(TypedDict):
    """The secret of a new factor; `qr_code` is the text of an SVG image, from which clients make a data URI."""

    qr_code: str
    secret: str
    uri: str


class EnrolledResponse(TypedDict):
    """A new factor."""

    id: str
    type: Literal["totp"]
    friendly_name: str
    totp: TotpSecret


class ChallengeResponse(TypedDict):
    """A challenge; `expires_at` is in seconds since 1970."""

    id: str
    type: Literal["totp"]
    expires_at: int


class UnenrolledResponse(TypedDict):
    """The id of a factor that was removed."""

    id: str


class RecoveryCodesResponse(TypedDict):
    """New recovery codes; the earlier ones are worthless."""

    recovery_codes: Sequence[str]


def enrolled(new: "Enrolled", *, qr_code: str) -> EnrolledResponse:
    """Return the answer with a new factor, its secret and the QR code of its URI."""
    return EnrolledResponse(
        id=new.factor.factor_id,
        type="totp",
        friendly_name=new.factor.friendly_name,
        totp=TotpSecret(qr_code=qr_code, secret=new.secret, uri=new.uri),
    )


def challenged(new: "Challenge") -> ChallengeResponse:
    """Return the answer with a challenge."""
    return ChallengeResponse(id=new.challenge_id, type="totp", expires_at=int(new.expires_at.timestamp()))
