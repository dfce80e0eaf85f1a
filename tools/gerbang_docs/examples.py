"""Example values of requests and answers: those of the products' documentation, by the name of a field.

A field that is not here has an example by its type. tests/wire/test_examples.py sends the documented requests, and
tests/docs/test_openapi.py compares these examples with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

type Json = dict[str, Any]

TOKEN: Final = "eyJ\u2026"  # noqa: S105 - how every token begins
UUID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"
INSTANT: Final = "2026-03-23T06:39:34Z"

_COMMON: Final[Mapping[str, Any]] = {
    "email": "user@example.com",
    "name": "User Name",
    "password": "Secret1234",
    "otp": "123456",
    "accessToken": TOKEN,
    "refreshToken": TOKEN,
    "access_token": TOKEN,
    "refresh_token": TOKEN,
    "id_token": TOKEN,
    "token_type": "bearer",
    "expiresIn": 3600,
    "expires_in": 3600,
    "expires_at": 1705312800,
    "id": UUID,
    "user_id": UUID,
    "user_metadata": {"name": "User Name"},
    "status": True,
    "code": 200,
    "msg": "Ok",
    "openapi": "3.1.0",
    "mfa_token": TOKEN,
    "device": "Firefox on Ubuntu",
    "browser": "Firefox",
    "system": "Ubuntu",
    "address": "203.0.113.7",
    "method": "password",
    "friendly_name": "My phone",
    "challenge_id": UUID,
    "current": True,
    "recovery_codes": ["7k2m-p9qt-4xvw-e3rb"],
}

_TEXTS: Final[Mapping[str, str]] = {"code": "123456"}
"""Fields that are numbers elsewhere."""

_BY_API: Final[Mapping[str, Mapping[str, Any]]] = {
    "BotLaunch": {
        "organizationName": "Example",
        "role": "CLIENT_OWNER",
        "id": "usr_abc123",
        "FoundedOrganization.id": "org_abc123",
        "FoundedOrganization.name": "Example",
        "OrganizationData.id": "org_abc123",
        "OrganizationData.name": "Example",
        "organizationId": "org_abc123",
        "createdAt": INSTANT,
        "OrganizationRequest.name": "Example",
        "InvitationRequest.role": "CLIENT_MEMBER",
        "RoleRequest.role": "CLIENT_ADMIN",
        "mfaToken": TOKEN,
        "userId": "usr_abc123",
        "invitedBy": "usr_abc123",
        "InvitationData.id": UUID,
        "OwnSession.id": UUID,
    },
    "SnapOTP": {
        "username": "johndoe",
        "email": "john@example.com",
        "password": "secret123",
        "current_password": "secret123",
        "new_password": "newpassword123",
        "ResetPasswordRequest.token": "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kM9nP2rS5tV8xY1zA4cD7fG0hJ3kL",
        "ResetPasswordRequest.password": "newpassword123",
        "name": "John Doe",
        "google_id": "110169484474386276334",
        "token": TOKEN,
        "id": 1,
        "credit_balance": 5000,
        "role_id": 3,
    },
    "Atourin": {
        "created_at": INSTANT,
        "RegistrationResponse.info": "Pendaftaran berhasil, silakan cek email untuk verifikasi",
        "Registration.info": "Pendaftaran berhasil, silakan cek email untuk verifikasi",
    },
    "Supabase Auth": {
        "aud": "authenticated",
        "role": "authenticated",
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "identity_data": {"sub": UUID, "email": "user@example.com", "email_verified": True, "phone_verified": False},
        "identity_id": "85c30ab1-5a10-5b9c-9e3b-3dc4d4d2b4a2",
        "provider": "email",
        "IdTokenRequest.provider": "google",
        "token": "123456",
        "hashed_token": "pkce_9f86d081884c7d65",
        "email_otp": "123456",
        "verification_type": "magiclink",
        "action_link": "https://api.example.com/auth/v1/verify?token=9f86d081884c7d65&type=magiclink",
        "redirect_to": "https://app.example.com/welcome",
        "auth_code": "9f86d081-884c-7d65-9a2f-eaa0c55ad015",
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "data": {"name": "User Name"},
        "type": "email",
        "ResendRequest.type": "signup",
        "GenerateLinkRequest.type": "magiclink",
        "ban_duration": "24h",
        "email_confirm": True,
        "HealthResponse.name": "Gerbang",
        "HealthResponse.version": "0.1.0",
        "HealthResponse.description": "Gerbang speaks the API of Supabase Auth.",
        "external": {"anonymous_users": True, "email": True, "google": False, "phone": False},
        "mailer_autoconfirm": False,
        "sms_provider": "",
        "HalfConfirmedResponse.code": "200",
        "HalfConfirmedResponse.msg": "Confirmed. Enter the code that was mailed to the other address, too.",
    },
}

MESSAGES: Final[Mapping[str, str]] = {
    "log_in_by_email": "Login successful",
    "register_organization": "Registration successful",
    "refresh_botlaunch": "Token refreshed",
    "log_out": "Logout successful",
    "log_out_everywhere": "Logout successful",
    "complete_at_botlaunch": "Login successful",
    "complete": "Success login",
    "register_and_join": "Login successful",
    "join": "Invitation accepted",
    "list_sessions": "Sessions found",
    "end_session": "Session ended",
    "list_organizations": "Organizations found",
    "found_organization": "Organization founded",
    "rename_organization": "Organization changed",
    "delete_organization": "Organization deleted",
    "list_members": "Members found",
    "change_role": "Role changed",
    "remove_member": "Member removed",
    "list_invitations": "Invitations found",
    "invite": "Invitation sent",
    "revoke_invitation": "Invitation revoked",
    "show_organization": "Organization found",
    "forgot_password": "If the address has an account, a mail with a reset token is on its way",
    "reset_password": "The password was changed. Sign in with it.",
    "change_password": "The password was changed. Other sessions have ended.",
    "request_code": "Success send OTP",
    "redeem_code": "Success verify OTP",
    "log_in": "Success login",
    "verify_legacy_password": "Success verify and migrate legacy user",
    "admit_guest": "Success login anonymous",
}
"""The text of an answer (`message`, `info`), by the operation's function."""

_SIGNED_OUT: Final = "Success logout user"

_ALSO: Final[Mapping[str, frozenset[str]]] = {"register_organization": frozenset({"organization"})}
"""Optional fields that an example of an answer has, by the operation's function."""

_LEFT_OUT: Final = frozenset(
    {
        *("phone", "channel", "nonce", "current_password", "code_challenge", "code_challenge_method", "captcha_token"),
        *("token_hash", "client_id", "issuer", "access_token", "link_identity", "password_hash", "role", "aud", "id"),
        *("gotrue_meta_security", "new_email", "redirect_to", "ban_duration", "app_metadata", "create_user"),
        *("should_soft_delete",),
    }
)
"""Optional fields of requests that examples leave out."""

_CHANGES: Final[Mapping[str, frozenset[str]]] = {
    "UserRequest": frozenset({"data"}),
    "EditUserRequest": frozenset({"user_metadata"}),
    "GoogleRequest": frozenset({"google_id", "email", "name", "id_token"}),
    "GenerateLinkRequest": frozenset({"type", "email"}),
    "DeleteUserRequest": frozenset(),
}
"""The only fields of an example, for some requests."""


def request_example(schema: Json, *, api: str, model: str) -> Json:
    """Return an example of a request body: the required fields, and the usual ones of the others."""
    required = set(schema.get("required", ()))
    chosen = _CHANGES.get(model)
    names = [
        name
        for name in schema["properties"]
        if (name in chosen if chosen is not None else name in required or name not in _LEFT_OUT)
    ]
    return {name: _value(schema["properties"][name], api=api, model=model, name=name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerExample:
    """Makes the example of one operation's answer."""

    api: str
    function: str
    prefix: str
    """What the names of the API's schemas begin with."""
    definitions: Mapping[str, Json]
    """The schemas, by their names."""

    def of(self, schema: Json) -> Any:
        """Return an example of a schema, which is a reference to an object's schema, or a list of these."""
        return [self._object(schema["items"])] if "items" in schema else self._object(schema)

    def _object(self, reference: Json) -> Json:
        """Return the example of an object: its required fields, and the optional ones of the operation."""
        name = str(reference["$ref"]).rpartition("/")[2]
        schema, model = self.definitions[name], name.removeprefix(self.prefix)
        wanted = {*schema.get("required", ()), *_ALSO.get(self.function, ())}
        return {
            member: self._member(model, member, what)
            for member, what in schema.get("properties", {}).items()
            if member in wanted
        }

    def _member(self, model: str, name: str, schema: Json) -> Any:
        given = _given(self.api, model, name, schema)
        if given is not None:
            return given
        if name in {"message", "info"} and schema.get("type") == "string":
            return message_of(self.function, self.api)
        if "$ref" in schema or "$ref" in schema.get("items", {}):
            return self.of(schema)
        return _value(schema, api=self.api, model=model, name=name)


def message_of(function: str, api: str) -> str:
    """Return the text of an operation's answer, by the operation's function."""
    return _SIGNED_OUT if (function, api) == ("log_out", "Atourin") else MESSAGES.get(function, "Ok")


def _given(api: str, model: str, name: str, schema: Json) -> Any:
    own = _BY_API.get(api, {})
    for table, key in ((own, f"{model}.{name}"), (own, name), (_COMMON, name), (_TEXTS, name)):
        if key in table and _fits(table[key], schema):
            return table[key]
    return None


_KINDS: Final = {str: "string", bool: "boolean", int: "integer", dict: "object", list: "array"}


def _fits(value: Any, schema: Json) -> bool:
    """Return whether an example fits a field: fields of one name may have different types."""
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kinds = schema.get("type")
    return kinds is None or _KINDS[type(value)] in ([kinds] if isinstance(kinds, str) else kinds)


def _value(schema: Json, *, api: str, model: str, name: str) -> Any:
    """Return an example of a field: the one above, or else one by its type."""
    given = _given(api, model, name, schema)
    if given is not None:
        return given
    if "const" in schema:
        return schema["const"]
    choices: Sequence[Any] = schema.get("enum", ())
    if choices:
        return choices[0]
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "string":
        return {"email": _COMMON["email"], "uuid": UUID}.get(
            schema.get("format", ""), INSTANT if name.endswith(("_at", "At")) else name
        )
    by_kind: Json = {"integer": 1, "number": 1, "boolean": False, "object": {}, "array": []}
    return by_kind[kind]
