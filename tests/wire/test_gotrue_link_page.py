"""The confirmation page that links in mails can show first."""

from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from tests.wire.client import new_clients
from tests.wire.gotrue import fragment_of, new_link
from tests.wire.server import running_with_control
from tests.wire.world import World


@pytest.fixture(scope="module")
def confirming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose links show a confirmation page."""
    folder = tmp_path_factory.mktemp("confirming")
    with running_with_control(folder, PARAMETERS="LinkConfirmationPage=true PasswordHashCost=10") as (server, control):
        new_client = new_clients(server.port, network=9)
        yield World(server=server, control=control, client=new_client(), new_client=new_client)


def test_a_link_is_spent_by_the_button_on_the_page_and_not_by_opening_it(confirming: World) -> None:
    _, link = new_link(confirming)

    pages = [confirming.client.get(link, accept_language="it") for _ in range(3)]

    for page in pages:
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-store"
        assert 'lang="it"' in page.raw.decode()
        assert "<script" not in page.raw.decode()
        nonce = page.headers["content-security-policy"].partition("nonce-")[2].partition("'")[0]
        assert f'<style nonce="{nonce}">' in page.raw.decode()
    assert len({page.headers["content-security-policy"] for page in pages}) == 3

    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = urlsplit(link).query.encode()
    submitted = confirming.client.request("POST", "/auth/v1/verify", body=form, headers=headers)
    assert "access_token" in fragment_of(submitted)
    again = confirming.client.request("POST", "/auth/v1/verify", body=form, headers=headers)
    assert fragment_of(again)["error_code"] == "otp_expired"


def test_query_parameters_are_escaped_on_the_page(confirming: World) -> None:
    query = urlencode({"token": '"><script>alert(1)</script>', "type": "signup", "redirect_to": '"><b>'})

    page = confirming.client.get(f"/auth/v1/verify?{query}").raw.decode()

    assert "<script" not in page
    assert "<b>" not in page
    assert "&quot;&gt;&lt;script&gt;" in page


def test_an_invalid_form_is_an_error(confirming: World) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    for body, status in ((b"", 400), (b"token=x", 400), (b"\xff", 400), (b"a=b&" * 20, 400), (b"a" * 20_000, 413)):
        assert confirming.client.request("POST", "/auth/v1/verify", body=body, headers=headers).status == status
