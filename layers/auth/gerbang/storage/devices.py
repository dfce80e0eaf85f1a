"""The devices that have signed in to an account: digests on the account itself, stored by the sign-in's own write.

A device is a User-Agent without version numbers, together with a large network: the first 16 bits of an IPv4 address,
the first 32 of an IPv6 address. Nothing is stored on the device, and digests of different accounts cannot be compared.
(docs/decisions/0043-devices.md)
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
    """Return the digest of a client's device for one account."""
    kind = _VERSION.sub("", client.device[:LONGEST_USER_AGENT])
    return sha256(f"{user_id}\0{kind}\0{_large_network(client.address)}".encode()).hexdigest()[:_DIGEST_CHARACTERS]


def is_new_device(user: User, client: Client) -> bool:
    """Return whether other devices have signed in to an account, and this one has not."""
    return bool(user.devices) and device_of(user.user_id, client) not in user.devices


def with_device(user: User, client: Client) -> User:
    """Return an account with the device of a sign-in added. Guests' devices are not remembered."""
    device = device_of(user.user_id, client)
    if device in user.devices or user.is_anonymous:
        return user
    return replace(user, devices=(device, *user.devices)[:MOST_DEVICES])


def learned_device(user: User, client: Client) -> dict[str, Value]:
    """Return the change that adds the device of a sign-in to an account, empty if the account has it."""
    updated = with_device(user, client)
    return {} if updated is user else {"devices": to_value(updated.devices)}


def _large_network(address: str) -> str:
    """Return the large network that an address is in. The address may be a network already (`network_of`)."""
    try:
        parsed = ip_address(address.partition("/")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv4Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))
