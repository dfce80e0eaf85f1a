"""The options of `make run`, from the environment and the command line."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

_HOST: Final = "127.0.0.1"
_PORT: Final = "3000"
_STAND_INS_PORT: Final = "3100"
_HIGHEST_PORT: Final = 65_535
# sam deploy takes `ParameterKey=Name,ParameterValue=Value` as well as `Name=Value`.
_LONG_FORM: Final = re.compile(r"ParameterKey=([^,]+),ParameterValue=(.*)", re.DOTALL)


class InvalidOption(Exception):
    """An option is not valid. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to serve, and where."""

    template: Path
    host: str
    port: int  # 0: any that is free
    dynamodb_endpoint: str | None  # None: in memory
    lambda_endpoint: str | None = None  # None: only the template's functions exist
    parameters: Mapping[str, str]
    stand_ins_port: int = 0  # of `make sam-env`: this one and the two that follow. 0: any that are free

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], arguments: Sequence[str]) -> Self:
        """Return the options. A missing or empty one has its default.

        Raises:
            InvalidOption: one is malformed, or there is no such template.
        """
        template = Path(arguments[0] if arguments else "template.yaml").resolve()
        if not template.is_file():
            raise InvalidOption(f"There is no {template}: start this in the project's folder.")
        return cls(
            template=template,
            host=environment.get("HOST") or _HOST,
            port=_port("PORT", environment.get("PORT") or _PORT),
            dynamodb_endpoint=_endpoint("DYNAMODB_ENDPOINT", environment, like="http://127.0.0.1:8000"),
            lambda_endpoint=_endpoint("LAMBDA_ENDPOINT", environment, like="http://127.0.0.1:3001"),
            parameters=_parameters(environment.get("PARAMETERS", "")),
            stand_ins_port=_port("STAND_INS_PORT", environment.get("STAND_INS_PORT") or _STAND_INS_PORT),
        )


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise InvalidOption(f"{name} is {text!r}, not a number from 0 to {_HIGHEST_PORT}.")
    return int(text)


def _endpoint(name: str, environment: Mapping[str, str], *, like: str) -> str | None:
    text = environment.get(name) or None
    if text is not None and (urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname):
        raise InvalidOption(f"{name} is {text!r}, not a URL such as {like}.")
    return text


def _parameters(text: str) -> dict[str, str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidOption(f"PARAMETERS cannot be read: {error}.") from None
    parameters = {}
    for word in words:
        long_form = _LONG_FORM.fullmatch(word)
        name, equals, value = (long_form[1], "=", long_form[2]) if long_form else word.partition("=")
        if not name or not equals:
            raise InvalidOption(f"PARAMETERS has {word!r} where Name=Value is expected.")
        parameters[name] = value
    return parameters
