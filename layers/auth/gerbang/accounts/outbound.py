"""Requests to external services, with limits on time and size. They follow no redirects (ASVS 15.3.2)."""

import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import urllib3

from gerbang.core.dataclass import dataclass

LARGEST_ANSWER_BYTES: Final = 16 * 1024


class Unanswered(Exception):
    """There was no answer in time, or none with status 200 and of reasonable size; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Sends requests and waits for their answers until a deadline."""

    context: ssl.SSLContext
    """Verifies certificate and host name."""
    step_timeout: timedelta
    """For each connection attempt and each read."""
    deadline: timedelta
    """For the whole request: name look-up, each address of the name, an answer that comes byte by byte (F29)."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Post *body* and return the body of the answer.

        Runs in a thread, because a time-out of urllib3 limits neither the name look-up nor the sum of many slow reads.

        Raises:
            Unanswered: there is no answer with status 200 in time.
        """
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            return pool.submit(self._post, url, body, headers).result(timeout=self.deadline.total_seconds())
        except TimeoutError:
            raise Unanswered("no answer in time") from None
        finally:
            pool.shutdown(wait=False)

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        seconds = self.step_timeout.total_seconds()
        timeout = urllib3.Timeout(connect=seconds, read=seconds)
        try:
            with (
                urllib3.PoolManager(timeout=timeout, retries=False, ssl_context=self.context) as pool,
                pool.request(
                    "POST", url, body=body, headers=headers, redirect=False, preload_content=False
                ) as response,
            ):
                if response.status != HTTPStatus.OK:
                    raise Unanswered(f"answered {response.status}")
                answer = response.read(LARGEST_ANSWER_BYTES + 1, decode_content=False)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise Unanswered(type(error).__name__) from None
        if len(answer) > LARGEST_ANSWER_BYTES:
            raise Unanswered("answered too much")
        return answer
