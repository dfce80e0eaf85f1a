"""The built functions in Lambda's own containers, by SAM CLI, against stand-ins of AWS.

`make sam-local` runs both; `make sam-env` makes the stand-ins, for a SAM CLI that you start yourself.
Nearer to AWS than `make run`: the artefacts that are deployed, one process a function, the runtime's own interpreter.
It needs Docker, and takes seconds where `make run` takes milliseconds.

    stand_ins    the template's tables in DynamoDB Local, its secrets and queues in moto's server; a post office
    queues       what invokes the mailer with the queue's messages
    post_office  what takes mails in the place of SES
    sam          SAM CLI: building, serving, invoking
    __main__     the commands
"""
