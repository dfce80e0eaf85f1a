"""The request bodies and answers of Supabase Auth's endpoints about second factors."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, override

from gerbang.apis.fields import Body, Name, Text
from gerbang.apis.gotrue.admin_requests import user_id_of
from gerbang.apis.gotrue.unavailable import PhoneFactorsDisabled, SecurityKeysDisabled
from gerbang.http.request import NoSuchPath

if TYPE_CHECKING:
    from gerbang.accounts.challenges import Challenge
    from gerbang.accounts.own_factors import Enrolled


class EnrolRequest(Body):
    """`POST /auth/v1/factors`."""

    factor_type: Literal["totp", "phone", "webauthn"]
    friendly_name: Name | None = None
    issuer: Name | None = None

    @classmethod
    @override
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Self:
        """Return the body as this model.

        Raises:
            InvalidFields: fields are missing or invalid.
            PhoneFactorsDisabled, SecurityKeysDisabled: the factor is of another type than `totp`.
        """
        made = super().read(body, context)
        if made.factor_type == "phone":
            raise PhoneFactorsDisabled
        if made.factor_type == "webauthn":
            raise SecurityKeysDisabled
        return made


class VerifyFactorRequest(Body):
    """`POST /auth/v1/factors/{factor_id}/verify`."""

    challenge_id: Text
    code: Text


class EditFactorRequest(Body):
    """`PUT /auth/v1/admin/users/{user_id}/factors/{factor_id}`."""

    friendly_name: Name


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


def enrolled(made: "Enrolled") -> EnrolledResponse:
    """Return the answer with a new factor and its secret."""
    return EnrolledResponse(
        id=made.factor.factor_id,
        type="totp",
        friendly_name=made.factor.friendly_name,
        totp=TotpSecret(qr_code=_qr_code(made.uri), secret=made.secret, uri=made.uri),
    )


def challenged(made: "Challenge") -> ChallengeResponse:
    """Return the answer with a challenge."""
    return ChallengeResponse(id=made.challenge_id, type="totp", expires_at=int(made.expires_at.timestamp()))


def factor_id_in(path_parameters: Mapping[str, str]) -> str:
    """Return the id of the factor that a path names.

    Raises:
        NoSuchPath: it is no UUID.
    """
    factor_id = user_id_of(path_parameters.get("factor_id", ""))
    if factor_id is None:
        raise NoSuchPath
    return factor_id


def _qr_code(text: str) -> str:
    """Return the SVG image of a QR code. No `#` and no `%`: clients put it into a data URI as it is."""
    import segno

    image = BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(image, kind="svg", scale=4, xmldecl=False, nl=False, dark="black", light="white")
    return image.getvalue().decode().replace("#000", "black").replace("#fff", "white")
