"""What an account belongs to: identities of providers, and an organization."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from gerbang.accounts.roles import Role
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.core.identifiers import ORGANIZATION, public_id
from gerbang.storage.accounts import Identity, User
from gerbang.storage.organizations import Membership, Organization

from gerbang_import.columns import Columns
from gerbang_import.fields import Fields
from gerbang_import.values import InvalidValue, display_name

PROVIDERS: Final[Mapping[str, str]] = {
    "google.com": "google",
    "google-oauth2": "google",
    "apple.com": "apple",
    "signinwithapple": "apple",
    "facebook.com": "facebook",
    "github.com": "github",
    "gitlab.com": "gitlab",
    "twitter.com": "twitter",
    "linkedin.com": "linkedin",
    "yahoo.com": "yahoo",
    "gc.apple.com": "gamecenter",
    "playgames.google.com": "playgames",
    "loginwithamazon": "amazon",
    "microsoft.com": "azure",
    "microsoft": "azure",
    "windowslive": "azure",
    "waad": "azure",
}
"""Names of providers in other systems, and in Supabase's clients, which Gerbang uses, too."""

_OWN: Final = frozenset({"password", "email", "phone", "username", "emailpassword", "credential", "anonymous"})
"""Names for sign-in with a password or code, which are not identities of a provider."""

_PROVIDER: Final = re.compile(r"(custom:)?[a-z][a-z0-9_-]{0,31}")
_LONGEST_SUBJECT: Final = 255
"""ASCII characters of a subject (OpenID Connect Core 1.0, section 2)."""

_ORGANIZATION_ID: Final = re.compile(r"org_[0-9A-Za-z]{1,40}")
_ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")


def identities_of(columns: Columns, user: User) -> tuple[Identity, ...]:
    """Return the identities that sign in to an account, one a provider.

    An account whose address is not verified has none: a stranger could have registered the address and linked an
    identity (docs/decisions/0031-linked-identities.md). The owner of the address can still sign in with the provider.
    """
    found: dict[str, Identity] = {}
    for provider, subject, email in _given(columns):
        reason = _flaw(provider, subject) or ("is a second one of its provider" if provider in found else None)
        if reason is None and user.email_verified_at is None:
            reason = "is not linked, because the address is not verified"
        if reason is not None:
            columns.drop("identities", reason)
            continue
        found[provider] = Identity(
            user_id=user.user_id,
            provider=provider,
            subject=subject,
            email=_address(email) or user.email_as_typed or "",
            created_at=user.created_at,
        )
    return tuple(found.values())


def _given(columns: Columns) -> Iterator[tuple[str, str, str]]:
    google = columns.read("google_id", lambda value: str(value).strip())
    if google:
        yield "google", google, ""
    wrapper = Fields({"all": columns.read("identities", lambda value: value)})
    for one in wrapper.each("all"):
        name = re.sub(r"^oauth_", "", one.text("provider").lower())
        provider = PROVIDERS.get(name, name)
        if provider and provider not in _OWN:
            email = one.text("email", "identity_data.email")
            yield provider, one.text("subject", "sub", "provider_id", "identity_data.sub"), email
    subjects = wrapper.inner("all").members
    for name, subject in subjects.items():  # {"google": "subject"}
        if isinstance(subject, str):
            yield PROVIDERS.get(name.lower(), name.lower()), subject, ""


def _address(text: str) -> str:
    """Return an address as the provider spells it; an empty text if it is not valid."""
    try:
        canonical(text)
    except InvalidEmail:
        return ""
    return text


def _flaw(provider: str, subject: str) -> str | None:
    if not _PROVIDER.fullmatch(provider):
        return "has a provider whose name is not of lower-case letters, digits, _ and -"
    if not subject or len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        return "has no subject, or one that no provider writes"
    return None


def organization_of(columns: Columns, user: User) -> tuple[Organization, Membership] | tuple[None, None]:
    """Return the organization that an account belongs to, and its membership there."""
    organization_id = columns.read("organization_id", _organization_id)
    if organization_id is None:
        return None, None
    name = columns.read("organization_name", display_name) or organization_id
    role = columns.read("organization_role", _role) or Role.CLIENT_MEMBER
    organization = Organization(organization_id=organization_id, name=name, created_at=user.created_at)
    membership = Membership(organization_id=organization_id, user_id=user.user_id, role=role, since=user.created_at)
    return organization, membership


def _organization_id(value: object) -> str:
    text = str(value).strip()
    if _ORGANIZATION_ID.fullmatch(text):
        return text
    try:
        return public_id(ORGANIZATION, UUID(text))
    except ValueError:
        raise InvalidValue("is neither org_ with letters and digits nor a UUID") from None


def _role(value: object) -> str:
    text = str(value).strip()
    if not _ROLE.fullmatch(text):
        raise InvalidValue("is not a role: letters, digits, _ and -")
    return text
