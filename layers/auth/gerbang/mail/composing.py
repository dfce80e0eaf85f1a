"""Composes mails from the templates of a language: one method per message.

The texts are files that an operator edits (docs/mail.md); this module decides what may go into them. Three things hold
for every message. Of user input, only one validated address reaches a header (ASVS 1.3.11). User input never becomes
markup or a link (ASVS 1.3.7). A code, token or link is only in the body, never in the subject, because SES repeats
subjects in its event records.
"""

import html
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import TEMPLATES, Locale
from gerbang.mail.message import Message
from gerbang.mail.settings import LONGEST_NAME, MailSettings
from gerbang.mail.template_files import read_templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The recipient of a mail."""

    address: str
    """The address stored with the account."""
    locale: Locale
    name: str | None = None
    """The user's name, if known. It is left out if it could mislead the reader (`_greetable`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mails:
    """Composes every message there is.

    Raises, from every method:
        MailRejected: the recipient's address cannot be mailed.
        MailTemplateInvalid: the template was edited into something unusable, or is missing.
    """

    settings: MailSettings
    templates: Path = TEMPLATES
    """The folder of the templates, one folder per language in it."""

    def sign_in_code(self, to: Recipient, *, code: str, valid_for: timedelta, link: str | None = None) -> Message:
        """Return the mail with a code to sign in with; it states *valid_for* in whole minutes, rounded down.

        With a *link*, which does what the code does, the mail has both.
        """
        return self._compose_code(MailKind.SIGN_IN_CODE, to, "sign_in_link", link, code=code, valid_for=valid_for)

    def verification_code(self, to: Recipient, *, code: str, valid_for: timedelta, link: str | None = None) -> Message:
        """Return the mail with the code that verifies the address of a new account; see `sign_in_code`."""
        return self._compose_code(
            MailKind.VERIFICATION_CODE, to, "verification_link", link, code=code, valid_for=valid_for
        )

    def recovery_code(self, to: Recipient, *, code: str, valid_for: timedelta, link: str | None = None) -> Message:
        """Return the mail with a code to sign in with and then set a new password; see `sign_in_code`."""
        return self._compose_code(MailKind.RECOVERY_CODE, to, "recovery_link", link, code=code, valid_for=valid_for)

    def invite(self, to: Recipient, *, code: str, valid_for: timedelta, link: str | None = None) -> Message:
        """Return the mail that invites to an account that the operator made; see `sign_in_code`."""
        return self._compose_code(MailKind.INVITE, to, "invite_link", link, code=code, valid_for=valid_for)

    def password_reset(self, to: Recipient, *, token: str, valid_for: timedelta) -> Message:
        """Return the mail with a password reset token; it states *valid_for* as `sign_in_code` does.

        The token is in a link if the settings have a page for it, else in the mail by itself.
        """
        minutes = _minutes(valid_for)
        if link := self.settings.reset_link(token):
            return self._compose(MailKind.PASSWORD_RESET, to, "password_reset_link", link=link, minutes=minutes)
        return self._compose(MailKind.PASSWORD_RESET, to, "password_reset_token", token=token, minutes=minutes)

    def password_changed(self, to: Recipient, *, changed_at: datetime) -> Message:
        """Return the notice that the password was changed, with an address to write to if it was someone else.

        It carries no token and no link (SP 800-63B-4, section 4.6; ASVS 6.3.7).
        """
        values = {"changed_at": _instant(changed_at), "contact": self.settings.contact}
        return self._compose(MailKind.PASSWORD_CHANGED, to, **values)

    def password_removed(self, to: Recipient) -> Message:
        """Return the notice that verifying the address removed the password, and how to set a new one."""
        return self._compose(MailKind.PASSWORD_REMOVED, to, contact=self.settings.contact)

    def account_exists(self, to: Recipient) -> Message:
        """Return the notice that the address was registered again. It carries no code and no link."""
        return self._compose(MailKind.ACCOUNT_EXISTS, to, contact=self.settings.contact)

    def email_change_current(
        self, to: Recipient, *, code: str, valid_for: timedelta, link: str | None = None
    ) -> Message:
        """Return the mail that asks the current address to confirm that another one replaces it; see `sign_in_code`.

        It does not name the other address, which a stranger may have chosen.
        """
        kind, contact = MailKind.EMAIL_CHANGE_CURRENT, self.settings.contact
        return self._compose_code(
            kind, to, "email_change_current_link", link, code=code, valid_for=valid_for, contact=contact
        )

    def email_change_new(self, to: Recipient, *, code: str, valid_for: timedelta, link: str | None = None) -> Message:
        """Return the mail that asks the new address of an account to confirm the change; see `sign_in_code`."""
        return self._compose_code(
            MailKind.EMAIL_CHANGE_NEW, to, "email_change_new_link", link, code=code, valid_for=valid_for
        )

    def _compose_code(
        self, kind: MailKind, to: Recipient, linked: str, link: str | None, *, valid_for: timedelta, **values: str
    ) -> Message:
        """Return the mail with a code. If it has a link, too, its template is *linked*."""
        values["minutes"] = _minutes(valid_for)
        if link is None:
            return self._compose(kind, to, **values)
        return self._compose(kind, to, linked, link=link, **values)

    def reauthentication_code(self, to: Recipient, *, code: str, valid_for: timedelta, **_link: None) -> Message:
        """Return the mail with a code for a signed-in user to confirm a change, without a link; see `sign_in_code`."""
        return self._compose(MailKind.REAUTHENTICATION_CODE, to, code=code, minutes=_minutes(valid_for))

    def identity_linked(self, to: Recipient, *, provider: str, changed_at: datetime) -> Message:
        """Return the notice that an identity of a provider was linked to the account."""
        values = {"provider": _shown_provider(provider), "changed_at": _instant(changed_at)}
        return self._compose(MailKind.IDENTITY_LINKED, to, **values, contact=self.settings.contact)

    def identity_unlinked(self, to: Recipient, *, provider: str, changed_at: datetime) -> Message:
        """Return the notice that an identity of a provider was unlinked from the account."""
        values = {"provider": _shown_provider(provider), "changed_at": _instant(changed_at)}
        return self._compose(MailKind.IDENTITY_UNLINKED, to, **values, contact=self.settings.contact)

    def password_unlinked(self, to: Recipient, *, changed_at: datetime) -> Message:
        """Return the notice that the owner of the account removed its password."""
        values = {"changed_at": _instant(changed_at), "contact": self.settings.contact}
        return self._compose(MailKind.IDENTITY_UNLINKED, to, "password_unlinked", **values)

    def new_device(self, to: Recipient, *, device: str | None, address: str, signed_in_at: datetime) -> Message:
        """Return the notice of a sign-in from a new device. *device* is its description, None if it is not known."""
        values = {"device": device or "?", "address": address or "?", "signed_in_at": _instant(signed_in_at)}
        return self._compose(MailKind.NEW_DEVICE, to, **values, contact=self.settings.contact)

    def organization_invitation(
        self, to: Recipient, *, organization: str, organization_id: str, token: str, valid_for: timedelta
    ) -> Message:
        """Return the mail that invites to an organization; it states *valid_for* in whole days.

        The organization is named by its id where its name, which is a stranger's text, could mislead. The token is in a
        link if the settings have a page for it, else in the mail by itself.
        """
        kind = MailKind.ORGANIZATION_INVITATION
        values = {
            "organization": _greetable(organization) or organization_id,
            "days": str(valid_for // timedelta(days=1)),
        }
        if link := self.settings.invitation_link(token):
            return self._compose(kind, to, "organization_invitation_link", link=link, **values)
        return self._compose(kind, to, token=token, **values)

    def _compose(self, kind: MailKind, to: Recipient, template: str | None = None, /, **values: str) -> Message:
        """Return the message that *template*, by default the kind's, makes of *values*. It must use each of them."""
        written = read_templates(self.templates, to.locale, template or kind, frozenset(values))
        common = {"greeting": written.greeting(_greetable(to.name)), "product_name": self.settings.product_name}
        in_text = {**common, **values}
        in_html = {key: html.escape(value) for key, value in in_text.items()}
        subject = written.subject.substitute(in_text)
        page = {
            "locale": to.locale,
            "subject": html.escape(subject),
            "product_name": in_html["product_name"],
            "content": written.html.substitute(in_html),
        }
        return Message(
            kind=kind,
            locale=to.locale,
            to=to.address,
            subject=subject,
            text=written.text.substitute(in_text),
            html=written.layout.substitute(page),
        )


def _minutes(span: timedelta) -> str:
    """Return *span* in whole minutes, rounded down, at least one."""
    return str(max(1, span // timedelta(minutes=1)))


def _instant(at: datetime) -> str:
    """Return ISO 8601 with a space for the T: readers of every language understand it in the same way."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _shown_provider(name: str) -> str:
    """Return the display name of a provider: `Google` for `google`, `My Shop` for `custom:my-shop`."""
    return re.sub(r"[_-]+", " ", name.removeprefix("custom:")).strip().title()


# Text in names that mail programs turn into links: anything with a scheme, a path or an address, "www.", and host names
# ("evil.example", but not "J.R. Tolkien"). Long runs of digits become telephone links, or look like a code.
_MISLEADING: Final = re.compile(r"[/\\@:]|www\.|[.。][^\W_]{2}|\d[\d .-]{2,}\d", re.IGNORECASE)


def _greetable(name: str | None) -> str | None:
    """Return *name* on one line and without invisible characters; None if it is empty or could mislead the reader.

    Anyone can register another person's address under any name, so the name may be a stranger's text (ASVS 1.3.7).
    Names longer than 64 characters are messages, not names.
    """
    one_line = " ".join((name or "").split())
    visible = "".join(char for char in one_line if unicodedata.category(char)[0] != "C")
    # Compatibility forms first: a full-width dot or solidus is a dot or solidus to a browser.
    if len(visible) > LONGEST_NAME or _MISLEADING.search(unicodedata.normalize("NFKC", visible)):
        return None
    return visible.strip() or None
