"""Replaying any file that holds a market, whichever kind it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

from synaptic_crdt.node.audit import Claim
from synaptic_crdt.node.bundles import audit_bundle
from synaptic_crdt.node.documents import audit_document
from synaptic_crdt.node.opening import is_document
from synaptic_crdt.node.wire import Json


def audit_file(
    path: Path,
    root: str | None = None,
    heads: Sequence[str] | None = None,
    at: str | None = None,
    tell: Callable[[int], None] | None = None,
) -> Json:
    """Replay a bundle or an Automerge file from its bytes alone; see ``audit.audit_market``.

    ``tell`` is told from time to time how many bytes of a bundle are done.
    """
    claim = Claim(root, heads, at)
    return audit_document(path, claim) if is_document(path) else audit_bundle(path, claim, tell)
