"""Names of a device's browser and system, read from its User-Agent header, to show to the account's owner.

A client may send any text. So only names of plain characters are returned: no links and no markup.
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from gerbang.core.dataclass import dataclass

if TYPE_CHECKING:
    from ua_parser import Parser

LONGEST_USER_AGENT: Final = 200
"""Characters of a User-Agent that are stored and parsed."""

COMMON_USER_AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148 Safari/605",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
"""Of the most common browsers."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 +_-]{0,39}")
"""The form of a name. Where the parser knows no name, it returns a part of the header."""

_RENAMED: Final = {"Mac OS X": "macOS"}
"""The current names of systems that the parser knows by an earlier name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A browser or other program, and the system that it runs on; None: not known."""

    browser: str | None
    system: str | None

    @property
    def words(self) -> str | None:
        """`Firefox on Ubuntu`, None if nothing is known."""
        return " on ".join(self._known) or None

    @property
    def short(self) -> str | None:
        """`Firefox, Ubuntu`: the same in every language."""
        return ", ".join(self._known) or None

    @property
    def _known(self) -> list[str]:
        return [name for name in (self.browser, self.system) if name is not None]


@lru_cache(maxsize=256)
def read_device(user_agent: str) -> Device:
    """Return the device that a User-Agent header describes."""
    parser, text = _parser(), user_agent[:LONGEST_USER_AGENT]
    browser, system = parser.parse_user_agent(text), parser.parse_os(text)
    return Device(
        browser=None if browser is None else _name(browser.family),
        system=None if system is None else _name(system.family),
    )


def _name(family: str) -> str | None:
    name = _RENAMED.get(family, family)
    return name if _PLAIN.fullmatch(name) else None


@cache
def _parser() -> "Parser":
    # Here, because only lists of sessions and one kind of mail need it: importing takes 70 ms, half a usual start.
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.basic import Resolver  # noqa: PLC0415
    from ua_parser_builtins.lazy import MATCHERS  # noqa: PLC0415 - compiles an expression when it is first tried

    return Parser(Resolver(MATCHERS))  # type: ignore[arg-type]  # its lists are of subclasses
