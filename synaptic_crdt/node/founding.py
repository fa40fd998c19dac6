"""Founding a market, joining one, and joining an account with one more device: what makes a home."""

import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.folders import sync_folder
from synaptic_crdt.node.cold_start import begin_node
from synaptic_crdt.node.device_tickets import (
    DeviceRequest,
    decode_device_ticket,
    encode_request,
)
from synaptic_crdt.node.home import Home, HomeLock
from synaptic_crdt.node.lookup import read_device
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.paper import append_as_paper, find_account, read_paper_key
from synaptic_crdt.node.peers import keep_addresses
from synaptic_crdt.node.place import PlaceGuard
from synaptic_crdt.node.queries.members import list_devices
from synaptic_crdt.node.reading import keep_secret
from synaptic_crdt.node.tickets import decode_ticket
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.certificates import is_vouched, make_paper, make_proof, make_voucher
from synaptic_crdt.rules.genesis import DEFAULT_SUPPLY, encode_genesis, make_genesis
from synaptic_crdt.rules.operations import AccountOpen, DeviceAdd, DeviceJoin, TreasuryPay
from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.state.limits import WITNESSES
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.read_keys import make_read_key, open_read_key
from synaptic_crdt.sync.transports.bundle import read_bundle, read_genesis

_OPENINGS_PER_DAY: Final = 100


def found_market(
    home: Home,
    passphrase: str,
    *,
    name: str,
    symbol: str = "SYN",
    account_name: str,
    sandbox: bool = False,
    is_open: bool = False,
    supply: int = DEFAULT_SUPPLY,
    mint_cap: int = 0,
    fund: int | None = None,
    witnesses: Sequence[str] = (),
    wall_ms: int,
) -> Json:
    """Make a market with this home as founder, requester and sequencer.

    ``witnesses`` are the devices, in hex, whose majority cosigns what is to count. ``fund`` is what the treasury pays the founder at once, its day's cap when not given. The
    answer holds the recovery key and the paper device's key, which are kept nowhere else.
    """
    named = [read_device(text) for text in witnesses]
    if len(set(named)) < len(named):
        raise UsageError("a witness is named twice")
    if len(named) > WITNESSES:
        raise UsageError(f"{len(named)} witnesses are more than the {WITNESSES} there can be")
    if sandbox and named:
        raise UsageError("a sandbox has no witnesses, since nothing in it is ever final")
    with _free_home(home):
        key = home.make_key(passphrase)
        recovery, paper = DeviceKey(make_seed()), DeviceKey(make_seed())
        genesis = make_genesis(
            name=name,
            symbol=symbol,
            founder=key.public,
            recovery=recovery.public,
            created_ms=wall_ms,
            sandbox=sandbox,
            openings_per_day=_OPENINGS_PER_DAY if is_open else 0,
            supply=supply,
            mint_cap=mint_cap,
            witnesses=named,
        )
        fund = genesis.treasury_day_cap if fund is None else fund
        if not is_open:
            keep_secret(home, make_read_key())
        with _new_node(home, key, encode_genesis(genesis)) as node:
            node.append(_open_account(node, paper, account_name))
            if fund:
                node.append(TreasuryPay(key.public, fund, make_seed(), "founding"))
            if node.is_sequencer:
                node.make_checkpoint()
            return _describe(node, node.account) | {
                "paper_key": paper.seed.hex(),
                "name": account_name,
                "symbol": symbol,
                "sandbox": sandbox,
                "supply": supply,
                "funded": fund,
                "recovery_key": recovery.seed.hex(),
                "witnesses": [witness.hex() for witness in genesis.witnesses],
            }


def make_device(home: Home, passphrase: str) -> Json:
    """Make a home's device key before it holds a market, so that a genesis can name the device."""
    with _free_home(home):
        key = home.make_key(passphrase)
        return {"device": key.public.hex(), "home": str(home.path)}


def join_market(
    home: Home,
    passphrase: str,
    ticket_text: str,
    account_name: str,
    state: Path | None = None,
    *,
    from_checkpoint: bool = False,
) -> Json:
    """Open an account with a ticket's invitation. Nothing is sent; the next sync tells others.

    ``state`` is a file to begin at a checkpoint with, instead of at the genesis;
    ``from_checkpoint`` fetches one over a link to an address of the ticket.
    """
    ticket = decode_ticket(ticket_text)
    with _free_home(home):
        key = home.make_key(passphrase)
        paper = DeviceKey(make_seed())
        proof = make_proof(ticket.market, DeviceKey(ticket.secret), key.public)
        operation = AccountOpen(
            name=account_name,
            exchange=key.get_exchange_public(),
            paper=make_paper(ticket.market, key, paper),
            certificate=ticket.certificate,
            proof=proof,
        )
        if from_checkpoint:
            from synaptic_crdt.node.newcomer import fetch_checkpoint

            state = fetch_checkpoint(home, key, ticket.genesis, operation, ticket.addresses)
        with _arrived_dropped(home), _new_node(home, key, ticket.genesis, state) as node:
            # The invitation's own entry arrives with the first sync; until then the contract
            # here cannot know of it.
            node.append_unasked(operation)
            told = _describe(node, node.account) | {"paper_key": paper.seed.hex()}
        keep_addresses(home, ticket.addresses)
        if ticket.read_key:
            keep_secret(home, ticket.read_key)
    return told | {
        "name": account_name,
        "role": ticket.certificate.role,
        "grant": ticket.certificate.grant,
        "addresses": list(ticket.addresses),
    }


def request_device(home: Home, passphrase: str) -> Json:
    """Make the key of a new device, and the request that a device of the account answers."""
    with _free_home(home):
        key = home.make_key(passphrase)
    request = DeviceRequest(device=key.public, exchange=key.get_exchange_public())
    return {
        "device": key.public.hex(),
        "request": encode_request(request),
        "home": home.name,
    }


def join_account(home: Home, passphrase: str, ticket_text: str) -> Json:
    """Join an account with the ticket that answers this home's request."""
    with _free_home(home):
        if not home.key_path.exists():
            raise UsageError(
                f"{home.path} has asked for no ticket; run `synaptic-crdt device request` first"
            )
        key = home.read_key(passphrase)
        ticket = decode_device_ticket(ticket_text, key.public)
        operation = DeviceJoin(
            account=ticket.account,
            exchange=key.get_exchange_public(),
            voucher=ticket.voucher,
        )
        # Nobody would let such a feed in.
        if not is_vouched(ticket.market, key.public, operation):
            raise UsageError("nobody signed for this device in this ticket; ask for a new one")
        with _new_node(home, key, ticket.genesis) as node:
            # As when joining a market: the addition arrives with the first sync.
            node.append_unasked(operation)
            told = _describe(node, ticket.account)
        keep_addresses(home, ticket.addresses)
        if ticket.read_key:
            keep_secret(home, open_read_key(ticket.read_key, key))
    return told | {"addresses": list(ticket.addresses)}


def restore_account(home: Home, passphrase: str, bundle: str, paper_key: str) -> Json:
    """Join an account with a new device that its paper device adds; the paper key is not kept.

    The bundle is anybody's of the market. What the paper device wrote since is not in it: sync
    before the paper key is used anywhere else, or its feed forks.
    """
    paper = read_paper_key(paper_key)
    path = Path(bundle)
    with _free_home(home):
        key = home.make_key(passphrase)
        with _new_node(home, key, read_genesis(path)) as node:
            read_bundle(path, node.gate)
            account = find_account(node, paper)
            exchange = key.get_exchange_public()
            added = append_as_paper(node, paper, account, DeviceAdd(key.public, exchange))
            voucher = make_voucher(
                node.market.id,
                paper,
                account=account,
                device=key.public,
                exchange=exchange,
                issued=added.entry.time,
            )
            node.append(DeviceJoin(account=account, exchange=exchange, voucher=voucher))
            return _describe(node, account) | list_devices(node)


def _open_account(node: Node, paper: DeviceKey, name: str) -> AccountOpen:
    return AccountOpen(
        name=name,
        exchange=node.key.get_exchange_public(),
        paper=make_paper(node.market.id, node.key, paper),
        certificate=None,
        proof=None,
    )


def _describe(node: Node, account: bytes) -> Json:
    return {
        "market": node.market.id.hex(),
        "market_name": node.market.genesis.name,
        "account": account.hex(),
        "device": node.key.public.hex(),
        "home": node.home.name,
    }


@contextmanager
def _free_home(home: Home) -> Generator[None]:
    home.make()
    lock = HomeLock.try_take(home)
    if lock is None:
        raise UsageError(f"another process is using {home.path}; wait until it ends")
    with lock:
        home.check_free()
        yield


@contextmanager
def _arrived_dropped(home: Home) -> Generator[None]:
    """Drop what was fetched over a link once it was begun with, or turned out to be a lie."""
    try:
        yield
    finally:
        shutil.rmtree(home.incoming_path, ignore_errors=True)


@contextmanager
def _new_node(
    home: Home, key: DeviceKey, genesis_bytes: bytes, state: Path | None = None
) -> Generator[Node]:
    """Yield a node on a new store, which becomes the home's once all that is written holds."""
    new = home.store_path.with_name(home.store_path.name + ".new")
    for leftover in (new, Path(f"{new}-wal"), Path(f"{new}-shm")):
        leftover.unlink(missing_ok=True)
    store = Store.create(new, genesis_bytes)
    try:
        yield Node(home, key, store) if state is None else begin_node(home, key, store, state)
    finally:
        store.close()
    new.replace(home.store_path)
    sync_folder(home.path)
    PlaceGuard(home, key.public)
