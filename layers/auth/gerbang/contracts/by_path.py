"""Paths without a route: answered in the envelope of the contract they lie under."""

from gerbang import edge


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal in the contract of the request's path; outside all of them, in BotLaunch's."""
    path = f"{request.path}/"
    if path.startswith("/auth/v1/"):
        from gerbang.contracts import gotrue  # noqa: PLC0415 - one of three is needed

        return gotrue.render(error, request)
    if path.startswith("/auth/"):
        from gerbang.contracts import atourin  # noqa: PLC0415

        return atourin.render(error, request)
    from gerbang.contracts import botlaunch  # noqa: PLC0415

    return botlaunch.render(error, request)


anything = edge.endpoint(edge.ANY, render)
"""Makes a handler of any method in the contract of the path."""
