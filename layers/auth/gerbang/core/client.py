"""The client of a request: its address for limits, its device and language for sessions and mails."""

from ipaddress import IPv4Address, ip_address, ip_network

from gerbang.core.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The client of a request, as API Gateway describes it."""

    address: str
    """Its address, as limits count it (`network_of`)."""
    device: str = ""
    """The User-Agent."""
    locale: str | None = None
    """The language that the request asks for, if mails are written in it; otherwise None."""


def network_of(address: str) -> str:
    """Return the text that limits count a client address by: an IPv4 address itself, the /64 of an IPv6 address.

    A client with one IPv6 address has 2^64 of them (RFC 6177), so a limit on single addresses would have no effect.
    IPv4 written as IPv6, `::ffff:192.0.2.1`, is IPv4 (RFC 4291, section 2.5.5.2). Otherwise all such clients would
    share one limit. Text that is not an address is returned unchanged.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
