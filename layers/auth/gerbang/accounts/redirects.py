"""Where a mailed link may lead: the site, and what the operator's patterns allow. Anything else becomes the site.

The link signs its reader in, so its target receives a session. Targets are parsed strictly: what browsers could read in
another way is not allowed (userinfo, backslashes, numeric hosts).
"""

import re
from dataclasses import field
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from gerbang.core.dataclass import dataclass

LONGEST_TARGET: Final = 2_000
"""Characters of a target. The mail's link has it in its query."""

_LARGEST_PORT: Final = 65_535
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_PRINTABLE: Final = re.compile(r"[!-\[\]-~]+")
"""ASCII without spaces, control characters and the backslash, which browsers read as a slash."""

_WEB: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?]*)?(?P<query>\?.*)?",
    re.IGNORECASE,
)
_OF_AN_APP: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*):(?P<rest>[^@]*)", re.IGNORECASE)

_NEVER: Final = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"})
"""Schemes that do not open an app."""

_NUMERIC: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
"""Hosts that browsers read as an IPv4 address: their last label is a number (WHATWG URL, "ends in a number")."""

_DOT_SEGMENT: Final = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """An address without its fragment, in one spelling."""

    scheme: str
    host: str | None
    """None for the scheme of an app."""
    port: int | None
    rest: str
    """Path and query; what follows the scheme and its colon for the scheme of an app."""

    @property
    def authority(self) -> str:
        """Host and port; the port is left out if it is the scheme's own."""
        return f"{self.host}" if self.port == _DEFAULT_PORTS.get(self.scheme) else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return self.host in {"localhost", "[::1]"} or (_ipv4(self.host) or _NOT_LOOPBACK).is_loopback

    @property
    def is_literal_ip(self) -> bool:
        """Whether browsers read the host as an IP address, however it is spelt."""
        return self.host is not None and (self.host.startswith("[") or _NUMERIC.fullmatch(self.host) is not None)


_NOT_LOOPBACK: Final = IPv4Address("192.0.2.1")


@dataclass(frozen=True)
class RedirectTargets:
    """The targets that a deployment allows.

    Raises:
        ValueError: the site or a pattern is wrong; the text says which one.
    """

    site_url: str
    """Where a link leads that names no target, or one that is not allowed."""
    patterns: tuple[str, ...] = field(default=())
    """Of other targets: `*` matches anything but `.` and `/`, `**` anything. In a host, both match within it only."""

    def __post_init__(self) -> None:
        """Check the settings now, not at the first request."""
        if self._site.host is None:
            raise ValueError("site_url must be an http or https URL")
        for number, pattern in enumerate(self.patterns, 1):
            try:
                _Pattern.of(pattern)
            except ValueError as error:
                raise ValueError(f"redirect_urls, entry {number}: {error}") from None

    @property
    def site_host(self) -> str:
        """The host of the site, for readers; with its port if that is not the scheme's own."""
        return self._site.authority

    def choose(self, *wanted: str | None) -> str:
        """Return the first target that was requested; the site if it is not allowed, or none was requested."""
        first = next((each for each in wanted if each), None)
        return first if first is not None and self.allows(first) else self.site_url

    def allows(self, target: str) -> bool:
        """Return whether a link may lead to a target."""
        read = _read(target)
        if read is None:
            return False
        site = self._site
        is_site = (read.host, read.port) == (site.host, site.port) or (read.is_loopback and site.is_loopback)
        if read.scheme == site.scheme and is_site:
            return True
        if read.is_literal_ip and not read.is_loopback:
            return False
        return any(pattern.matches(read) for pattern in self._compiled)

    @cached_property
    def _site(self) -> _Target:
        site = _read(self.site_url)
        if site is None:
            raise ValueError("site_url is not a URL")
        return site

    @cached_property
    def _compiled(self) -> "tuple[_Pattern, ...]":
        return tuple(_Pattern.of(pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """A pattern in its parts. Host and rest are matched apart, so that no wildcard in a host reaches the path."""

    scheme: str
    authority: re.Pattern[str] | None
    rest: re.Pattern[str]

    @classmethod
    def of(cls, pattern: str) -> "_Pattern":
        """Return a pattern, compiled.

        Raises:
            ValueError: it has no scheme, or its host matches hosts that others could register.
        """
        scheme, colon, rest = pattern.partition("#")[0].partition(":")
        scheme = scheme.lower()
        if not colon or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) or scheme in _NEVER:
            raise ValueError("it must begin with a scheme, without a wildcard")
        if scheme not in _DEFAULT_PORTS:
            return cls(scheme=scheme, authority=None, rest=_glob(rest))
        found = re.fullmatch(r"//([^/?@\\]+?)(:[0-9*]+)?(/[^?]*)?(\?.*)?", rest)
        if found is None:
            raise ValueError("it must have a host")
        host, port, path, query = found.groups(default="")
        if host.endswith("*") or (host.startswith("**") and not host.startswith("**.")):
            raise ValueError("the host must not end with a wildcard: anyone could register what matches")
        port = "" if port == f":{_DEFAULT_PORTS[scheme]}" else port
        return cls(scheme=scheme, authority=_glob(f"{host.lower()}{port}"), rest=_glob(f"{path or '/'}{query}"))

    def matches(self, target: _Target) -> bool:
        """Return whether the pattern matches a target."""
        if target.scheme != self.scheme or (self.authority is None) != (target.host is None):
            return False
        return self.rest.fullmatch(target.rest) is not None and (
            self.authority is None or self.authority.fullmatch(target.authority) is not None
        )


def _glob(text: str) -> re.Pattern[str]:
    """Return the regular expression of a glob: `**` is anything, `*` anything without `.` and `/`."""
    parts = re.split(r"(\*+)", text)
    return re.compile("".join(_wildcard(part) if part.startswith("*") else re.escape(part) for part in parts))


def _wildcard(stars: str) -> str:
    return "[^./]*" if stars == "*" else ".*"


def _read(text: str) -> _Target | None:
    """Return a target in one spelling, without its fragment; None if browsers could read it in different ways."""
    if len(text) > LONGEST_TARGET or not _PRINTABLE.fullmatch(text):
        return None
    address = text.partition("#")[0]
    if web := _WEB.fullmatch(address):
        return _read_web(web)
    app = _OF_AN_APP.fullmatch(address)
    if app is None or app["scheme"].lower() in _NEVER or app["scheme"].lower() in _DEFAULT_PORTS:
        return None
    return _Target(scheme=app["scheme"].lower(), host=None, port=None, rest=app["rest"])


def _read_web(found: re.Match[str]) -> _Target | None:
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    path = found["path"] or "/"
    if not 0 < port <= _LARGEST_PORT or any(_DOT_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        return None
    return _Target(scheme=scheme, host=host, port=port, rest=f"{path}{found['query'] or ''}")


def _ipv4(host: str | None) -> IPv4Address | None:
    """Return the address that a host is in its usual spelling, four decimal numbers; None if it is none."""
    try:
        return IPv4Address(host or "")
    except AddressValueError:
        return None
