"""The authorizer: who may call the deployment's other APIs, and in which organisation."""

from gerbang import container as runtime
from gerbang.apis import authorizer

authorize = runtime.authorizer()  # once per container

handler = authorizer.handler(authorize)
