"""Every path without an endpoint: 404 in the envelope of the API that the path belongs to."""

from gerbang.apis.by_path import api_of
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath

endpoint = Endpoint("$default")


@endpoint.operation("ANY", api_of, errors=(NoSuchPath,))
def not_found(_call: Call[None, None]) -> None:
    """Answer 404."""
    raise NoSuchPath


handler = endpoint.handler()
