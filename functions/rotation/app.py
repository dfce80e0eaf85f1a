"""Rotation of the master secret: Secrets Manager calls it for each of four steps."""

from gerbang import runtime
from gerbang.contracts import secret_rotation

rotation = runtime.rotation()  # once per container

handler = secret_rotation.handler(rotation)
