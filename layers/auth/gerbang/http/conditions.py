"""Conditions on a request, by which an endpoint chooses one of its operations."""

from gerbang.core.dataclass import dataclass
from gerbang.http.request import Request


@dataclass(frozen=True, slots=True)
class BodyHas:
    """The condition that the JSON body has a member, and does not have another one."""

    member: str
    without: str | None = None

    def __call__(self, request: Request) -> bool:
        """Return whether it holds."""
        return self.member in request.body and self.without not in request.body


@dataclass(frozen=True, slots=True)
class BodyGives:
    """The condition that the JSON body has a value for one of these members. Null and empty text do not count."""

    members: tuple[str, ...]

    def __call__(self, request: Request) -> bool:
        """Return whether it holds."""
        return any(request.body.get(member) not in (None, "") for member in self.members)


@dataclass(frozen=True, slots=True)
class QueryIs:
    """The condition that a query parameter has a value."""

    name: str
    value: str

    def __call__(self, request: Request) -> bool:
        """Return whether it holds."""
        return request.query.get(self.name) == self.value


@dataclass(frozen=True, slots=True)
class IsForm:
    """The condition that the body is a form that a browser posted."""

    def __call__(self, request: Request) -> bool:
        """Return whether it holds."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        return media_type == "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class QueryIsAndBodySets:
    """The condition that a query parameter has a value, and a member of the JSON body is true."""

    name: str
    value: str
    member: str

    def __call__(self, request: Request) -> bool:
        """Return whether it holds."""
        return request.query.get(self.name) == self.value and request.body.get(self.member) is True


@dataclass(frozen=True, slots=True)
class PathIs:
    """The condition that a request is for one of its endpoint's paths."""

    path: str

    def __call__(self, request: Request) -> bool:
        """Return whether it holds."""
        return request.path == self.path


type Condition = BodyHas | BodyGives | QueryIs | QueryIsAndBodySets | IsForm | PathIs
"""Decides whether an operation is the one that a request asks for."""
