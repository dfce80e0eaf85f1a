"""GET and POST /auth/v1/verify: sign in with a mailed link or code, which verifies the address."""

from http import HTTPStatus

from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import gotrue
from gerbang.apis.gotrue.confirmation_page import ConfirmationPage
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.apis.gotrue.opened_links import OpenedLink
from gerbang.apis.gotrue.requests import SLOTS, PhoneProviderDisabled, VerifyRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyHolder
from gerbang.http.conditions import IsForm
from gerbang.http.endpoint import Call, Endpoint, Parameter
from gerbang.http.request import InvalidFields, UnsupportedMediaType
from gerbang.http.response import HtmlPage, Response
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/verify")
users, email_change, link_sign_in = container.users, container.email_change, container.link_sign_in
sign_in = container.code_sign_in_with_sign_up
links = Links(container.settings.public_url, container.redirect_targets)
confirms_links = container.settings.confirms_links
page = ConfirmationPage(site=links.targets.site_host)
container.warm_up_tokens()
container.warm_up_users(connections=3)


@endpoint.post(
    gotrue.API,
    caller=ApiKeyHolder(container.api_keys),
    request=VerifyRequest,
    response=gotrue.SessionResponse,
    other_responses=(gotrue.HalfConfirmedResponse,),
    errors=(PhoneProviderDisabled, InvalidCode, AccountDisabled, SignUpDisabled, EmailTaken, TooManyAttempts),
    overrides=gotrue.VERIFY_ERRORS,
)
def verify(call: Call[VerifyRequest, KeyKind]) -> Response:
    """Sign in with the code or link that was mailed to an address; verifies the address, or confirms its change."""
    body = call.body
    if body.token is None:
        outcome = link_sign_in.redeem(body.token_hash or "", call.client, slots=body.slots)
    elif body.type == "email_change":
        outcome = email_change.confirm(body.address, body.token, call.client)
    else:
        outcome = sign_in.redeem(body.address, body.token, call.client, slots=body.slots).signed_in
    if isinstance(outcome, HalfConfirmed):
        return Response(HTTPStatus.OK, gotrue.half_confirmed())
    return Response(HTTPStatus.OK, gotrue.session(outcome, users.identities_of(outcome.user)))


@endpoint.get(
    gotrue.API,
    parameters=(
        Parameter(
            name="token", description="The token of the link.", is_required=True, example="pkce_9f86d081884c7d65"
        ),
        Parameter(name="type", description="What the link is for.", values=tuple(SLOTS), is_required=True),
        REDIRECT_TO,
    ),
    other_responses=(HtmlPage,),
    status=HTTPStatus.SEE_OTHER,
    errors=(InvalidFields,),
)
def open_link(call: Call[None, None]) -> Response:
    """Follow a mailed link: sign in, and go on to the app."""
    link = OpenedLink.read(call.request.query, links, call.request)
    if confirms_links:
        return page.show(link, locale=call.client.locale, nonce=container.new_id())
    return link.follow(link_sign_in, call.request, call.client)


@endpoint.post(gotrue.API, when=IsForm(), status=HTTPStatus.SEE_OTHER, errors=(UnsupportedMediaType, InvalidFields))
def confirm_link(call: Call[None, None]) -> Response:
    """Follow a mailed link whose button was pressed (`LinkConfirmationPage`)."""
    if not confirms_links:
        raise UnsupportedMediaType
    link = OpenedLink.read(call.request.form, links, call.request)
    return link.follow(link_sign_in, call.request, call.client)


@endpoint.head(gotrue.API, status=HTTPStatus.NO_CONTENT)
def show_that_link_exists(_call: Call[None, None]) -> Response:
    """Answer programs that check links; the link is not used."""
    return Response(HTTPStatus.NO_CONTENT)


handler = endpoint.handler()
