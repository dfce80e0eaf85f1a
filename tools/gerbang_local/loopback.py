"""Which addresses and names are this machine's own."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit


def is_loopback(address: str) -> bool:
    """Return whether an IP address is a loopback address; an IPv6 socket names IPv4 peers as `::ffff:127.0.0.1`."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


def names_loopback(authority: str) -> bool:
    """Return whether `host` or `host:port` names this machine, independent of DNS (RFC 6761, section 6.3)."""
    try:
        host = (urlsplit(f"//{authority}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return host == "localhost" or host.endswith(".localhost") or is_loopback(host)
