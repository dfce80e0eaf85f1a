"""POST /auth/v1/admin/generate_link: make a link and a code that are not mailed."""

from gerbang.accounts.link_generation import AddressNotConfirmed
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.apis import gotrue
from gerbang.apis.gotrue.admin_links import GenerateLinkRequest
from gerbang.apis.gotrue.links import Links
from gerbang.container import container
from gerbang.http.callers import ServiceRole
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/auth/v1/admin/generate_link")
generation = container.link_generation
audience = container.settings.audience
links = Links(container.settings.public_url, container.redirect_targets)
container.warm_up_keys()
container.warm_up_secret_api_key()
container.warm_up_users()


@endpoint.post(
    gotrue.API,
    caller=ServiceRole(container.api_keys, container.log_event),
    request=GenerateLinkRequest,
    response=gotrue.GeneratedLinkResponse,
    errors=(EmailTaken, NoSuchUser, AddressNotConfirmed),
    overrides=gotrue.ADMIN_ERRORS,
)
def generate_link(call: Call[GenerateLinkRequest, None]) -> gotrue.GeneratedLinkResponse:
    """Return a link and a code for a user, which are not mailed."""
    body, link = call.body, links.asked_for(call.request, redirect_to=call.body.redirect_to)
    generated = generation.generate(body.wanted, body.new_user(), link, new_email=body.new_email)
    return gotrue.generated_link(generated, redirect_to=link.redirect_to, audience=audience)


handler = endpoint.handler()
