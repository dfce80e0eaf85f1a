"""Which bodies about one-time codes are read as Supabase's clients mean them."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from gerbang.apis.gotrue.requests import (
    OtpRequest,
    PhoneProviderDisabled,
    RecoverRequest,
    ResendRequest,
    VerifyRequest,
)
from gerbang.core.emails import EmailAddress
from gerbang.http.request import InvalidFields
from gerbang.storage.metadata import LARGEST_USER_METADATA
from gerbang.storage.one_time_codes import Slot

ADDRESS: Final = "Mira@Example.com"
BESIDES: Final[Mapping[str, Any]] = {
    "gotrue_meta_security": {"captcha_token": None},
    "code_challenge": None,
    "code_challenge_method": None,
    "redirect_to": "https://app.example.com",
}
"""What clients send besides, and is not read."""

type Model = type[OtpRequest | ResendRequest | VerifyRequest]

MODELS: Final[Mapping[Model, Mapping[str, Any]]] = {
    OtpRequest: {},
    ResendRequest: {"type": "signup"},
    VerifyRequest: {"type": "email", "token": "123456"},
}
"""The models of addresses, and what each needs besides."""

of_every_model = pytest.mark.parametrize(("model", "more"), MODELS.items())


def invalid(model: Model, body: Mapping[str, Any]) -> set[str]:
    """The names of the fields that are wrong."""
    with pytest.raises(InvalidFields) as error:
        model.read(body, {})
    return {each.field for each in error.value.field_errors}


@of_every_model
@pytest.mark.parametrize("nothing", [None, ""])
def test_what_is_null_or_empty_was_not_sent(model: Model, more: Mapping[str, Any], nothing: str | None) -> None:
    absent = dict.fromkeys({"phone", "channel", "data", "create_user", "token_hash"}, nothing)

    assert model.read({**BESIDES, **absent, **more, "email": ADDRESS}, {}).address == EmailAddress(ADDRESS)


@of_every_model
def test_exactly_one_of_email_and_phone_is_required(model: Model, more: Mapping[str, Any]) -> None:
    assert invalid(model, more) == {"email"}
    assert invalid(model, {**more, "email": "", "phone": None}) == {"email"}
    assert invalid(model, {**more, "email": ADDRESS, "phone": "+6281234567"}) == {"phone"}


@of_every_model
def test_phones_are_not_supported(model: Model, more: Mapping[str, Any]) -> None:
    with pytest.raises(PhoneProviderDisabled):
        model.read({**more, "phone": "+6281234567"}, {})


@pytest.mark.parametrize("model", [ResendRequest, VerifyRequest])
@pytest.mark.parametrize("kind", ["sms", "phone_change"])
def test_types_of_phones_are_not_supported_either(model: Model, kind: str) -> None:
    for named in ({"email": ADDRESS}, {"phone": "+6281234567"}):
        with pytest.raises(PhoneProviderDisabled):
            model.read({**MODELS[model], **named, "type": kind}, {})


def test_a_channel_is_for_phones() -> None:
    assert invalid(OtpRequest, {"email": ADDRESS, "channel": "sms"}) == {"channel"}
    for named in ({}, {"phone": "+6281234567"}):
        with pytest.raises(PhoneProviderDisabled):
            OtpRequest.read({**named, "channel": "whatsapp"}, {})


@pytest.mark.parametrize("email", [None, 7, ["x"]])
def test_recovery_needs_an_address(email: object) -> None:
    with pytest.raises(InvalidFields) as error:
        RecoverRequest.read({"email": email}, {})

    assert error.value.code == "validation_failed"
    assert RecoverRequest.read({**BESIDES, "email": ADDRESS}, {}).email == EmailAddress(ADDRESS)


@pytest.mark.parametrize(
    ("data", "name"),
    [({"name": " Mira\n"}, "Mira"), ({"full_name": "Mira"}, "Mira"), ({"name": 7}, ""), ({"nickname": "Mira"}, "")],
)
def test_the_account_that_a_code_makes_has_the_name_in_its_data(data: Mapping[str, Any], name: str) -> None:
    assert OtpRequest.read({"email": ADDRESS, "data": data}, {}).name == name


def test_an_account_is_made_unless_the_client_says_otherwise() -> None:
    assert OtpRequest.read({"email": ADDRESS}, {}).create_user
    assert OtpRequest.read({"email": ADDRESS, "create_user": None}, {}).create_user
    assert not OtpRequest.read({"email": ADDRESS, "create_user": False}, {}).create_user
    assert invalid(OtpRequest, {"email": ADDRESS, "create_user": "false"}) == {"create_user"}


def test_data_is_an_object_of_at_most_eight_kibibytes_as_it_is_stored() -> None:
    largest = {"x": "\N{EURO SIGN}" * ((LARGEST_USER_METADATA - len('{"x":""}')) // 3)}
    assert len(json.dumps(largest)) > LARGEST_USER_METADATA  # as it is sent

    assert OtpRequest.read({"email": ADDRESS, "data": largest}, {}).data == largest
    assert invalid(OtpRequest, {"email": ADDRESS, "data": {**largest, "y": 1}}) == {"data"}
    refused: tuple[object, ...] = ([], "x", 1, True)
    for data in refused:
        assert invalid(OtpRequest, {"email": ADDRESS, "data": data}) == {"data"}


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
def test_a_type_says_where_its_code_is_looked_for(kind: str, slots: tuple[Slot, ...]) -> None:
    body = VerifyRequest.read({"type": kind, "email": ADDRESS, "token": "123456"}, {})

    assert body.slots == slots
    assert (body.address, body.token) == (EmailAddress(ADDRESS), "123456")


def test_a_link_comes_without_an_address() -> None:
    assert VerifyRequest.read({"type": "email", "token_hash": "x"}, {}).token is None
    assert invalid(VerifyRequest, {"type": "email", "token_hash": "x", "email": ADDRESS}) == {"token_hash"}
    assert invalid(VerifyRequest, {"type": "email", "token_hash": "x", "phone": "+62812"}) == {"token_hash"}
    with pytest.raises(PhoneProviderDisabled):
        VerifyRequest.read({"type": "sms", "token_hash": "x"}, {})


@pytest.mark.parametrize("more", [{}, {"token": ""}, {"token": "1", "token_hash": "x"}])
def test_exactly_one_of_code_and_hash_is_required(more: Mapping[str, Any]) -> None:
    assert invalid(VerifyRequest, {"type": "email", "email": ADDRESS, **more}) == {"token"}


@pytest.mark.parametrize("kind", [None, "", "x", "SIGNUP", 7])
@pytest.mark.parametrize("model", [ResendRequest, VerifyRequest])
def test_the_type_is_required_and_known(model: Model, kind: object) -> None:
    assert invalid(model, {**MODELS[model], "email": ADDRESS, "type": kind}) == {"type"}


@pytest.mark.parametrize("kind", ["recovery", "magiclink", "invite", "email"])
def test_other_mails_are_not_sent_again(kind: str) -> None:
    assert invalid(ResendRequest, {"email": ADDRESS, "type": kind}) == {"type"}
