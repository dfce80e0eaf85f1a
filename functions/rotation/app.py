"""Rotation of the master secret: Secrets Manager calls it for each of four steps."""

from gerbang.container import container
from gerbang.sessions import rotation_events

handler = rotation_events.handler(container.rotation)
