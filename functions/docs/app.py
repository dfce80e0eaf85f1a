"""GET /docs: the page that shows the API and tries it out; GET /openapi.json: what it is made of.

`make docs` writes both files, next to this one. (docs/decisions/0040-the-api-explains-itself.md)
"""

from pathlib import Path

from gerbang.apis.api_document import OpenApiDocument
from gerbang.apis.by_path import api_of
from gerbang.container import container
from gerbang.http.conditions import PathIs
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.response import HtmlPage, Response, document, page

endpoint = Endpoint("/docs", "/openapi.json")
new_id = container.new_id
folder = Path(__file__).parent
explorer = (folder / "explorer.html").read_text("utf-8")
openapi = (folder / "openapi.json").read_text("utf-8")

SERVER = "http://127.0.0.1:3000"
"""The server in the file. Postman and Insomnia send requests to a document's first server, so it must have a host."""

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
    "connect-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page may call any API, because its reader may enter any URL."""


@endpoint.get(api_of, response=HtmlPage)
def show_explorer(_call: Call[None, None]) -> Response:
    """Show the page that explains the API and tries it out."""
    nonce = new_id()
    return page(explorer.replace("{nonce}", nonce), content_security_policy=POLICY.replace("{nonce}", nonce))


@endpoint.get(api_of, when=PathIs("/openapi.json"), response=OpenApiDocument)
def show_document(call: Call[None, None]) -> Response:
    """Return the OpenAPI document of the API."""
    return document(openapi.replace(SERVER, call.request.base_url, 1))


handler = endpoint.handler()
