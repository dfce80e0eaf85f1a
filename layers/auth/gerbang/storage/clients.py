"""Clients of AWS services: botocore's, with our time-outs, and with certificate authorities that are read when needed.

By itself, botocore reads its 126 authorities again for every connection. That takes 12 ms of a whole vCPU, or 40 ms of
the share that Lambda gives a function of 512 MB, and a sign-in opens four connections before its first answer. In the
layer, each authority has its own file, and OpenSSL reads only the one it needs (`layers/dependencies/authorities.py`).
"""

import ssl
from functools import cache
from os import environ
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from threading import Lock
from typing import Any, Final, override

import botocore
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session, create_urllib3_context, where
from botocore.session import Session, get_session
from botocore.utils import EVENT_ALIASES, get_environ_proxies

CONNECT_SECONDS: Final = 1.0
READ_SECONDS: Final = 1.5
TRIES: Final = 2
"""A call that hangs fails after 2 x 1.5 s and a pause of at most 1 s. So three calls in a row, and a hash, end well
before the function's 20 s and API Gateway's 30 s (F29, F32)."""

READ_SECONDS_OF: Final = {"lambda": 2.0}
"""The time-outs of services that take longer: another function may have a cold start. They have two tries, too."""

_NO_DELAY: Final = (IPPROTO_TCP, TCP_NODELAY, 1)
"""As on botocore's own connections. Otherwise a body waits up to 40 ms until its headers are acknowledged (Nagle)."""


_USER_AGENT: Final = f"Botocore/{botocore.__version__} Gerbang"
"""A constant. botocore's own is made again for each call, which takes a quarter of the CPU time of a call."""

_creating: Final = Lock()
"""Locked while a client is created: botocore's sessions are not thread-safe, its clients are."""


def client(service: str) -> Any:
    """Return the process's client of an AWS service. Not boto3's: its resource layer would slow down every start."""
    with _creating:
        return _created(service)


@cache
def _created(service: str) -> Any:
    read_seconds = READ_SECONDS_OF.get(service, READ_SECONDS)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        user_agent=_USER_AGENT,
        account_id_endpoint_mode="disabled",  # Lambda gives functions no account id, and `sam local` invents one
    )
    created: Any = _session().create_client(service, config=config)
    created._endpoint.http_session = _Connections(  # noqa: SLF001 - botocore has no public way to replace what sends requests
        timeout=(CONNECT_SECONDS, read_seconds),  # type: ignore[arg-type] # the stubs allow one number only
        proxies=get_environ_proxies(created.meta.endpoint_url),
        socket_options=[_NO_DELAY],  # type: ignore[list-item] # the stubs expect text
    )
    return created


class _Connections(URLLib3Session):
    """Connections that share one TLS context."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        return _shared_trust()

    def _setup_ssl_cert(self, conn: Any, _url: str, _verify: object) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # and no `ca_certs`, which would be read again for each connection

    @override
    def send(self, request: Any) -> Any:
        try:
            return super().send(request)
        except ConnectionClosedError:  # other idle ones may be closed, too: the next try opens a new one (F34)
            self.close()
            raise


def trust() -> ssl.SSLContext:
    """Return a TLS context that verifies names, and certificates by the authorities of botocore or AWS_CA_BUNDLE."""
    bundle: Any = _session().get_config_variable("ca_bundle") or environ.get("REQUESTS_CA_BUNDLE") or where()
    context: ssl.SSLContext = create_urllib3_context()
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True  # urllib3 leaves names to its connections
    folder = Path(bundle).with_suffix(".d")
    if folder.is_dir():
        context.load_verify_locations(capath=folder)
    else:
        context.load_verify_locations(cafile=bundle)
    return context


@cache
def _shared_trust() -> ssl.SSLContext:
    return trust()


@cache
def _session() -> Session:
    # Earlier names of other services' events. botocore would search the name of every event for each of them.
    EVENT_ALIASES.clear()
    return get_session()
