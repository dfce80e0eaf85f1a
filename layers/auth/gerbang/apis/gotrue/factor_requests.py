"""The request bodies of Supabase Auth's endpoints about second factors."""

from collections.abc import Mapping
from typing import Any, Literal, Self, override

from gerbang.apis.fields import Body, Name, Text
from gerbang.apis.gotrue.unavailable import PhoneFactorsDisabled, SecurityKeysDisabled


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
        request = super().read(body, context)
        if request.factor_type == "phone":
            raise PhoneFactorsDisabled
        if request.factor_type == "webauthn":
            raise SecurityKeysDisabled
        return request


class VerifyFactorRequest(Body):
    """`POST /auth/v1/factors/{factor_id}/verify`."""

    challenge_id: Text
    code: Text


class EditFactorRequest(Body):
    """`PUT /auth/v1/admin/users/{user_id}/factors/{factor_id}`."""

    friendly_name: Name
