"""The form of operations, a second time: which fields, of which shape, within which bounds.

A field's shape is a word of ``_fits``; what does not fit is MALFORMED. Then each operation's
bounds, in the order in which they are asked.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state.codec import decode
from tests.ledger.offer_form import check_offer
from tests.ledger.words import SUPPLY_MAX, UNITS_MAX, No, is_ascending, is_slug, need
from tests.ledger.work_form import check_work

_SECRET: Final = re.compile(rb"sk-ant-[A-Za-z0-9_-]{40}|-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY-----")

Shape = Any

_PAYLOAD: Final[Shape] = ["text", "int", "hash", ("or nothing", "bytes")]
_KEY: Final[Shape] = ["hash", "key"]
_OFFER: Final[Shape] = [
    *["int"] * 5,
    ("many", ("one of", ("public", "private", "confidential"))),
    "int",
    *[("many", "hash")] * 3,
]
_CAP: Final[Shape] = ("or nothing", "int")
_PAPER: Final[Shape] = ["hash", "hash", "signature"]
_VOUCHER: Final[Shape] = ["hash", "int", "signature"]
_CERTIFICATE: Final[Shape] = ["hash", "hash", "role", "int", "int", "int", "signature"]

FIELDS: Final[dict[str, list[Shape]]] = {
    "account.open": [
        "text",
        "hash",
        ("or nothing", _PAPER),
        ("or nothing", _CERTIFICATE),
        ("or nothing", "signature"),
    ],
    "invite.issue": ["hash", "role", "int", "int", "flag"],
    "invite.revoke": ["hash"],
    "device.add": ["hash", "hash"],
    "device.join": ["hash", "hash", _VOUCHER],
    "device.revoke": ["hash"],
    "account.update": ["text"],
    "consent": [
        ("or nothing", "hash"),
        [_CAP, _CAP, _CAP, ("or nothing", ("many", "text"))],
        "int",
        ("many", "hash"),
    ],
    "attest": ["hash", "text", "int", ("only", "word")],
    "attest.revoke": ["hash"],
    "token.mint": ["int", "reference", "text"],
    "market.set": [
        ("or nothing", ("many", ["text", "text"])),
        ("or nothing", "hash"),
        ("or nothing", "int"),
        ("or nothing", [("many", "hash"), "int"]),
        ("or nothing", ("many", "hash")),
        ("or nothing", "int"),
        "reference",
    ],
    "token.transfer": ["hash", "int", "reference", "text"],
    "treasury.pay": ["hash", "int", "reference", "text"],
    "task.post": [
        "text",
        "text",
        "text",
        ("many", "hash"),
        ("one of", ("split", "replicate")),
        "int",
        ("many", ["int", _PAYLOAD, ("or nothing", "hash"), ("many", _KEY)]),
        ("one of", ("public", "private", "confidential")),
        ("or nothing", "hash"),
        "int",
        ("one of", ("first-accept", "dutch")),
        *["int"] * 7,
        ("many", "text"),
        "int",
        ("many", "hash"),
        ("many", "hash"),
        "int",
        ["int", "int", "int", "int", ("many", ["text", "int"])],
        [("one of", ("requester", "both", "quorum")), ("many", "hash"), "int", "int"],
        ("or nothing", "hash"),
        "int",
        "int",
        ("many", "hash"),
        "int",
    ],
    "task.improve": ["hash", *["int"] * 9],
    "task.cancel": ["hash"],
    "task.accept": ["hash", "int", ("many", "text")],
    "task.decline": ["hash", "text"],
    "task.reveal": ["hash", ("many", _KEY)],
    "key.share": ["hash", ("one of", ("payload", "result")), ("many", _KEY)],
    "task.start": ["hash"],
    "task.progress": ["hash", "int"],
    "task.deliver": ["hash", _PAYLOAD, ("or nothing", "hash"), ("many", _KEY)],
    "task.fail": ["hash", "text"],
    "task.approve": ["hash", "flag", ("many", ["text", "int"])],
    "assignment.extend": ["hash", "int"],
    "assignment.settle": ["hash", "int"],
    "dispute.open": ["hash", "text", "text", ("many", "hash")],
    "dispute.evidence": ["hash", ("many", "hash")],
    "dispute.rule": ["hash", "int"],
    "dispute.withdraw": ["hash"],
    "feedback": ["hash", "int", "text"],
    "offer.post": ["text", ("many", "text"), "int", "int", "int", "flag", _OFFER],
    "offer.renew": ["hash", "int", "int", "int"],
    "offer.withdraw": ["hash"],
    "presence": [],
    "fork.report": ["bytes"],
}

# The fields of a task by the names that the ledger gives them.
POST: Final = (
    *("kind", "title", "criteria", "after", "mode", "copies", "shards", "privacy", "verifier"),
    *("asset", "auction", "low", "price", "most", "bond", "least", "window", "priority"),
    *("capabilities", "reputation", "only", "exclude", "redispatch", "service", "release"),
    *("evaluator", "reveal", "review", "arbiters", "quorum"),
)


def check_form(operation: list[Any]) -> None:
    """Refuse what its own bytes already show to be wrong."""
    need(not _holds_secret(operation), "CREDENTIAL_FOUND")
    tag, fields = operation[0], operation[1:]
    need(tag in FIELDS, "UNKNOWN_OPERATION")
    need(_fits(fields, FIELDS[tag]), "MALFORMED")
    _check_said(tag, fields)
    check_work(tag, fields)
    check_offer(tag, fields)
    match [tag, *fields]:
        case ["account.open", name, _, _, certificate, proof]:
            need(1 <= len(name.encode()) <= 64, "NAME_LENGTH")
            need((certificate is None) == (proof is None), "CERTIFICATE_INCOMPLETE")
        case ["invite.issue", _, _, grant, *_]:
            need(0 <= grant <= SUPPLY_MAX, "GRANT_OUT_OF_RANGE")
        case ["token.transfer" | "treasury.pay", _, amount, _, memo] | [
            "token.mint",
            amount,
            _,
            memo,
        ]:
            need(amount != 0, "AMOUNT_ZERO")
            need(1 <= amount <= SUPPLY_MAX, "AMOUNT_OUT_OF_RANGE")
            need(len(memo.encode()) <= 256, "MEMO_LENGTH")
        case ["feedback", _, rating, comment]:
            need(1 <= rating <= 5, "RATING_OUT_OF_RANGE")
            need(len(comment.encode()) <= 256, "COMMENT_LENGTH")
        case ["fork.report", proof]:
            read_fork(proof)
        case _:
            pass


def _holds_secret(value: Any) -> bool:  # noqa: ANN401 - whatever was decoded
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    data = value.encode() if isinstance(value, str) else value
    return isinstance(data, bytes) and _SECRET.search(data) is not None


def read_fork(proof: bytes) -> list[Any]:
    """Return [device, position, predecessor, hashes, seal, hashes, seal] of a fork proof."""
    need(len(proof) <= 65 * 1024, "FORK_INVALID")
    try:
        fields: Any = decode(proof, len(proof))
    except MalformedInput:
        raise No("FORK_INVALID") from None
    shape: Shape = [("only", "fork"), "hash", "int", "hash", "bytes", "bytes", "bytes", "bytes"]
    need(_fits(fields, shape), "FORK_INVALID")
    _, _, position, _, one, _, other, _ = fields
    need(1 <= position < 2**40, "FORK_INVALID")
    for hashes in (one, other):
        need(len(hashes) % 32 == 0 and 1 <= len(hashes) // 32 <= 1024, "FORK_INVALID")
        need(position + len(hashes) // 32 - 1 < 2**40, "FORK_INVALID")
    need(one[:32] < other[:32], "FORK_INVALID")
    return fields[1:]


def _check_said(tag: str, fields: list[Any]) -> None:
    """What members say of themselves and others, and the council of the market."""
    said: list[Any] = [tag, *fields]
    match said:
        case ["account.update", name]:
            need(1 <= len(name.encode()) <= 64, "NAME_LENGTH")
        case ["consent", _, caps, least, blocked]:
            _check_caps(*caps)
            need(-1000 <= least <= 1000, "REQUESTER_MIN_OUT_OF_RANGE")
            need(is_ascending(blocked, 64), "BLOCKED_INVALID")
        case ["attest", _, claim, _, _]:
            need(is_slug(claim), "CLAIM_INVALID")
        case ["market.set", *changes, _]:
            _check_changes(*changes)
        case _:
            pass


def _check_caps(
    a_day: int | None, a_task: int | None, at_once: int | None, kinds: list[str] | None
) -> None:
    for cap, most in ((a_day, 10**6), (a_task, UNITS_MAX), (at_once, 10**6)):
        need(cap is None or 0 <= cap <= most, "CAP_OUT_OF_RANGE")
    are_kinds = kinds is None or (is_ascending(kinds, 64) and all(map(is_slug, kinds)))
    need(are_kinds, "KINDS_INVALID")


def _check_changes(
    kinds: list[Any] | None,
    terms: bytes | None,
    fee: int | None,
    arbiters: list[Any] | None,
    verifiers: list[bytes] | None,
    rules: int | None,
) -> None:
    given = [kinds, terms, fee, arbiters, verifiers, rules]
    need(any(each is not None for each in given), "CHANGE_EMPTY")
    if kinds is not None:
        slugs = [slug for slug, _ in kinds]
        is_named = bool(slugs) and is_ascending(slugs, 64) and all(map(is_slug, slugs))
        need(is_named and all(1 <= len(unit.encode()) <= 64 for _, unit in kinds), "KINDS_INVALID")
    need(fee is None or 0 <= fee <= 10**6, "FEE_OUT_OF_RANGE")
    if arbiters is not None:
        accounts, quorum = arbiters
        is_panel = is_ascending(accounts, 15) and 1 <= quorum <= len(accounts)
        need(is_panel, "ARBITERS_INVALID")
    need(is_ascending(verifiers or [], 15), "VERIFIERS_INVALID")
    need(rules is None or 1 <= rules <= 10**6, "RULES_OUT_OF_RANGE")


def _fits(value: Any, shape: Shape) -> bool:  # noqa: ANN401 - whatever was decoded
    match shape:
        case str(word):
            return _WORDS[word](value)
        case ("only", word):
            return value == word
        case ("one of", words):
            return value in words
        case ("or nothing", inner):
            return value is None or _fits(value, inner)
        case ("many", inner):
            return _WORDS["list"](value) and _fit_all(value, itertools.repeat(inner))
        case _:
            is_as_long = _WORDS["list"](value) and len(value) == len(shape)
            return is_as_long and _fit_all(value, iter(shape))


def _fit_all(values: list[Any], shapes: Iterator[Shape]) -> bool:
    return all(_fits(value, shape) for value, shape in zip(values, shapes, strict=False))


_WORDS: Final[dict[str, Callable[[Any], bool]]] = {
    "list": lambda value: type(value) is list,
    "text": lambda value: type(value) is str,
    "flag": lambda value: type(value) is bool,
    "int": lambda value: type(value) is int,
    "role": lambda value: value in ("member", "auditor"),
    "bytes": lambda value: type(value) is bytes,
    "hash": lambda value: type(value) is bytes and len(value) == 32,
    "key": lambda value: type(value) is bytes and len(value) == 80,
    "signature": lambda value: type(value) is bytes and len(value) == 64,
    "reference": lambda value: type(value) is bytes and len(value) <= 32,
}
