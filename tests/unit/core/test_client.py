"""gerbang.core.client: clients are counted by network, so that an IPv6 network is not 2^64 clients."""

import pytest
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.client import Client, network_of
from gerbang.limits.rate_limits import TooManyAttempts

from tests.deployment import ALICE, Deployment, by_email
from tests.unit.mail_deployment import with_mail


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "192.0.2.1"),
        ("::192.0.2.1", "::/64"),
        ("", ""),
        ("test:invoke", "test:invoke"),
    ],
)
def test_an_ipv6_address_is_counted_by_its_network(address: str, network: str) -> None:
    """A client with one IPv6 address has 2^64 of them (RFC 6177)."""
    assert network_of(address) == network


def guesses_until_limit(deployment: Deployment, addresses: list[str]) -> int:
    """Return how many wrong passwords of one account are checked, each from the next address."""
    for checked, address in enumerate(addresses):
        try:
            deployment.sign_in.sign_in(by_email(password="a guess"), Client(address=network_of(address)))
        except InvalidCredentials:
            continue
        except TooManyAttempts:
            return checked
    return len(addresses)


def test_addresses_of_one_ipv6_network_share_a_limit(deployment_in_memory: Deployment) -> None:
    deployment_in_memory.register(ALICE)
    addresses_of_network = [f"2001:db8:1:2:{number:x}::{number:x}" for number in range(1, 13)]

    assert guesses_until_limit(deployment_in_memory, addresses_of_network) == 10
    assert guesses_until_limit(deployment_in_memory, ["2001:db8:1:2::ffff"]) == 0


def test_neighbouring_ipv6_networks_have_separate_limits(deployment_in_memory: Deployment) -> None:
    deployment_in_memory.register(ALICE)
    networks = [f"2001:db8:1:{number:x}::1" for number in range(1, 13)]

    assert guesses_until_limit(deployment_in_memory, networks) == 12


def test_addresses_of_one_ipv4_network_have_separate_limits(deployment_in_memory: Deployment) -> None:
    deployment_in_memory.register(ALICE)
    addresses_of_network = [f"198.51.100.{number}" for number in range(1, 13)]

    assert guesses_until_limit(deployment_in_memory, addresses_of_network) == 12
    assert guesses_until_limit(deployment_in_memory, ["198.51.100.1"] * 10) == 9


@pytest.mark.parametrize("ask", ["request_code", "request_reset"])
def test_mail_limits_count_by_network_too(deployment_in_memory: Deployment, ask: str) -> None:
    request = getattr(with_mail(deployment_in_memory).mail_service, ask)

    for number in range(30):
        request(f"person-{number}@example.com", None, network_of(f"2001:db8::{number:x}"))
    with pytest.raises(TooManyAttempts):
        request("person-30@example.com", None, network_of("2001:db8::30"))
