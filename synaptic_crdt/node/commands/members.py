"""Commands about who takes part: invitations and consent."""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_id
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.peers import read_addresses
from synaptic_crdt.node.tickets import choose_addresses, encode_ticket, make_ticket
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.certificates import make_certificate
from synaptic_crdt.rules.operations import Consent, InviteIssue, InviteRevoke, Role
from synaptic_crdt.state.keys import DeviceKey, make_seed

_ROLES: Final[tuple[Role, ...]] = ("member", "auditor")
_SECOND_MS: Final = 1_000


def invite(
    node: Node,
    *,
    role: str = "member",
    grant: int = 0,
    expires_seconds: int = 7 * 86_400,
    from_treasury: bool = False,
    addresses: Sequence[str] = (),
) -> Json:
    """Issue an invitation and return its ticket, which is shown once and kept nowhere."""
    if role not in _ROLES:
        raise UsageError(f"role {role!r:.40} is none of {', '.join(_ROLES)}")
    # Before anything is written: a ticket that nobody could read would be lost with its grant.
    known = choose_addresses(addresses, read_addresses(node.home))
    one_time = DeviceKey(make_seed())
    expiry_ms = node.get_wall_ms() + expires_seconds * _SECOND_MS
    operation = InviteIssue(
        one_time=one_time.public,
        role=role,
        grant=grant,
        expiry_ms=expiry_ms,
        from_treasury=from_treasury,
    )
    outcome = node.append(operation)
    certificate = make_certificate(
        node.market.id,
        node.key,
        one_time=one_time.public,
        role=role,
        grant=grant,
        expiry_ms=expiry_ms,
        issued=outcome.entry.time,
    )
    ticket = make_ticket(node.market.genesis_bytes, certificate, one_time.seed, known)
    return describe_outcome(node, outcome) | {
        "invitation": one_time.public.hex(),
        "role": role,
        "grant": grant,
        "expiry_ms": expiry_ms,
        "ticket": encode_ticket(ticket),
    }


def revoke_invitation(node: Node, *, invitation: str) -> Json:
    """Take back an invitation that nobody used."""
    index = node.market.contract.market.invitations.index("number")
    known = [key for _, key in index.ascend() if isinstance(key, bytes)]
    one_time = find_id("invitation", invitation, known)
    return describe_outcome(node, node.append(InviteRevoke(one_time)))


def set_consent(node: Node, *, on: bool) -> Json:
    """Opt in to the terms in force, or out."""
    terms = node.market.genesis.terms if on else None
    return describe_outcome(node, node.append(Consent(terms)))
