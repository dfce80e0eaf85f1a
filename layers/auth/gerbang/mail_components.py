"""The container's parts for mail: codes, the queue, the mailer; on top of `gerbang.components`.

The modules of a part are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gerbang.components import Components

if TYPE_CHECKING:
    from gerbang.mail.codes import CodeMaker, ResetTokens
    from gerbang.mail.composing import Mails
    from gerbang.mail.email_change import EmailChangeMails
    from gerbang.mail.identity_notices import IdentityNotices
    from gerbang.mail.invitation_tokens import InvitationTokens
    from gerbang.mail.issuing import CodeIssuer
    from gerbang.mail.link_tokens import LinkTokens
    from gerbang.mail.mailer import Mailer
    from gerbang.mail.queue import SqsMailQueue
    from gerbang.mail.service import MailService
    from gerbang.mail.ses import Outbox
    from gerbang.mail.settings import MailSettings
    from gerbang.sessions.sessions import Sessions


class MailComponents(Components):
    """Makes what queues, composes and sends mail, each once."""

    @cached_property
    def code_maker(self) -> "CodeMaker":
        """Makes and compares one-time codes."""
        from gerbang.mail.codes import CodeMaker

        return CodeMaker(self.keys)

    @cached_property
    def link_tokens(self) -> "LinkTokens":
        """Makes and compares the tokens of mailed links."""
        from gerbang.mail.link_tokens import LinkTokens

        return LinkTokens(self.keys)

    @cached_property
    def code_issuer(self) -> "CodeIssuer":
        """Issues one-time codes."""
        from gerbang.mail.issuing import CodeIssuer

        return CodeIssuer(codes=self.codes, maker=self.code_maker, link_tokens=self.link_tokens, now=self.now)

    @cached_property
    def reset_tokens(self) -> "ResetTokens":
        """Makes and compares reset tokens."""
        from gerbang.mail.codes import ResetTokens

        return ResetTokens(self.keys)

    @cached_property
    def invitation_tokens(self) -> "InvitationTokens":
        """Makes and compares the tokens of invitations to organizations."""
        from gerbang.mail.invitation_tokens import InvitationTokens

        return InvitationTokens(self.keys)

    @cached_property
    def mail_queue(self) -> "SqsMailQueue":
        """The queue of mail jobs; its client is made when it is first used."""
        from gerbang.mail.queue import SqsMailQueue

        return SqsMailQueue(client=lambda: self.client("sqs"), queue_url=self.settings.mail_queue_url)

    @cached_property
    def mail_service(self) -> "MailService":
        """Takes requests for mail."""
        from gerbang.mail.service import MailLimits, MailService

        return MailService(
            queue=self.mail_queue,
            rate_limits=self.rate_limits,
            limits=MailLimits(
                minute=self.limit("mail_minute"),
                hour=self.limit("mail_hour"),
                client=self.limit("mail_address"),
                code_tries=self.limit("code_tries"),
            ),
            log_event=self.log_event,
            new_id=self.new_id,
        )

    @cached_property
    def email_change_mails(self) -> "EmailChangeMails":
        """Takes requests for the mails of a change of address."""
        from gerbang.mail.email_change import EmailChangeMails

        return EmailChangeMails(self.mail_service)

    @cached_property
    def identity_notices(self) -> "IdentityNotices":
        """Queues notices about identities."""
        from gerbang.mail.identity_notices import IdentityNotices

        return IdentityNotices(self.mail_service)

    @cached_property
    def sign_in_sessions(self) -> "Sessions":
        """Opens sessions of existing accounts, and notifies their owners of new devices."""
        if not self.settings.tells_of_new_devices:
            return self.sessions
        from gerbang.mail.device_notices import DeviceNotices

        return replace(self.sessions, tell_of_device=DeviceNotices(self.mail_service).tell)

    @cached_property
    def mail_settings(self) -> "MailSettings":
        """The operator's settings for mail."""
        from gerbang.mail.settings import MailSettings

        return MailSettings(
            product_name=self.settings.product_name,
            sender_address=self.settings.mail_sender,
            sender_name=self.settings.mail_sender_name,
            reply_to=self.settings.mail_reply_to,
            password_reset_url=self.settings.password_reset_url,
            invitation_url=self.settings.invitation_url,
            configuration_set=self.settings.ses_configuration_set,
        )

    @cached_property
    def mails(self) -> "Mails":
        """Composes mails."""
        from gerbang.mail.composing import Mails

        return Mails(settings=self.mail_settings)

    @cached_property
    def outbox(self) -> "Outbox":
        """Sends mails."""
        from gerbang.mail.ses import SesOutbox

        return SesOutbox(client=self.client("sesv2"), settings=self.mail_settings)

    @cached_property
    def mailer(self) -> "Mailer":
        """Handles mail jobs."""
        from gerbang.mail.mailer import Mailer
        from gerbang.mail.organization_invitations import InvitationMails

        return Mailer(
            users=self.users,
            codes=self.codes,
            deliveries=self.mail_deliveries,
            issuer=self.code_issuer,
            reset_tokens=self.reset_tokens,
            invitations=InvitationMails(self.organization_table, self.invitation_tokens),
            mails=self.mails,
            outbox=self.outbox,
            default_locale=self.settings.default_locale,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )
