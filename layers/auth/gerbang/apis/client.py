"""Who is calling, read from a request."""

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

from gerbang.apis.languages import locale_of
from gerbang.http.edge import Request
from gerbang.sessions.sessions import Client

_MAPPED_IPV4: Final = bytes(10) + b"\xff\xff"
"""How an IPv6 address begins that is an IPv4 address, `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2)."""


def client_of(request: Request) -> Client:
    """Return the client as the limits count it and the session remembers it."""
    return Client(address=network_of(request.source_ip), device=request.user_agent, locale=locale_of(request))


def network_of(address: str) -> str:
    """Return what of an address tells clients apart: all of IPv4, the first 64 bits of IPv6.

    Whoever has one IPv6 address has 2^64 of them (RFC 6177): counting single ones would count nothing. IPv4 written as
    IPv6 is IPv4: else everybody behind such a socket would be one client.
    """
    if ":" not in address:
        return address
    try:
        octets = inet_pton(AF_INET6, address)
    except OSError:  # no address at all: counted as it is
        return address
    if octets.startswith(_MAPPED_IPV4):
        return inet_ntop(AF_INET, octets.removeprefix(_MAPPED_IPV4))
    return f"{inet_ntop(AF_INET6, octets[:8] + bytes(8))}/64"
