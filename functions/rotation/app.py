"""Rotation of the master secret: Secrets Manager calls it for each of four steps."""

from gerbang import container as runtime
from gerbang.sessions import rotation_events as secret_rotation

rotation = runtime.rotation()  # once per container

handler = secret_rotation.handler(rotation)
