"""The ids that paths of Supabase Auth's API name."""

from collections.abc import Mapping
from uuid import UUID

from gerbang.http.request import NoSuchPath


def id_of(text: str) -> str | None:
    """Return an id as it is stored, None if a text is no UUID in its usual form."""
    try:
        found = str(UUID(text))
    except ValueError:
        return None
    return found if found == text.lower() else None


def user_id_in(path_parameters: Mapping[str, str]) -> str:
    """Return the id of the account that a path names.

    Raises:
        NoSuchPath: it is no UUID.
    """
    return _id_in(path_parameters, "user_id")


def factor_id_in(path_parameters: Mapping[str, str]) -> str:
    """Return the id of the factor that a path names.

    Raises:
        NoSuchPath: it is no UUID.
    """
    return _id_in(path_parameters, "factor_id")


def _id_in(path_parameters: Mapping[str, str], name: str) -> str:
    found = id_of(path_parameters.get(name, ""))
    if found is None:
        raise NoSuchPath
    return found
