"""Commands about who takes part: names, invitations, consent, attestations."""

from collections.abc import Sequence
from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_account, find_id
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.peers import read_addresses
from synaptic_crdt.node.reading import get_newest_secret
from synaptic_crdt.node.tickets import choose_addresses, encode_ticket, make_ticket
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.account_operations import AccountUpdate, Attest, AttestRevoke, Caps
from synaptic_crdt.rules.certificates import make_certificate
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.invitations import get_one_time
from synaptic_crdt.rules.market import get_rows
from synaptic_crdt.rules.operations import InviteIssue, InviteRevoke, Role
from synaptic_crdt.rules.views import view_consent
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
    ticket = make_ticket(
        node.market.genesis_bytes, certificate, one_time.seed, known, get_newest_secret(node.home)
    )
    return describe_outcome(node, outcome) | {
        "invitation": one_time.public.hex(),
        "role": role,
        "grant": grant,
        "expiry_ms": expiry_ms,
        "ticket": encode_ticket(ticket),
    }


def revoke_invitation(node: Node, *, invitation: str) -> Json:
    """Take back an invitation that nobody used."""
    rows = get_rows(node.market.contract.market.invitations, "number")
    # Of equal keys of several inviters, the contract takes one's own.
    known = sorted({get_one_time(key) for key, _ in rows})
    one_time = find_id("invitation", invitation, known)
    return describe_outcome(node, node.append(InviteRevoke(one_time)))


def set_consent(
    node: Node,
    *,
    on: bool,
    tasks_per_day: int | None = None,
    units_per_task: int | None = None,
    open_assignments: int | None = None,
    kinds: Sequence[str] = (),
    requester_min: int | None = None,
    blocked: Sequence[str] = (),
) -> Json:
    """Opt in to the terms in force, on these conditions and no others; or out of all."""
    terms = node.market.contract.market.get_parameters().terms if on else None
    caps = Caps(tasks_per_day, units_per_task, open_assignments, tuple(sorted(set(kinds))) or None)
    accounts = sorted({find_account(node, text) for text in blocked})
    conditions = {} if requester_min is None else {"requester_min": requester_min}
    operation = make_consent(terms, caps=caps, blocked=tuple(accounts), **conditions)
    told = describe_outcome(node, node.append(operation))
    return told | view_consent(node.market.contract.market, node.account)


def rename_account(node: Node, *, name: str) -> Json:
    """Take another name."""
    return describe_outcome(node, node.append(AccountUpdate(name))) | {"name": name}


def attest(node: Node, *, account: str, claim: str, expires_seconds: int) -> Json:
    """Vouch for an account, as a verifier of the market."""
    expiry_ms = node.get_wall_ms() + expires_seconds * _SECOND_MS
    operation = Attest(find_account(node, account), claim, expiry_ms, "word")
    outcome = node.append(operation)
    return describe_outcome(node, outcome) | {
        "attestation": outcome.entry.id.hex(),
        "account": operation.account.hex(),
        "claim": claim,
        "expiry_ms": expiry_ms,
    }


def revoke_attestation(node: Node, *, attestation: str) -> Json:
    """Take one's word back."""
    index = node.market.contract.market.attestations.index("account")
    known = [key for _, key in index.ascend() if isinstance(key, bytes)]
    found = find_id("attestation", attestation, known)
    return describe_outcome(node, node.append(AttestRevoke(found)))
