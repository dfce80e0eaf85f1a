"""POST /auth/v1/invite: make an account for an address and mail its owner an invitation."""

from gerbang.accounts.registration import EmailTaken
from gerbang.apis import gotrue
from gerbang.apis.gotrue.admin_links import InviteRequest
from gerbang.apis.gotrue.admin_requests import naming_fields
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.container import container
from gerbang.http.callers import ServiceRole
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts

endpoint = Endpoint("/auth/v1/invite")
invitations = container.invitations
audience = container.settings.audience
links = Links(container.settings.public_url, container.redirect_targets)
container.warm_up_secret_api_key()
container.warm_up_users()
container.warm_up_mail_queue()


@endpoint.post(
    gotrue.API,
    caller=ServiceRole(container.api_keys, container.log_event),
    request=InviteRequest,
    parameters=(REDIRECT_TO,),
    response=gotrue.User,
    errors=(EmailTaken, TooManyAttempts),
)
def invite(call: Call[InviteRequest, None]) -> gotrue.User:
    """Make an account and mail a code and a link to its owner; an unverified account is invited again."""
    with naming_fields():
        user = invitations.invite(call.body.new_user(), call.client.locale, links.asked_for(call.request))
    return gotrue.user(user, audience=audience)


handler = endpoint.handler()
