"""$default: whatever path has no route, answered in the envelope of the contract it lies under."""

from gerbang.apis import atourin, botlaunch, by_path, gotrue  # noqa: F401  # pyright: ignore[reportUnusedImport] - paths lie under any
from gerbang.http import edge


@by_path.anything
def handler(_request: edge.Request) -> edge.Response:
    """Say that there is nothing here."""
    raise edge.NoSuchPath
