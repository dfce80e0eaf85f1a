"""The mailer: sends the mails that endpoints queued (SQS, partial batch failures)."""

from gerbang import container as runtime
from gerbang.mail import sqs_events as mail_batch

mailer = runtime.mailer()  # once per container

handler = mail_batch.handler(mailer)
