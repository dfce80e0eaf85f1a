"""The two ways in which SnapOTP's clients send a Google identity."""

from typing import TYPE_CHECKING

from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.apis.fields import clean_name
from gerbang.apis.identities import verified_identity
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, FieldError
from gerbang.http.request import InvalidFields
from gerbang.sessions.api_keys import InvalidApiKey, KeyKind

if TYPE_CHECKING:
    from gerbang.accounts.provider_identity import ProviderIdentity
    from gerbang.apis.snapotp.requests import GoogleRequest
    from gerbang.sessions.api_keys import ApiKeys


class IdentityNotProven(AuthError):
    """The request has a Google identity, but neither Google's signature nor the deployment's secret key."""

    code = "identity_not_proven"


class IdentityMismatch(AuthError):
    """The fields of a request do not agree with its ID token."""

    code = "identity_mismatch"


def signed_identity(verified: "ProviderIdentity", body: "GoogleRequest") -> VerifiedIdentity:
    """Return the identity that Google signed.

    Raises:
        IdentityMismatch: a field of the request differs from the token. A token without a name agrees with any name.
        InvalidEmail: Google's address is not one that we accept.
    """
    identity = verified_identity(verified, name=body.name or "")
    agree = (
        body.google_id in {None, identity.subject},
        body.email is None or body.email == EmailAddress(identity.email),
        body.name is None or clean_name(body.name) == clean_name(identity.name),
    )
    if not all(agree):
        raise IdentityMismatch
    return identity


def vouched_identity(apikey: str | None, api_keys: "ApiKeys", body: "GoogleRequest") -> VerifiedIdentity:
    """Return the identity that a trusted back end vouches for. Such a back end has the secret API key.

    Raises:
        IdentityNotProven: there is no secret key.
        InvalidFields: a field is missing.
        DependencyUnavailable: the key could not be read.
    """
    try:
        kind = api_keys.kind_of(apikey)
    except InvalidApiKey as unknown:
        raise IdentityNotProven from unknown
    if kind is not KeyKind.SECRET:
        raise IdentityNotProven
    if body.google_id is None or body.email is None or body.name is None:
        missing = [name for name in ("google_id", "email", "name") if getattr(body, name) is None]
        raise InvalidFields(tuple(FieldError(name, "Field required") for name in missing))
    return VerifiedIdentity(provider=GOOGLE, subject=body.google_id, email=body.email.as_typed, name=body.name)
