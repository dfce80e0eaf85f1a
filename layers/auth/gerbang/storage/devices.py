"""Which devices have signed in to an account: a few digests on the account itself, written by the sign-in's own write.

A device is what the client calls itself, without the numbers of its versions, and roughly where it is: the first 16
bits of an IPv4 address, the first 32 of an IPv6 address. Nothing is kept on the device, and a digest of one account
cannot be compared with one of another. (docs/decisions/0043-devices.md)
"""

import re
from dataclasses import replace
from hashlib import sha256
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

from gerbang.core.client import Client
from gerbang.core.user_agents import LONGEST_USER_AGENT
from gerbang.storage.accounts import User
from gerbang.storage.records import to_value
from gerbang.storage.store import Value

MOST_DEVICES: Final = 16
"""How many devices of an account are remembered, the newest."""

_DIGEST_CHARACTERS: Final = 12
"""48 bits: of 16 devices, a new one is taken for a known one by chance once in 10^13."""

_VERSION: Final = re.compile(r"\d[\d._]*")
_NETWORK_BITS: Final = {4: 16, 6: 32}


def device_of(user_id: str, client: Client) -> str:
    """Return the digest of the device that a client is, for one account."""
    kind = _VERSION.sub("", client.device[:LONGEST_USER_AGENT])
    return sha256(f"{user_id}\0{kind}\0{_place(client.address)}".encode()).hexdigest()[:_DIGEST_CHARACTERS]


def is_new_device(user: User, client: Client) -> bool:
    """Say whether other devices have signed in to an account, and this one has not."""
    return bool(user.devices) and device_of(user.user_id, client) not in user.devices


def with_device(user: User, client: Client) -> User:
    """Return an account as it is once it has learnt the device of a sign-in. Guests' devices are not remembered."""
    device = device_of(user.user_id, client)
    if device in user.devices or user.is_anonymous:
        return user
    return replace(user, devices=(device, *user.devices)[:MOST_DEVICES])


def learned_device(user: User, client: Client) -> dict[str, Value]:
    """Return the change by which an account learns the device of a sign-in, empty if it knows the device."""
    learned = with_device(user, client)
    return {} if learned is user else {"devices": to_value(learned.devices)}


def _place(address: str) -> str:
    """Return roughly where an address is. It may be a network already (`network_of`)."""
    try:
        parsed = ip_address(address.partition("/")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv4Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))
