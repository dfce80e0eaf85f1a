"""Clients of AWS services: botocore's, with time-outs of ours, and certificate authorities read when they are needed.

By itself botocore reads its 126 authorities anew for every connection, which takes 12 ms of a whole vCPU and 40 ms of
what Lambda gives a function of 512 MB; and a sign-in opens five connections before its first answer. The layer has them
in a file each, of which OpenSSL reads the one it wants (`layers/dependencies/authorities.py`).
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
"""A call that hangs has failed after 2 x 1.5 s and a pause of at most 1 s: three in a row, and a hash, end well
before the function's 20 s and API Gateway's 30 s (F29, F32)."""

READ_SECONDS_OF: Final = {"lambda": 2.0}
"""For services whose answers take longer: another function's cold start is waited for, and twice at most, too."""

_AT_ONCE: Final = (IPPROTO_TCP, TCP_NODELAY, 1)
"""As botocore's own connections: else a request's body waits up to 40 ms for its head to be acknowledged (Nagle)."""


_USER_AGENT: Final = f"Botocore/{botocore.__version__} Gerbang"
"""Said as it is: by itself botocore describes the machine anew for each call, a quarter of all that a call computes."""

_making: Final = Lock()
"""Held while a client is made: botocore's sessions are not for several threads, its clients are."""


def client(service: str) -> Any:
    """Return the process's client of an AWS service. botocore, not boto3, whose resource layer costs every start."""
    with _making:
        return _made(service)


@cache
def _made(service: str) -> Any:
    read_seconds = READ_SECONDS_OF.get(service, READ_SECONDS)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        user_agent=_USER_AGENT,
    )
    made: Any = _session().create_client(service, config=config)
    made._endpoint.http_session = _Connections(  # noqa: SLF001 - botocore leaves no other choice of what sends requests
        timeout=(CONNECT_SECONDS, read_seconds),  # type: ignore[arg-type] # the stubs know of one number only
        proxies=get_environ_proxies(made.meta.endpoint_url),
        socket_options=[_AT_ONCE],  # type: ignore[list-item] # the stubs take them for text
    )
    return made


class _Connections(URLLib3Session):
    """Connections that share what they trust."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        return _shared_trust()

    def _setup_ssl_cert(self, conn: Any, _url: str, _verify: object) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # and no `ca_certs`, which would be read again for each connection

    @override
    def send(self, request: Any) -> Any:
        try:
            return super().send(request)
        except ConnectionClosedError:  # as those that lie idle may have been: the next try is not to meet one (F34)
            self.close()
            raise


def trust() -> ssl.SSLContext:
    """Return TLS that verifies names and certificates by botocore's authorities, or by those of AWS_CA_BUNDLE."""
    chosen: Any = _session().get_config_variable("ca_bundle") or environ.get("REQUESTS_CA_BUNDLE") or where()
    context: ssl.SSLContext = create_urllib3_context()
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True  # urllib3 leaves names to its connections
    apart = Path(chosen).with_suffix(".d")
    if apart.is_dir():
        context.load_verify_locations(capath=apart)
    else:
        context.load_verify_locations(cafile=chosen)
    return context


@cache
def _shared_trust() -> ssl.SSLContext:
    return trust()


@cache
def _session() -> Session:
    # Names that other services' events had once, each of which botocore would look for in the name of every event.
    EVENT_ALIASES.clear()
    return get_session()
