"""The answers of Supabase Auth's API."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict
from uuid import UUID, uuid5

from gerbang.core.clock import rfc3339
from gerbang.storage.profiles import EMAIL, providers_of, shown_app_metadata, shown_user_metadata

if TYPE_CHECKING:
    from gerbang.accounts.link_generation import GeneratedLink
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.accounts import Factor as StoredFactor
    from gerbang.storage.accounts import Identity as StoredIdentity
    from gerbang.storage.accounts import User as Account

AUTHENTICATED: Final = "authenticated"
"""The `role` of users in this API, guests included."""


WAYS_TO_SIGN_IN: Final = frozenset(
    {
        *("anonymous_users", "apple", "azure", "bitbucket", "discord", "email", "facebook", "figma", "fly", "github"),
        *("gitlab", "google", "kakao", "keycloak", "linkedin", "linkedin_oidc", "notion", "phone", "slack"),
        *("slack_oidc", "snapchat", "spotify", "twitch", "twitter", "workos", "zoom"),
    }
)
"""The ways to sign in for which `GET /settings` says whether they are on."""


class Identity(TypedDict):
    """One way in which a user signs in; `id` is who they are to the provider."""

    identity_id: str
    id: str
    user_id: str
    identity_data: Mapping[str, Any]
    provider: str
    last_sign_in_at: str
    created_at: str
    updated_at: str
    email: str


class Factor(TypedDict):
    """A second factor; times are RFC 3339."""

    id: str
    friendly_name: str
    factor_type: Literal["totp"]
    status: Literal["verified", "unverified"]
    created_at: str
    updated_at: str


class User(TypedDict):
    """An account as Supabase's clients read it; times are RFC 3339. What has not happened is left out."""

    id: str
    aud: str
    role: str
    email: str
    email_confirmed_at: NotRequired[str]
    phone: str
    invited_at: NotRequired[str]
    confirmation_sent_at: NotRequired[str]
    confirmed_at: NotRequired[str]
    recovery_sent_at: NotRequired[str]
    new_email: NotRequired[str]
    email_change_sent_at: NotRequired[str]
    last_sign_in_at: NotRequired[str]
    app_metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any]
    identities: Sequence[Identity]
    created_at: str
    updated_at: str
    is_anonymous: bool
    banned_until: NotRequired[str]
    factors: NotRequired[Sequence[Factor]]


class UsersResponse(TypedDict):
    """A page of users."""

    users: Sequence[User]
    aud: str


class GeneratedLinkResponse(User):
    """The user that a link is for, and the link with its parts."""

    action_link: str
    email_otp: str
    hashed_token: str
    verification_type: str
    redirect_to: str


class SessionResponse(TypedDict):
    """A bare session; `expires_in` is in seconds, `expires_at` in seconds since 1970."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    expires_at: int
    refresh_token: str
    user: User


class HealthResponse(TypedDict):
    """What answers here."""

    version: str
    name: str
    description: str


class SettingsResponse(TypedDict):
    """What clients may offer their users; `external` has every way to sign in that Supabase knows."""

    external: Mapping[str, bool]
    disable_signup: bool
    mailer_autoconfirm: bool
    phone_autoconfirm: bool
    sms_provider: str
    saml_enabled: bool
    saml_private_key_next_configured: bool
    passkeys_enabled: bool


class HalfConfirmedResponse(TypedDict):
    """One of the two addresses of a change has confirmed it; `code` is text, as clients expect."""

    msg: str
    code: Literal["200"]


class EmptyResponse(TypedDict):
    """`{}`: it was done, or there was nothing to do."""


def session(signed_in: "SignedIn", identities: "Sequence[StoredIdentity]" = ()) -> SessionResponse:
    """Return the answer with a session. *identities* are those at other providers."""
    tokens = signed_in.tokens
    return SessionResponse(
        access_token=tokens.access_token,
        token_type="bearer",  # noqa: S106 - a kind of token, not one
        expires_in=int(tokens.expires_in.total_seconds()),
        expires_at=int(tokens.expires_at.timestamp()),
        refresh_token=tokens.refresh_token,
        user=user(signed_in.user, identities, audience=tokens.audience, role=tokens.role),
    )


def user(
    account: "Account", identities: "Sequence[StoredIdentity]" = (), *, audience: str, role: str = AUTHENTICATED
) -> User:
    """Return an account as clients read it. *identities* are those at other providers."""
    times = {
        "email_confirmed_at": account.email_verified_at,
        "confirmed_at": account.email_verified_at,
        "invited_at": account.invited_at,
        "confirmation_sent_at": account.confirmation_sent_at,
        "email_change_sent_at": account.email_change_sent_at if account.new_email else None,
        "last_sign_in_at": account.last_sign_in_at,
        "banned_until": account.banned_until,
    }
    shown = User(
        id=account.user_id,
        aud=audience,
        role=role,
        email=account.email or "",
        phone="",
        app_metadata=shown_app_metadata(account),
        user_metadata=shown_user_metadata(account),
        identities=_identities(account, identities),
        created_at=rfc3339(account.created_at),
        updated_at=rfc3339(account.updated_at),
        is_anonymous=account.is_anonymous,
    )
    shown.update({name: rfc3339(at) for name, at in times.items() if at is not None})  # type: ignore[typeddict-item]
    if account.new_email:
        shown["new_email"] = account.new_email
    if account.factors:
        shown["factors"] = [factor(each) for each in account.factors]
    return shown


def factor(stored: "StoredFactor") -> Factor:
    """Return a second factor as clients read it."""
    return Factor(
        id=stored.factor_id,
        friendly_name=stored.friendly_name,
        factor_type="totp",
        status="verified" if stored.is_verified else "unverified",
        created_at=rfc3339(stored.created_at),
        updated_at=rfc3339(stored.updated_at),
    )


def decoy(account: "Account", *, audience: str) -> User:
    """Return the answer to a sign-up with a taken address: a user without identities, by which apps recognize it."""
    shown = user(account, audience=audience)
    shown["identities"] = []
    return shown


def generated_link(generated: "GeneratedLink", *, redirect_to: str, audience: str) -> GeneratedLinkResponse:
    """Return a link that was generated, with its user. Identities at other providers are not shown."""
    return GeneratedLinkResponse(
        **user(generated.user, audience=audience),
        action_link=generated.url,
        email_otp=generated.code,
        hashed_token=generated.token,
        verification_type=generated.wanted.value,
        redirect_to=redirect_to,
    )


def half_confirmed() -> HalfConfirmedResponse:
    """Return the answer to the first of the two codes that a change of address needs."""
    return HalfConfirmedResponse(msg="Confirmed. Enter the code that was mailed to the other address, too.", code="200")


def health(version: str) -> HealthResponse:
    """Return the name and version of this server."""
    return HealthResponse(version=version, name="Gerbang", description="Gerbang speaks the API of Supabase Auth.")


def settings(*, guests: bool, sign_ups: bool, autoconfirm: bool, providers: Iterable[str]) -> SettingsResponse:
    """Return what clients may offer their users. *providers* are the OpenID providers whose ID tokens are accepted."""
    on = {EMAIL, *providers, *(["anonymous_users"] if guests else [])}
    return SettingsResponse(
        external={name: name in on for name in sorted(WAYS_TO_SIGN_IN | on)},
        disable_signup=not sign_ups,
        mailer_autoconfirm=autoconfirm,
        phone_autoconfirm=False,
        sms_provider="",
        saml_enabled=False,
        saml_private_key_next_configured=False,
        passkeys_enabled=False,
    )


def _identities(account: "Account", others: "Sequence[StoredIdentity]") -> list[Identity]:
    """Return an account's identities, the one of its address first.

    The identity of an address is not stored: its subject is the account.
    """
    address = account.email or ""
    verified = account.email_verified_at is not None
    shown = [
        _identity(account, each.provider, each.subject, email=each.email, verified=True, at=each.created_at)
        for each in others
    ]
    if EMAIL in providers_of(account):
        own = _identity(account, EMAIL, account.user_id, email=address, verified=verified, at=account.created_at)
        return [own, *shown]
    return shown


def provider_of(account: "Account", identity_id: UUID) -> str | None:
    """Return the provider of the identity with an id in an account, None if there is none."""
    found = (each for each in providers_of(account) if _identity_id(account, each) == identity_id)
    return next(found, None)


def _identity_id(account: "Account", provider: str) -> UUID:
    """Return the id of a provider's identity in an account, which is not stored (RFC 9562, section 5.5)."""
    return uuid5(UUID(account.user_id), provider)


def _identity(account: "Account", provider: str, subject: str, *, email: str, verified: bool, at: datetime) -> Identity:
    created_at = rfc3339(at)
    return Identity(
        identity_id=str(_identity_id(account, provider)),
        id=subject,
        user_id=account.user_id,
        identity_data={"sub": subject, "email": email, "email_verified": verified, "phone_verified": False},
        provider=provider,
        last_sign_in_at=rfc3339(account.last_sign_in_at or at),
        created_at=created_at,
        updated_at=created_at,
        email=email,
    )
