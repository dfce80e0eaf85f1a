"""A client of Supabase Auth's endpoints for administrators."""

import json
from collections.abc import Mapping
from copy import replace
from types import MappingProxyType
from typing import Any, Final

from gerbang.sessions.api_keys import ApiKeys

from tests.deployment import Deployment
from tests.fakes import FakeSecretText
from tests.gateway_events import body_of, http_event
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY, handler_of

USERS: Final = "/auth/v1/admin/users"
CAROL: Final = "carol@example.com"


class Admin:
    """Calls the endpoints with the secret key, unless a test sends other headers."""

    def __init__(self, base: Deployment) -> None:
        self.base = replace(base, api_keys=ApiKeys(PUBLISHABLE_KEY, FakeSecretText(SECRET_KEY), base.clock))
        self.headers: dict[str, str | None] = {"apikey": SECRET_KEY, "authorization": f"Bearer {SECRET_KEY}"}
        self._handlers: dict[str, Any] = {}

    def ask(
        self,
        method: str,
        user_id: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] = MappingProxyType({}),
    ) -> dict[str, Any]:
        folder = "auth/v1/admin/users" if user_id is None else "auth/v1/admin/users/one"
        if folder not in self._handlers:
            self._handlers[folder] = handler_of(folder, self.base)
        sent = {name: value for name, value in (self.headers | dict(headers)).items() if value is not None}
        event = http_event(
            None if body is None else json.dumps(body),
            method=method,
            path=USERS if user_id is None else f"{USERS}/{{user_id}}",
            headers=sent | {"content-type": "application/json"},
            query=query,
            **({} if user_id is None else {"pathParameters": {"user_id": user_id}}),
        )
        answer: dict[str, Any] = self._handlers[folder](event, None)
        return answer

    def __call__(self, method: str, user_id: str | None = None, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = self.ask(method, user_id, body or None)
        return answer["statusCode"], body_of(answer)

    def create(self, **body: Any) -> dict[str, Any]:
        status, user = self("POST", **body)
        assert status == 200, user
        return user
