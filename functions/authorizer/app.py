"""The authorizer: who may call the deployment's other APIs, and in which organisation."""

from gerbang import runtime
from gerbang.contracts import authorizer

authorize = runtime.authorizer()  # once per container

handler = authorizer.handler(authorize)
