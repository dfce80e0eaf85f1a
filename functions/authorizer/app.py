"""The Lambda authorizer of the account's other APIs: who calls, and in which organization."""

from gerbang.apis import authorizer
from gerbang.container import container

container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_organizations()

handler = authorizer.handler(container.authorizer)
