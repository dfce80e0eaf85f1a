"""The mailer: sends the mails that endpoints queued (SQS, partial batch failures)."""

from gerbang import runtime
from gerbang.contracts import mail_batch

mailer = runtime.mailer()  # once per container

handler = mail_batch.handler(mailer)
