"""Flow states: one for each link of a PKCE client that was opened, until its authorization code is exchanged."""

from dataclasses import field
from datetime import datetime
from hashlib import sha256

from gerbang.core.dataclass import dataclass
from gerbang.storage.records import from_item, to_item
from gerbang.storage.store import Absent, Delete, Key, Present, Put, Store

_FLOW = "FLOW#"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """What an authorization code stands for: an account, and the challenge that its verifier must match."""

    user_id: str
    epoch: int
    """The account's epoch when the link was opened. If it was raised since, the code is invalid."""
    challenge: str = field(repr=False)
    """As `gerbang.sessions.pkce.CodeChallenge.to_text` writes it."""
    valid_until: datetime
    expires_at: datetime
    """When the item may be deleted (TTL)."""


@dataclass(frozen=True, slots=True)
class FlowStateTable:
    """Flow states, in the table of one-time codes. The key is a hash of the authorization code, which is random."""

    store: Store
    table: str

    def find(self, code: str) -> FlowState | None:
        """Return the state of an authorization code, None if there is none or it was exchanged."""
        return from_item(FlowState, self.store.get(self._key(code)))

    def creation(self, code: str, state: FlowState) -> Put:
        """Return the action that stores the state of a new authorization code."""
        return Put(self._key(code), to_item(state), (Absent("pk"),))

    def spending(self, code: str) -> Delete:
        """Return the action that spends an authorization code. It fails if the code was spent before."""
        return Delete(self._key(code), (Present("pk"),))

    def _key(self, code: str) -> Key:
        return Key(self.table, f"{_FLOW}{sha256(code.encode('utf-8', 'surrogatepass')).hexdigest()}")
