"""The fields of requests for tables: name, type, whether it is required, and its meaning."""

from collections.abc import Mapping
from typing import Final

from gerbang_docs.operations import Documented
from gerbang_docs.samples import request_schema
from gerbang_docs.schemas import Json

ABOUT: Final[Mapping[str, str]] = {
    "email": "The e-mail address of the account.",
    "username": "3 to 30 letters, digits, `_`, `.` or `-`.",
    "password": "The password of the account.",
    "new_password": "The new password: 8 characters or more.",
    "current_password": "The password so far.",
    "name": "The user's name: 1 to 200 characters.",
    "organizationName": "The name of the organization; without it, the user's name.",
    "refreshToken": "The refresh token of the latest answer; each works once.",
    "refresh_token": "The refresh token of the latest answer; each works once.",
    "otp": "The six digits of the mail.",
    "token": "The code or token of the mail.",
    "token_hash": "The token of the mail's link, in place of address and code.",
    "type": "What the mail was for.",
    "id_token": "The ID token of the provider.",
    "google_id": "The user's id at Google.",
    "provider": "The provider of the ID token.",
    "client_id": "The client id that the token was issued for.",
    "issuer": "The issuer of the token.",
    "nonce": "The nonce of the ID token, or the code of the mail that confirms a new password.",
    "access_token": "The provider's access token, if the ID token has its hash.",
    "link_identity": "Whether to link the identity to the account of the access token.",
    "auth_code": "The code that the link has brought to your app.",
    "code_verifier": "The verifier of the challenge (PKCE).",
    "code_challenge": "The challenge of the client (PKCE).",
    "code_challenge_method": "How the challenge was made: `s256` or `plain`.",
    "data": "What the user keeps with the account: 8 KiB of JSON at most.",
    "user_metadata": "What the user keeps with the account: 8 KiB of JSON at most.",
    "app_metadata": "What you keep with the account: 2 KiB of JSON at most.",
    "phone": "Not supported: send an e-mail address.",
    "channel": "Not supported: send an e-mail address.",
    "create_user": "Whether an unknown address gets an account.",
    "gotrue_meta_security": "The solved CAPTCHA, where the deployment asks for one.",
    "new_email": "The new address, for the links that confirm it.",
    "redirect_to": "The page of your app that the mailed link leads to.",
    "password_hash": "The hash of an old system's password.",
    "email_confirm": "Whether the address counts as verified.",
    "ban_duration": "How long the user is kept out, such as `24h`; `none` lets the user in.",
    "role": "`authenticated`, for every user.",
    "aud": "The audience of the deployment's tokens.",
    "id": "The id of the account: a UUID.",
    "mfa_token": "The token of the sign-in's answer.",
    "mfaToken": "The token of the sign-in's answer.",
    "code": "Six digits of the code app, or a recovery code.",
    "factor_type": "`totp`: a code app. Others are not supported.",
    "friendly_name": "The name of the factor, for the user.",
    "EnrolRequest.issuer": "The name that the code app shows beside the code.",
    "challenge_id": "The id of the challenge's answer.",
    "OrganizationRequest.name": "The name of the organization.",
    "RoleRequest.role": "The role of the member.",
    "InvitationRequest.role": "The role of the member.",
    "InvitationRequest.email": "The e-mail address to invite.",
    "AcceptRequest.token": "The token of the invitation's mail.",
    "AcceptAndRegisterRequest.token": "The token of the invitation's mail.",
    "should_soft_delete": "Must be `false`: users are deleted for good.",
}
"""What a field is for, by its name or its model and name. A field that is not here is shown without."""

_NEW_PASSWORDS: Final[Mapping[str, str]] = {
    "BotLaunch": "8 characters or more, with an upper-case letter and a digit; none of the commonest.",
}
_NEW_PASSWORD: Final = "8 characters or more; none of the commonest."  # noqa: S105 - a rule

type Field = tuple[str, str, bool, str]


def fields_of(each: Documented) -> list[Field]:
    """Return the fields of an operation's body: name, type, whether it is required, what it is for."""
    schema = request_schema(each)
    if schema is None:
        return []
    required = {*schema.get("required", ()), *each.required_by_choice}
    fields = [
        (name, type_of(member), name in required, _about(each, name, member))
        for name, member in schema["properties"].items()
    ]
    return sorted(fields, key=lambda field: not field[2])


def _about(each: Documented, name: str, schema: Json) -> str:
    if name == "password" and schema.get("format") == "password":
        return _NEW_PASSWORDS.get(each.api_name, _NEW_PASSWORD)
    return ABOUT.get(f"{each.read_model.__name__}.{name}", ABOUT.get(name, ""))


def type_of(schema: Json) -> str:
    """Return the type of a field in one word, or its values."""
    for branch in schema.get("anyOf", ()):
        if branch.get("type") != "null" and "const" not in branch:
            return type_of(branch)
    if "enum" in schema:
        return " | ".join(schema["enum"])
    kinds = schema.get("type", "object")
    return str(kinds if isinstance(kinds, str) else kinds[0])


def all_texts() -> list[str]:
    """Return every text that tables of fields may show."""
    return [*dict.fromkeys([*ABOUT.values(), *_NEW_PASSWORDS.values(), _NEW_PASSWORD])]
