"""The API of `template.yaml` on this machine: `python -m gerbang_local` (`make run`).

Nothing of the API is declared here. Routes, functions, their environment, tables, queues, secrets and parameters are
read from the template. Requests become the events that API Gateway would send, and the handlers are the deployed ones.
AWS is moto, in memory. An element of the template that this package does not know stops the start, with its name.

    options, server              the command: what is served, and where
    template, intrinsics         the template, its parameters, conditions and functions such as `Fn::Sub`
    stack, http_api              what of it is served: functions, routes, authorizers, queues, streams
    aws                          its tables, queues and secrets, created in moto or DynamoDB Local
    memory, mailbox              moto, changed for many threads; the mails that SES would send
    functions, invoker           the handlers, loaded and invoked as Lambda does
    routes, events               the route of a request; request to event, answer to response
    gateway, cors, authorizers   the rest of what an HTTP API does
    queues, streams              Lambda's polling of queues and table streams
    pages, google, sessions,
    operators, loopback          `/_local/`, for this machine only: mails, accounts, a stand-in for Google, keys
    declarations                 the endpoints that the functions declare, for tests and documents
"""
