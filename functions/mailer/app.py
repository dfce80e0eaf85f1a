"""The mailer: handles the mail jobs that endpoints queued (SQS, partial batch failures)."""

from gerbang.container import container
from gerbang.mail import sqs_events

container.warm_up_users()
container.warm_up_keys()

handler = sqs_events.handler(container.mailer, container.mail_queue)
