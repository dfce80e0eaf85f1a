"""$default: whatever path has no route, answered in the envelope of the contract it lies under."""

from gerbang import edge
from gerbang.contracts import by_path


@by_path.anything
def handler(request: edge.Request) -> edge.Response:
    """Say that there is nothing here."""
    raise edge.NoSuchPath(request.path)
