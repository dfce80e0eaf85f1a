"""Publishes changes of accounts, sessions and organizations (DynamoDB Streams, partial batch failures)."""

from gerbang.container import container
from gerbang.events import publishing

handler = publishing.handler(container.publisher)
