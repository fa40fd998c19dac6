"""Devices of an account: added by one of them, joined by themselves, revoked by an older one.

Guarantees that nobody writes for an account unless a device of it and the new device itself said
so, and that age decides: a device ends only what joined later. The paper device, named when the
account is opened, is the oldest whenever it joins; so a stolen machine cannot shut its owner out,
and what it added in the meantime can be ended, too.

Does not undo what a device did before its revocation's place in the order, and does not end what
it let in: each device is revoked by name.
"""

from typing import Final

import msgspec

from synaptic_crdt.rules import limits
from synaptic_crdt.rules.certificates import is_vouched
from synaptic_crdt.rules.market import Act, Market, get_rows
from synaptic_crdt.rules.operations import AccountOpen, DeviceAdd, DeviceJoin, DeviceRevoke
from synaptic_crdt.rules.rows import AdditionRow, DeviceRow
from synaptic_crdt.rules.verdicts import Refusal, Verdict

# The age of a paper device: older than any that joined by its turn, which count from 1.
PAPER_NUMBER: Final = 0


def open_first(market: Market, op: AccountOpen, act: Act) -> None:
    """Make the device that opens an account its first, and let the paper device join later."""
    _join(market, act, account=act.device, exchange=op.exchange, adder=b"", is_paper=False)
    if op.paper is not None:
        market.additions.set(
            (act.device, op.paper.device),
            AdditionRow(exchange=op.paper.exchange, adder=act.device, is_paper=True),
        )


def add_device(market: Market, op: DeviceAdd, act: Act) -> Refusal | None:
    """Let another device join; nothing is its until it says so itself."""
    key = (act.account, op.device)
    if market.devices.get(op.device) is not None or market.additions.get(key) is not None:
        return Refusal(Verdict.DEVICE_EXISTS)
    count = count_devices(market, act.account)
    if count >= limits.DEVICES:
        return Refusal(Verdict.TOO_MANY_DEVICES, (count, limits.DEVICES))
    # From here on the operation must succeed.
    market.additions.set(key, AdditionRow(exchange=op.exchange, adder=act.device, is_paper=False))
    return None


def join_account(market: Market, op: DeviceJoin, act: Act) -> Refusal | None:
    """Write for the account from here on, if a device of it added this one and signed for it."""
    # So that the feed gate can judge a feed by its first entry.
    if act.position != 1:
        if market.devices.get(act.device) is not None:
            return Refusal(Verdict.ACCOUNT_EXISTS)
        return Refusal(Verdict.NOT_FIRST_ENTRY, (act.position,))
    key = (op.account, act.device)
    addition = market.additions.get(key)
    if addition is None:
        return Refusal(Verdict.DEVICE_NOT_ADDED, (act.device,))
    if (addition.adder, addition.exchange) != (op.voucher.adder, op.exchange):
        return Refusal(Verdict.VOUCHER_MISMATCH)
    if not is_vouched(market.id, act.device, op):
        return Refusal(Verdict.VOUCHER_FORGED, (op.voucher.adder,))
    # From here on the operation must succeed.
    market.additions.delete(key)
    _join(
        market,
        act,
        account=op.account,
        exchange=op.exchange,
        adder=addition.adder,
        is_paper=addition.is_paper,
    )
    return None


def revoke_device(market: Market, op: DeviceRevoke, act: Act) -> Refusal | None:
    """End a younger device from here on, with all that it added and that did not join yet."""
    key = (act.account, op.device)
    addition = market.additions.get(key)
    device = market.devices.get(op.device)
    if addition is None and (device is None or device.account != act.account):
        return Refusal(Verdict.DEVICE_UNKNOWN, (op.device,))
    if addition is not None:
        # What has not joined is younger than all, except for the paper device, which never is.
        if addition.is_paper:
            return Refusal(Verdict.DEVICE_IS_OLDER)
        market.additions.delete(key)
        return None
    own = market.devices.get(act.device)
    assert own is not None
    assert device is not None
    if device.number <= own.number:
        return Refusal(Verdict.DEVICE_IS_OLDER)
    if device.state != "ACTIVE":
        return Refusal(Verdict.ALREADY_REVOKED)
    # From here on the operation must succeed.
    revoked = msgspec.structs.replace(device, state="REVOKED", revoked_by=act.entry)
    market.devices.set(op.device, revoked)
    _withdraw_additions(market, act.account, op.device)
    return None


def close_revoked(market: Market) -> dict[bytes, bytes]:
    """Close the feeds of devices revoked in the epoch that ends; return by which entry each was."""
    closed: dict[bytes, bytes] = {}
    for device, row in list(get_rows(market.devices, "revoked")):
        market.devices.set(device, msgspec.structs.replace(row, state="CLOSED"))
        closed[device] = row.revoked_by
    return closed


def count_devices(market: Market, account: bytes) -> int:
    """Return how many devices write for an account or may join it."""
    active = sum(1 for _ in get_rows(market.devices, "active", account))
    return active + sum(1 for _ in get_rows(market.additions, "account", account))


def get_active_devices(market: Market, account: bytes) -> tuple[bytes, ...]:
    """Return the devices that write for an account, ascending."""
    return tuple(sorted(device for device, _ in get_rows(market.devices, "active", account)))


def _join(
    market: Market, act: Act, *, account: bytes, exchange: bytes, adder: bytes, is_paper: bool
) -> None:
    market.devices.set(
        act.device,
        DeviceRow(
            account=account,
            number=PAPER_NUMBER if is_paper else len(market.devices) + 1,
            exchange=exchange,
            adder=adder,
            joined_ms=act.now,
            state="ACTIVE",
            revoked_by=b"",
        ),
    )


def _withdraw_additions(market: Market, account: bytes, adder: bytes) -> None:
    rows = get_rows(market.additions, "account", account)
    for key in [key for key, row in rows if row.adder == adder]:
        market.additions.delete(key)
