"""Every path without an endpoint: 404 in the envelope of the API that the path belongs to."""

from gerbang.apis.by_path import api_of
from gerbang.apis.gotrue import unavailable
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("$default")


@endpoint.operation("ANY", api_of, errors=unavailable.ERRORS)
def not_found(call: Call[None, None]) -> None:
    """Answer 404, or say that a feature of Supabase Auth is not available."""
    raise unavailable.error_of(call.request.path)


handler = endpoint.handler()
