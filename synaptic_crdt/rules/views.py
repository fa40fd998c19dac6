"""What a person or another program may want to see: read-only, ready for JSON.

Bytes are hex, times are ms of market time, tokens are in the smallest unit. Nothing here decides
anything, and none of it is under the root.
"""

from typing import Any

from synaptic_crdt.rules.attestations import is_attested
from synaptic_crdt.rules.devices import PAPER_NUMBER
from synaptic_crdt.rules.invitations import get_one_time
from synaptic_crdt.rules.market import Market, get_rows
from synaptic_crdt.rules.rows import (
    AccountRow,
    BalanceRow,
    ChangeRow,
    DeviceRow,
    Purpose,
)

View = dict[str, Any]


def view_wallet(market: Market, account: bytes) -> View:
    """What an account has, free and locked; an unknown one has nothing.

    ``final`` is what was free when the last epoch was closed; ``pending_in`` and ``pending_out``
    say by how much the free tokens have grown or shrunk since.
    """
    available = market.get_available(account)
    settled: BalanceRow | None = market.tables.get_settled(market.balances, account)
    final = 0 if settled is None else settled.available
    return {
        "account": account.hex(),
        "available": available,
        "final": final,
        "pending_in": max(0, available - final),
        "pending_out": max(0, final - available),
        "escrow": _sum_held(market, account, "escrow"),
        "bonded": _sum_held(market, account, "bond"),
        "granted": _sum_held(market, account, "grant"),
    }


def view_supply(market: Market) -> View:
    """Where all tokens are; the three parts add up to the supply."""
    money = market.get_money()
    return {
        "supply": market.get_parameters().supply,
        "balances": money.available,
        "holds": money.held,
        "treasury": money.treasury,
    }


def view_accounts(market: Market) -> list[View]:
    """All accounts in the order of their opening."""
    return [
        _view_account(market, account, row) for account, row in get_rows(market.accounts, "number")
    ]


def view_account(market: Market, account: bytes) -> View | None:
    """One account, or None."""
    row = market.accounts.get(account)
    return None if row is None else _view_account(market, account, row)


def view_devices(market: Market, account: bytes) -> list[View]:
    """All devices of an account, the oldest first, then those that may join it."""
    joined = [
        _view_device(device, row) for device, row in get_rows(market.devices, "account", account)
    ]
    return joined + [
        {
            "device": device.hex(),
            "state": "PAPER" if row.is_paper else "ADDED",
            "paper": row.is_paper,
            "exchange": row.exchange.hex(),
            "adder": row.adder.hex(),
            "joined_ms": None,
            "revoked_by": "",
        }
        for (_, device), row in get_rows(market.additions, "account", account)
    ]


def view_consent(market: Market, account: bytes) -> View:
    """Whether an account may be given work, on which conditions, and how much it owes."""
    consent, provider = market.get_consent(account), market.get_provider(account)
    return {
        "opted_in": consent.terms == market.get_parameters().terms,
        "terms": None if consent.terms is None else consent.terms.hex(),
        "caps": {
            "tasks_per_day": consent.tasks_per_day,
            "units_per_task": consent.units_per_task,
            "open_assignments": consent.open_assignments,
            "kinds": None if consent.kinds is None else list(consent.kinds),
        },
        "requester_min": consent.requester_min,
        "blocked": [blocked.hex() for blocked in consent.blocked],
        "owed": provider.owed,
        "taken": {"day": provider.day, "tasks": provider.taken},
    }


def view_parameters(market: Market) -> View:
    """What the council may change, as it is in force, and what changes when."""
    row = market.get_parameters()
    return {
        "kinds": [{"kind": kind.slug, "unit": kind.unit} for kind in row.kinds],
        "terms": row.terms.hex(),
        "fee_ppm": row.fee_ppm,
        "arbiters": [account.hex() for account in row.arbiters],
        "quorum": row.quorum,
        "verifiers": [account.hex() for account in row.verifiers],
        "rules": row.rules,
        "rules_due": row.rules_due or None,
        "supply": row.supply,
        "mintable": market.genesis.mint_cap - (row.supply - market.genesis.supply),
        "council": [account.hex() for account in market.genesis.council],
        "council_needed": market.genesis.council_needed,
        "changes": [_view_change(key, change) for key, change in get_rows(market.changes, "due")],
    }


def view_attestations(market: Market, account: bytes, now: int) -> list[View]:
    """All that verifiers ever said of an account, in the order in which they said it."""
    return [
        {
            "attestation": key.hex(),
            "verifier": row.verifier.hex(),
            "account": row.account.hex(),
            "claim": row.claim,
            "proof": row.proof,
            "attested_ms": row.attested_ms,
            "expiry_ms": row.expiry_ms,
            "state": row.state,
            "counts": is_attested(market, account, row.claim, row.verifier, now)
            and row.state == "STANDING",
        }
        for key, row in get_rows(market.attestations, "account", account)
    ]


def view_invitations(market: Market) -> list[View]:
    """All invitations in the order of their issue."""
    return [
        {
            "invitation": get_one_time(key).hex(),
            "number": row.number,
            "inviter": row.account.hex(),
            "role": row.role,
            "grant": row.grant,
            "expiry_ms": row.expiry_ms,
            "state": row.state,
            "used_by": row.used_by.hex(),
        }
        for key, row in get_rows(market.invitations, "number")
    ]


def _view_account(market: Market, account: bytes, row: AccountRow) -> View:
    return {
        "account": account.hex(),
        "number": row.number,
        "name": row.name,
        "role": row.role,
        "paper": None if row.paper is None else row.paper.hex(),
        "inviter": row.inviter.hex(),
        "group": row.group.hex(),
        "opened_ms": row.opened_ms,
        "available": market.get_available(account),
        **view_consent(market, account),
    }


def _view_change(parameter: bytes, row: ChangeRow) -> View:
    kinds, verifiers = row.kinds or (), row.verifiers or ()
    value: dict[str, Any] = {
        "kinds": [{"kind": kind.slug, "unit": kind.unit} for kind in kinds],
        "terms": None if row.terms is None else row.terms.hex(),
        "fee_ppm": row.fee_ppm,
        "verifiers": [account.hex() for account in verifiers],
        "rules": row.rules_due,
    }
    name = parameter.decode()
    return {"parameter": name, "to": value[name], "due_ms": row.due_ms, "entry": row.entry.hex()}


def _view_device(device: bytes, row: DeviceRow) -> View:
    return {
        "device": device.hex(),
        "state": row.state,
        "paper": row.number == PAPER_NUMBER,
        "exchange": row.exchange.hex(),
        "adder": row.adder.hex(),
        "joined_ms": row.joined_ms,
        "revoked_by": row.revoked_by.hex(),
    }


def _sum_held(market: Market, payer: bytes, purpose: Purpose) -> int:
    held = get_rows(market.holds, "payer", payer)
    return sum(hold.amount for key, hold in held if key[1] == purpose)
