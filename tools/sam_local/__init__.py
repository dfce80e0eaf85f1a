"""Runs the built functions in Lambda's containers, by SAM CLI, with stand-ins for AWS.

`make sam-local` runs both; `make sam-env` starts the stand-ins, for a SAM CLI that you start yourself. This is closer
to AWS than `make run`: it runs the artefacts that are deployed, one process per function, on Lambda's interpreter. It
needs Docker, and takes seconds instead of milliseconds.

    stand_ins    the template's tables in DynamoDB Local, its secrets and queues in moto's server; mails
    queues       invokes the mailer with the queue's messages
    post_office  receives mails instead of SES
    sam          SAM CLI: building, serving, invoking
    __main__     the commands
"""
