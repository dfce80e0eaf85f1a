"""Notices of a sign-in from a device that the account does not know (`gerbang.storage.devices`)."""

from gerbang.core.client import Client
from gerbang.core.dataclass import dataclass
from gerbang.core.user_agents import LONGEST_USER_AGENT
from gerbang.mail.jobs import CLIENT_ADDRESS, DEVICE, USER_AGENT, MailJob, MailKind
from gerbang.mail.service import WRITE_DELAY_SECONDS, MailService
from gerbang.storage.accounts import User
from gerbang.storage.devices import device_of, is_new_device


def is_written(job: MailJob, user: User) -> bool:
    """Return whether the sign-in that queued a notice was written: then the account has the device."""
    return job.payload.get(DEVICE, "") in user.devices


@dataclass(frozen=True, slots=True)
class DeviceNotices:
    """Queues the notices before the sign-in is written. They are mailed once it is."""

    mail_service: MailService

    def tell(self, user: User, client: Client) -> None:
        """Queue the notice of a sign-in, if its device is new to the account and the address is verified.

        An unverified address may be a stranger's. If the request is repeated and queues the notice again, it is mailed
        once. A failure to queue is only logged: the sign-in continues.
        """
        if user.email is None or user.email_verified_at is None or not is_new_device(user, client):
            return
        kind, device = MailKind.NEW_DEVICE, device_of(user.user_id, client)
        job = MailJob(
            job_id=f"{kind}-{user.user_id}-{device}",
            kind=kind,
            email=user.email,
            locale=client.locale,
            payload={
                DEVICE: device,
                USER_AGENT: client.device[:LONGEST_USER_AGENT],
                CLIENT_ADDRESS: client.address,
            },
        )
        self.mail_service.queue_notice(job, user_id=user.user_id, delay_seconds=WRITE_DELAY_SECONDS)
