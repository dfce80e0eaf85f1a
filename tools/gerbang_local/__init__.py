"""The API of `template.yaml` on this machine: `python -m gerbang_local` (`make run`).

Nothing of the API is declared here. Routes, functions, their environment, tables, queues, secrets and parameters are
read out of the template, requests become the events that API Gateway would send, and the handlers are the deployed
ones; AWS is moto, in memory. What the template holds and this package does not know stops it at start, by name.

    template   the template read and worked out
    stack      what of it is served: functions, routes, authorizers, queues
    aws        its tables, queues and secrets, made in moto or DynamoDB Local
    memory     moto, made fit for many threads
    functions  the handlers, loaded and invoked as Lambda does
    routes     which route answers a request
    events     request to event, answer to response
    cors, authorizers, gateway   the rest of what an HTTP API does
    queues     what Lambda does between SQS and a function
    mailbox, google, pages       what is only here: mails, a stand-in for Google, `/_local/`
"""
