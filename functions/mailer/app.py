"""The mailer: sends the mails that endpoints queued (SQS, partial batch failures)."""

from gerbang import container as runtime
from gerbang.mail import sqs_events

handler = sqs_events.handler(runtime.mailer(), runtime.mail_queue())
