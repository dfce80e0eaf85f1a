"""The ids in paths of Supabase Auth's API."""

from collections.abc import Mapping
from uuid import UUID

from gerbang.http.request import NoSuchPath


def id_of(text: str) -> str | None:
    """Return an id in the form in which it is stored, None if the text is not a UUID in the usual form."""
    try:
        found = str(UUID(text))
    except ValueError:
        return None
    return found if found == text.lower() else None


def user_id_in(path_parameters: Mapping[str, str]) -> str:
    """Return the id of the account in a path.

    Raises:
        NoSuchPath: it is not a UUID.
    """
    return _id_in(path_parameters, "user_id")


def factor_id_in(path_parameters: Mapping[str, str]) -> str:
    """Return the id of the factor in a path.

    Raises:
        NoSuchPath: it is not a UUID.
    """
    return _id_in(path_parameters, "factor_id")


def _id_in(path_parameters: Mapping[str, str], name: str) -> str:
    found = id_of(path_parameters.get(name, ""))
    if found is None:
        raise NoSuchPath
    return found
