"""Who writes for whom, a second time: devices of accounts, their ages, and what ended them."""

from dataclasses import dataclass
from typing import Any, Final

import nacl.exceptions
import nacl.signing

from synaptic_crdt.state.codec import encode
from tests.ledger.words import need

PAPER_AGE: Final = -1
_SIGNED: Final = b"synaptic-crdt 1 "


@dataclass(frozen=True)
class Said:
    """An entry, and the account that it speaks for."""

    id: bytes
    device: bytes
    account: bytes
    position: int
    operation: list[Any]


@dataclass(frozen=True)
class Addition:
    """The word of one device that another may join."""

    adder: bytes
    exchange: bytes
    is_paper: bool


class Devices:
    """All devices there ever were; what is revoked is closed when an epoch ends."""

    def __init__(self, market: bytes) -> None:
        self.market: Final = market
        self.accounts: Final[dict[bytes, bytes]] = {}
        self.ages: Final[dict[bytes, int]] = {}
        self.added: Final[dict[tuple[bytes, bytes], Addition]] = {}
        self.revoked: Final[set[bytes]] = set()
        self.closed: Final[set[bytes]] = set()

    def open(self, account: bytes, paper: list[Any] | None) -> None:
        """Whoever opens an account is its first device; paper may come later."""
        self._come(account, account, len(self.ages))
        if paper is not None:
            self.added[account, paper[0]] = Addition(account, paper[1], is_paper=True)

    def add(self, fields: list[Any], said: Said) -> None:
        """Let a device come."""
        device, exchange = fields
        is_known = device in self.accounts or (said.account, device) in self.added
        need(not is_known, "DEVICE_EXISTS")
        need(len(self.list_living(said.account)) < 8, "TOO_MANY_DEVICES")
        self.added[said.account, device] = Addition(said.device, exchange, is_paper=False)

    def join(self, fields: list[Any], said: Said) -> None:
        """Come, on the word of one that is there."""
        account, exchange, (adder, issued, signature) = fields
        need(said.position == 1 or said.device not in self.accounts, "ACCOUNT_EXISTS")
        need(said.position == 1, "NOT_FIRST_ENTRY")
        need((account, said.device) in self.added, "DEVICE_NOT_ADDED")
        addition = self.added[account, said.device]
        need((addition.adder, addition.exchange) == (adder, exchange), "VOUCHER_MISMATCH")
        word = self.market + encode([account, said.device, exchange, issued])
        need(is_signed(adder, b"device", word, signature), "VOUCHER_FORGED")
        del self.added[account, said.device]
        self._come(said.device, account, PAPER_AGE if addition.is_paper else len(self.ages))

    def revoke(self, fields: list[Any], said: Said) -> None:
        """End what is younger, and what it promised others."""
        (device,) = fields
        addition = self.added.get((said.account, device))
        is_own = self.accounts.get(device) == said.account
        need(addition is not None or is_own, "DEVICE_UNKNOWN")
        if addition is not None:
            need(not addition.is_paper, "DEVICE_IS_OLDER")
            del self.added[said.account, device]
            return
        need(self.ages[device] > self.ages[said.device], "DEVICE_IS_OLDER")
        need(device not in self.revoked, "ALREADY_REVOKED")
        self.revoked.add(device)
        for key in [key for key, each in self.added.items() if each.adder == device]:
            del self.added[key]

    def list_living(self, account: bytes) -> list[bytes]:
        """Return the devices that write for an account, or may come to."""
        joined = [device for device, whose in self.accounts.items() if whose == account]
        coming = [device for whose, device in self.added if whose == account]
        return [device for device in joined if device not in self.revoked] + coming

    def _come(self, device: bytes, account: bytes, age: int) -> None:
        self.accounts[device] = account
        self.ages[device] = age


def is_signed(key: bytes, kind: bytes, said: bytes, signature: bytes) -> bool:
    """Did the holder of a key sign this, as a thing of that kind?"""
    try:
        nacl.signing.VerifyKey(key).verify(_SIGNED + kind + b"\n" + said, signature)
    except nacl.exceptions.BadSignatureError:
        return False
    return True
