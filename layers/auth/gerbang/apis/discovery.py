"""The part of OpenID Connect's discovery document that services need to verify access tokens.

API Gateway, AppSync and IAM find the public keys in it. There is no authorization endpoint: users sign in through the
APIs of this deployment, not through OpenID Connect. (docs/decisions/0037-rs256.md)
"""

from typing import TypedDict

from gerbang.apis.jwks import CACHEABLE
from gerbang.core.dataclass import dataclass
from gerbang.http.request import NoSuchPath
from gerbang.http.response import Response
from gerbang.sessions.keys import Algorithm


class ProviderMetadata(TypedDict):
    """What OpenID Connect Discovery 1.0, section 3, calls so, without what concerns an authorization endpoint."""

    issuer: str
    jwks_uri: str
    id_token_signing_alg_values_supported: list[str]
    response_types_supported: list[str]
    subject_types_supported: list[str]
    claims_supported: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Answers with the document."""

    issuer: str
    """The `iss` of tokens, which the document must repeat exactly (section 4.3)."""
    url: str | None
    """The setting `PublicUrl`, None if it is not set."""
    algorithm: str

    def answer(self) -> Response:
        """Return the document.

        Raises:
            NoSuchPath: tokens cannot be verified by it, because the issuer is not a URL or the key is secret.
        """
        if self.url is None:
            raise NoSuchPath("PublicUrl is not set")
        if self.algorithm == Algorithm.HS256:
            raise NoSuchPath("tokens are signed with HS256")
        document = ProviderMetadata(
            issuer=self.issuer,
            jwks_uri=f"{self.url}/.well-known/jwks.json",
            id_token_signing_alg_values_supported=[self.algorithm],
            response_types_supported=["id_token"],
            subject_types_supported=["public"],
            claims_supported=["aud", "email", "exp", "iat", "iss", "role", "session_id", "sub"],
        )
        return Response(200, document, CACHEABLE)
