"""gerbang.apis.gotrue.requests: how request bodies about one-time codes are read."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from gerbang.apis.gotrue.requests import OtpRequest, PhoneProviderDisabled, RecoverRequest, ResendRequest, VerifyRequest
from gerbang.core.emails import EmailAddress
from gerbang.http.request import InvalidFields
from gerbang.storage.metadata import LARGEST_USER_METADATA
from gerbang.storage.one_time_codes import Slot

ADDRESS: Final = "Mira@Example.com"
EXTRA_FIELDS: Final[Mapping[str, Any]] = {
    "gotrue_meta_security": {"captcha_token": None},
    "code_challenge": None,
    "code_challenge_method": None,
    "redirect_to": "https://app.example.com",
}
"""Fields that clients send and that are ignored."""

type Model = type[OtpRequest | ResendRequest | VerifyRequest]

MODELS: Final[Mapping[Model, Mapping[str, Any]]] = {
    OtpRequest: {},
    ResendRequest: {"type": "signup"},
    VerifyRequest: {"type": "email", "token": "123456"},
}
"""The models with an address, and the other fields that each one needs."""

for_every_model = pytest.mark.parametrize(("model", "more"), MODELS.items())


def invalid_fields(model: Model, body: Mapping[str, Any]) -> set[str]:
    """Return the names of the invalid fields."""
    with pytest.raises(InvalidFields) as error:
        model.read(body, {})
    return {each.field for each in error.value.field_errors}


@for_every_model
@pytest.mark.parametrize("nothing", [None, ""])
def test_a_field_that_is_null_or_empty_counts_as_missing(
    model: Model, more: Mapping[str, Any], nothing: str | None
) -> None:
    absent = dict.fromkeys({"phone", "channel", "data", "create_user", "token_hash"}, nothing)

    assert model.read({**EXTRA_FIELDS, **absent, **more, "email": ADDRESS}, {}).address == EmailAddress(ADDRESS)


@for_every_model
def test_exactly_one_of_email_and_phone_is_required(model: Model, more: Mapping[str, Any]) -> None:
    assert invalid_fields(model, more) == {"email"}
    assert invalid_fields(model, {**more, "email": "", "phone": None}) == {"email"}
    assert invalid_fields(model, {**more, "email": ADDRESS, "phone": "+6281234567"}) == {"phone"}


@for_every_model
def test_phone_numbers_are_not_supported(model: Model, more: Mapping[str, Any]) -> None:
    with pytest.raises(PhoneProviderDisabled):
        model.read({**more, "phone": "+6281234567"}, {})


@pytest.mark.parametrize("model", [ResendRequest, VerifyRequest])
@pytest.mark.parametrize("kind", ["sms", "phone_change"])
def test_types_for_phone_numbers_are_not_supported(model: Model, kind: str) -> None:
    for named in ({"email": ADDRESS}, {"phone": "+6281234567"}):
        with pytest.raises(PhoneProviderDisabled):
            model.read({**MODELS[model], **named, "type": kind}, {})


def test_a_channel_is_for_phone_numbers_only() -> None:
    assert invalid_fields(OtpRequest, {"email": ADDRESS, "channel": "sms"}) == {"channel"}
    for named in ({}, {"phone": "+6281234567"}):
        with pytest.raises(PhoneProviderDisabled):
            OtpRequest.read({**named, "channel": "whatsapp"}, {})


@pytest.mark.parametrize("email", [None, 7, ["x"]])
def test_recovery_needs_an_address(email: object) -> None:
    with pytest.raises(InvalidFields) as error:
        RecoverRequest.read({"email": email}, {})

    assert error.value.code == "validation_failed"
    assert RecoverRequest.read({**EXTRA_FIELDS, "email": ADDRESS}, {}).email == EmailAddress(ADDRESS)


@pytest.mark.parametrize(
    ("data", "name"),
    [({"name": " Mira\n"}, "Mira"), ({"full_name": "Mira"}, "Mira"), ({"name": 7}, ""), ({"nickname": "Mira"}, "")],
)
def test_a_new_account_gets_the_name_from_its_data(data: Mapping[str, Any], name: str) -> None:
    assert OtpRequest.read({"email": ADDRESS, "data": data}, {}).name == name


def test_an_account_is_created_unless_create_user_is_false() -> None:
    assert OtpRequest.read({"email": ADDRESS}, {}).create_user
    assert OtpRequest.read({"email": ADDRESS, "create_user": None}, {}).create_user
    assert not OtpRequest.read({"email": ADDRESS, "create_user": False}, {}).create_user
    assert invalid_fields(OtpRequest, {"email": ADDRESS, "create_user": "false"}) == {"create_user"}


def test_data_is_an_object_of_at_most_eight_kibibytes_in_utf_8() -> None:
    largest = {"x": "\N{EURO SIGN}" * ((LARGEST_USER_METADATA - len('{"x":""}')) // 3)}
    assert len(json.dumps(largest)) > LARGEST_USER_METADATA  # as JSON with escapes, as it may be sent

    assert OtpRequest.read({"email": ADDRESS, "data": largest}, {}).data == largest
    assert invalid_fields(OtpRequest, {"email": ADDRESS, "data": {**largest, "y": 1}}) == {"data"}
    invalid_data: tuple[object, ...] = ([], "x", 1, True)
    for data in invalid_data:
        assert invalid_fields(OtpRequest, {"email": ADDRESS, "data": data}) == {"data"}


@pytest.mark.parametrize(
    ("kind", "slots"),
    [
        ("signup", (Slot.EMAIL,)),
        ("invite", (Slot.EMAIL,)),
        ("magiclink", (Slot.RECOVERY,)),
        ("recovery", (Slot.RECOVERY,)),
        ("email", (Slot.EMAIL, Slot.RECOVERY)),
        ("email_change", (Slot.EMAIL_CHANGE_CURRENT, Slot.EMAIL_CHANGE_NEW)),
    ],
)
def test_each_type_has_its_slots(kind: str, slots: tuple[Slot, ...]) -> None:
    body = VerifyRequest.read({"type": kind, "email": ADDRESS, "token": "123456"}, {})

    assert body.slots == slots
    assert (body.address, body.token) == (EmailAddress(ADDRESS), "123456")


def test_a_token_hash_is_sent_without_an_address() -> None:
    assert VerifyRequest.read({"type": "email", "token_hash": "x"}, {}).token is None
    assert invalid_fields(VerifyRequest, {"type": "email", "token_hash": "x", "email": ADDRESS}) == {"token_hash"}
    assert invalid_fields(VerifyRequest, {"type": "email", "token_hash": "x", "phone": "+62812"}) == {"token_hash"}
    with pytest.raises(PhoneProviderDisabled):
        VerifyRequest.read({"type": "sms", "token_hash": "x"}, {})


@pytest.mark.parametrize("more", [{}, {"token": ""}, {"token": "1", "token_hash": "x"}])
def test_exactly_one_of_token_and_token_hash_is_required(more: Mapping[str, Any]) -> None:
    assert invalid_fields(VerifyRequest, {"type": "email", "email": ADDRESS, **more}) == {"token"}


@pytest.mark.parametrize("kind", [None, "", "x", "SIGNUP", 7])
@pytest.mark.parametrize("model", [ResendRequest, VerifyRequest])
def test_an_unknown_type_is_rejected(model: Model, kind: object) -> None:
    assert invalid_fields(model, {**MODELS[model], "email": ADDRESS, "type": kind}) == {"type"}


@pytest.mark.parametrize("kind", ["recovery", "magiclink", "invite", "email"])
def test_mails_of_other_types_cannot_be_resent(kind: str) -> None:
    assert invalid_fields(ResendRequest, {"email": ADDRESS, "type": kind}) == {"type"}
