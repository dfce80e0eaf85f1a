"""The key set is empty if tokens are signed with a secret."""

import pytest

from tests.wire.client import Client


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json"])
def test_a_secret_key_is_not_published(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status == 200
    assert answer.json == {"keys": []}
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
