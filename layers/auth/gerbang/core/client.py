"""The client that sends a request, as limits count it and sessions remember it."""

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The client, as far as API Gateway knows."""

    address: str
    """What its address is counted by (`network_of`)."""
    device: str = ""
    """The User-Agent."""
    locale: str | None = None
    """The language that the request asks for, of those that mails are written in; None if it asks for none of them."""


def network_of(address: str) -> str:
    """Return what an address is counted by: an IPv4 address as it is, an IPv6 address by its first 64 bits.

    A client with one IPv6 address has 2^64 of them (RFC 6177), so a limit on single ones would limit nothing. IPv4
    written as IPv6, `::ffff:192.0.2.1`, is IPv4 (RFC 4291, section 2.5.5.2), or all such clients would share one limit.
    Text that is no address is returned as it is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
