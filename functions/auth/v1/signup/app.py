"""POST /auth/v1/signup: make an account, or sign a guest in."""

from http import HTTPStatus

from gerbang.accounts.registration import NewAccount
from gerbang.accounts.sign_up import Decoy, UserAlreadyExists
from gerbang.accounts.sign_up_policy import AnonymousSignInsDisabled, SignUpDisabled
from gerbang.apis import gotrue
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.apis.gotrue.requests import AnonymousRequest, PhoneProviderDisabled, SignUpRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha
from gerbang.http.conditions import BodyGives
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields
from gerbang.http.response import Response
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/signup")
sign_up_policy = container.sign_up_policy
password_policy = container.password_policy
audience = container.settings.audience
links = Links(container.settings.public_url, container.redirect_targets)
sign_up, confirmed_sign_up, guests = container.sign_up, container.confirmed_sign_up, container.guests
visitor = ApiKeyAndCaptcha(container.api_keys, container.captcha)
container.warm_up_tokens()
container.warm_up_limits(connections=3)
container.warm_up_mail_queue()


@endpoint.post(
    gotrue.API,
    when=BodyGives(("email", "phone")),
    caller=visitor,
    request=SignUpRequest,
    context={PASSWORD_POLICY: password_policy},
    parameters=(REDIRECT_TO,),
    response=gotrue.User,
    other_responses=(gotrue.SessionResponse,),
    errors=(
        InvalidFields,
        PhoneProviderDisabled,
        SignUpDisabled,
        UserAlreadyExists,
        UnacceptablePassword,
        TooMuchMail,
        TooManyAttempts,
    ),
    overrides=gotrue.PHONE_IS_A_BAD_REQUEST,
)
def register(call: Call[SignUpRequest, KeyKind]) -> Response:
    """Make an account and mail its code; the answer is a session where addresses need not be confirmed."""
    body, email = call.body, call.body.address
    password_policy.check(body.password, about=(email, body.name))
    new = NewAccount(
        email=email,
        password=body.password,
        name=body.name,
        locale=call.client.locale,
        user_metadata=body.data,
        link=links.asked_for(call.request, body.challenge),
    )
    if sign_up_policy.autoconfirm:
        return Response(HTTPStatus.OK, gotrue.session(confirmed_sign_up.sign_up(new, call.client)))
    account = sign_up.sign_up(new, call.client)
    if isinstance(account, Decoy):
        return Response(HTTPStatus.OK, gotrue.decoy(account.user, audience=audience))
    return Response(HTTPStatus.OK, gotrue.user(account, audience=audience))


@endpoint.post(
    gotrue.API,
    caller=visitor,
    request=AnonymousRequest,
    response=gotrue.SessionResponse,
    errors=(SignUpDisabled, AnonymousSignInsDisabled, TooManyAttempts),
)
def admit_guest(call: Call[AnonymousRequest, KeyKind]) -> gotrue.SessionResponse:
    """Make a guest's account and sign it in."""
    return gotrue.session(guests.admit(call.client, role=gotrue.AUTHENTICATED, user_metadata=call.body.data))


handler = endpoint.handler()
