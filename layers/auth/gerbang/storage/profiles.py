"""An account's metadata and providers as clients are shown them, in GoTrue's terms."""

from typing import Final

from gerbang.storage.accounts import User

EMAIL: Final = "email"
"""GoTrue's name for the provider of accounts that sign in with an e-mail address, by password or code."""


def providers_of(user: User) -> list[str]:
    """Return the providers whose identities sign in to an account, the first one first.

    The provider `email` is not stored: an account has it if it has an address, and a password or no other identity.
    (docs/decisions/0027-supabase-auth.md)
    """
    has_email = user.email is not None and (user.password_hash is not None or not user.subjects)
    return [*([EMAIL] if has_email else []), *user.subjects]


def shown_app_metadata(user: User) -> dict[str, object]:
    """Return the operator's metadata as clients are shown it, with the account's providers."""
    providers = providers_of(user)
    return {**user.app_metadata, **({"provider": providers[0], "providers": providers} if providers else {})}


def shown_user_metadata(user: User) -> dict[str, object]:
    """Return the owner's metadata as clients are shown it, with the account's name and whether its address is verified.

    A `name` in the metadata is shown unchanged. An `email_verified` in the metadata is replaced.
    """
    shown: dict[str, object] = {"name": user.name} if user.name else {}
    shown |= user.user_metadata
    is_verified = user.email_verified_at is not None
    return shown | {"email_verified": is_verified} if is_verified or "email_verified" in shown else shown
