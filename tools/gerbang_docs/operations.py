"""What the documents say about each operation, from its declaration."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from gerbang.apis.by_path import api_of
from gerbang.apis.fields import PASSWORD_POLICY, Body
from gerbang.core.errors import FieldError
from gerbang.http.conditions import BodyGives, BodyHas, IsForm, PathIs, QueryIs, QueryIsAndBodySets
from gerbang.http.endpoint import Operation
from gerbang.http.errors import Api, Problem
from gerbang.http.request import Request
from gerbang_local.declarations import DEFAULT_PATH, code_of_class, endpoints

EVERY_API: Final = "All APIs"
"""The name of the API of operations that belong to none: keys, documents."""

_WITHOUT_JSON: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.SEE_OTHER}
_WAIT: Final = {"retry-after": "30"}
_BODY_ERRORS: Final = ("bad_json", "request_entity_too_large", "unsupported_media_type", "validation_failed")
_NAMES_FIELDS: Final = frozenset({"validation_failed", "weak_password", "email_address_invalid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedError:
    """An error that an operation may answer."""

    code: str
    status: int
    message: str
    body: Mapping[str, Any]
    """What is answered, as an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """An operation at one of its endpoint's paths."""

    path: str
    operation: Operation
    api: Api
    is_shared: bool
    """Whether several operations have this path and method."""

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return self.operation.method

    @property
    def api_name(self) -> str:
        """The API that it belongs to, as documents call it."""
        return self.api.name if isinstance(self.operation.api, Api) else EVERY_API

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters by which it is chosen among the operations of its path."""
        match self.operation.when:
            case QueryIs(name, value) | QueryIsAndBodySets(name, value, _):
                return {name: value}
            case _:
                return {}

    @property
    def chosen_by(self) -> tuple[str, ...]:
        """The fields of the body by which it is chosen."""
        match self.operation.when:
            case BodyHas(member) | QueryIsAndBodySets(_, _, member):
                return (member,)
            case BodyGives(members):
                return members
            case _:
                return ()

    @property
    def required_by_choice(self) -> tuple[str, ...]:
        """The fields of the body that it needs to be chosen, though its model does not require them."""
        return self.chosen_by[:1]

    @property
    def set_to_true(self) -> tuple[str, ...]:
        """The fields of the body that must be true."""
        return (self.operation.when.member,) if isinstance(self.operation.when, QueryIsAndBodySets) else ()

    @property
    def key(self) -> str:
        """A short name that is unique among all operations; links to the page and the reference have it."""
        words = [self.method.lower(), *re.findall(r"[A-Za-z0-9]+", self.path), *self.query.values()]
        if self.is_shared and not (self.query and not self.chosen_by):
            words.append(self.operation.run.__name__)
        return "-".join(words).replace("_", "-").lower()

    @property
    def choice(self) -> str:
        """What chooses it among the operations of its path and method, with its API."""
        return ", ".join([self.api_name, *self.conditions])

    @property
    def conditions(self) -> tuple[str, ...]:
        """What chooses it among the operations of its path and method, as documents write it."""
        match self.operation.when:
            case QueryIs(name, value):
                return (f"`{name}={value}`",)
            case QueryIsAndBodySets(name, value, member):
                return (f"`{name}={value}`", f"`{member}: true`")
            case BodyHas(member):
                return (f"`{member}`",)
            case BodyGives(members):
                return (" / ".join(f"`{member}`" for member in members),)
            case IsForm():
                return ("`application/x-www-form-urlencoded`",)
            case _:
                return ()

    @property
    def common_summary(self) -> str:
        """What the operations of its endpoint do: the text of the module after its methods and path."""
        first_line = str(self.operation.run.__globals__["__doc__"]).partition("\n")[0]
        summary = first_line.partition(": ")[2].rstrip(".")
        return summary[:1].upper() + summary[1:]

    @property
    def answers(self) -> bool:
        """Whether it does anything except raise an error."""
        return self.operation.response is not None or self.operation.status in _WITHOUT_JSON

    @property
    def model(self) -> type[Body] | None:
        """The model of the request's body."""
        model = self.operation.request
        return model if model is not None and issubclass(model, Body) else None

    @property
    def read_model(self) -> type[Body]:
        """The model of the request's body, for operations that have one."""
        if self.model is None:
            raise TypeError(f"{self.key} reads no body")
        return self.model

    def errors(self) -> tuple[DocumentedError, ...]:
        """Return the errors that it may answer, by status and code."""
        specs = {**self.api.errors, **self.operation.overrides}
        request = Request(method=self.method, path=self.path)
        documented_errors: list[DocumentedError] = []
        for code in sorted(self._codes(), key=lambda code: (specs[code].status, code)):
            spec = specs[code]
            problem = Problem(
                code=code,
                status=spec.status,
                message=spec.message,
                field_errors=self._field_errors(code),
                rule="common" if code == "weak_password" else None,
                headers=_WAIT if spec.status is HTTPStatus.TOO_MANY_REQUESTS else {},
            )
            body = {name: value for name, value in self.api.envelope(problem, request).items() if name != "error_id"}
            documented_errors.append(
                DocumentedError(code=code, status=spec.status.value, message=spec.message, body=body)
            )
        return tuple(documented_errors)

    def _codes(self) -> frozenset[str]:
        operation = self.operation
        codes = {"service_unavailable", *operation.caller.errors}
        codes |= {code_of_class(error) for error in operation.errors}
        if self.model is not None:
            codes |= {*_BODY_ERRORS}
            if {"email", "new_email"} & self.model.model_fields.keys():
                codes.add("email_address_invalid")
            if PASSWORD_POLICY in operation.context:
                codes.add("weak_password")
        elif self.is_shared:  # another operation's condition reads the body
            codes |= {*_BODY_ERRORS} - {"validation_failed"}
        return frozenset(codes)

    def _field_errors(self, code: str) -> tuple[FieldError, ...]:
        if code not in _NAMES_FIELDS:
            return ()
        if code == "email_address_invalid":
            return (FieldError("email", "The email address is not valid"),)
        fields = () if self.model is None else self.model.model_fields.items()
        names = [field.alias or name for name, field in fields if code != "weak_password" or "password" in name]
        if code == "weak_password":
            return (FieldError(names[-1] if names else "password", "This password is too common."),)
        if not names:
            parameters = [each.name for each in self.operation.parameters]
            names = [*self.operation.caller.credentials[1:], *parameters, *re.findall(r"\{(\w+)\}", self.path)]
            names = [name for name in names if " " not in name]
        return (FieldError(names[0] if names else "email", "Field required"),)


@cache
def documented() -> tuple[Documented, ...]:
    """Return every operation at every path, in the template's order."""
    return tuple(_documented())


def _documented() -> Iterator[Documented]:
    for endpoint in endpoints().values():
        for path in endpoint.paths:
            if path == DEFAULT_PATH:
                continue
            own = {each.when.path for each in endpoint.operations if isinstance(each.when, PathIs)}
            here = [each for each in endpoint.operations if _is_at(each, path, own)]
            for operation in here:
                api = operation.api if isinstance(operation.api, Api) else api_of(Request(method="GET", path=path))
                shares = sum(each.method == operation.method for each in here) > 1
                yield Documented(path=path, operation=operation, api=api, is_shared=shares)


def _is_at(operation: Operation, path: str, own: set[str]) -> bool:
    """Return whether an operation is at a path of its endpoint; *own* are the paths with operations of their own."""
    return operation.when.path == path if isinstance(operation.when, PathIs) else path not in own
