"""The OpenAPI document as it is served."""

from tests.wire.client import Client


def test_the_document_names_the_api_that_serves_it(client: Client) -> None:
    answer = client.get("/openapi.json")

    assert answer.status == 200
    assert [server["url"] for server in answer.json["servers"]] == [f"http://127.0.0.1:{client.port}"]
