"""Read environment variables, each of which holds one setting or several (`name=value name=value`)."""

from collections.abc import Mapping

from gerbang.provider_settings import InvalidSettings


class Variables:
    """The environment. A variable is read when it is used.

    Raises, from every method:
        InvalidSettings: the variable is missing or wrong.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take the environment; nothing is read yet."""
        self._environment = environment

    def _choice(self, variable: str, name: str) -> bool:
        """Return whether *name* is `true`, not `false`, in a variable that holds several settings."""
        return self._one_entry(variable, name, "true", "false") == "true"

    def _one_entry(self, variable: str, name: str, *allowed: str) -> str:
        """Return the value of *name*, one of *allowed*, in a variable that holds several settings."""
        value = self._entry(variable, name)
        if value not in allowed:
            raise InvalidSettings(f"{variable} has no {' or '.join(f'{name}={each}' for each in allowed)}")
        return value

    def _entry(self, variable: str, name: str) -> str:
        """Return the value of *name* in a variable that holds several settings; empty if it is not there."""
        for entry in self._text(variable).split():
            key, _, value = entry.partition("=")
            if key == name:
                return value
        return ""

    def _text(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise InvalidSettings(f"{name} is missing")
        return value

    def _one_of(self, name: str, *allowed: str) -> str:
        value = self._text(name)
        if value not in allowed:
            raise InvalidSettings(f"{name} must be one of {', '.join(allowed)}")
        return value

    def _number(self, name: str, *, least: int = 0) -> int:
        text = self._text(name)
        if not is_number(text) or int(text) < least:
            raise InvalidSettings(f"{name} must be a whole number, at least {least}")
        return int(text)


def is_number(text: str) -> bool:
    """Return whether a text is a whole number, 0 or more."""
    return text.isascii() and text.isdecimal()
