"""Bundles as a person meets them: written, merged, explained, and replayed by an auditor."""

from collections.abc import Callable
from pathlib import Path

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.node.audit import Claim, audit_market
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.genesis import decode_genesis
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.transports import bundle
from synaptic_crdt.sync.transports.bundle_damage import find_damage


def write_bundle(node: Node, *, path: PathText) -> Json:
    """Write everything held to a file."""
    written = bundle.write_bundle(Path(path), node.replica, node.market.genesis_bytes)
    return _describe_summary(path, written)


def read_bundle(node: Node, *, path: PathText) -> Json:
    """Merge a bundle; all of it verifies, or nothing of it is admitted."""
    report = bundle.read_bundle(Path(path), node.gate)
    root = node.replica.root
    node.keep_reversals()
    return _describe_report(path, report) | {
        "root": root.hex(),
        "entries": node.replica.entries,
    }


def show_bundle(path: Path) -> Json:
    """Say what a bundle holds, without a home. Checksum and form are checked, seals are not."""
    summary = bundle.show_bundle(path)
    genesis = decode_genesis(summary.genesis)
    return _describe_summary(str(path), summary) | {
        "market_name": genesis.name,
        "symbol": genesis.symbol,
        "sandbox": genesis.sandbox,
        "created_ms": genesis.created_ms,
        "feeds": [
            {
                "device": feed.device.hex(),
                "first": feed.first,
                "last": feed.last,
                "bytes": feed.bytes,
            }
            for feed in summary.feeds
        ],
    }


def audit_bundle(path: Path, claim: Claim, tell: Callable[[int], None] | None = None) -> Json:
    """Replay a bundle from its bytes alone; see ``audit.audit_market``.

    Raises ``MalformedInput`` naming the place where the file is damaged.
    """
    try:
        market = Market(bundle.read_genesis(path))
        report = bundle.read_bundle(path, market.make_gate(KeepNothing()), tell)
    except MalformedInput as error:
        place = find_damage(
            path, lambda genesis: Market(genesis).make_gate(KeepNothing()).inspect()
        )
        raise MalformedInput(f"{error}; the first that does not verify: {place}") from error
    return audit_market(market, (), claim) | {
        "held": report.entries_held,
        "forks": [device.hex() for device in report.forks],
    }


def _describe_summary(path: str, summary: bundle.BundleSummary) -> Json:
    return {
        "path": path,
        "market": summary.market.hex(),
        "entries": summary.entries,
        "statements": summary.statements,
        "bytes": summary.bytes,
    }


def _describe_report(path: str, report: bundle.BundleReport) -> Json:
    return {
        "path": path,
        "received": report.entries_new,
        "known": report.entries_known,
        "held": report.entries_held,
        "statements": report.statements_new,
        "forks": [device.hex() for device in report.forks],
    }
