"""The form of operations, a second time: which fields, of which shape, within which bounds.

A field's shape is a word of ``_fits``; what does not fit is MALFORMED. Then each operation's
bounds, in the order in which they are asked.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from synaptic_crdt.errors import MalformedInput
from synaptic_crdt.state.codec import decode
from synaptic_crdt.state.hashes import compute_hash

SECOND: Final = 1_000
DAY: Final = 86_400 * SECOND
MONTH: Final = 30 * DAY
SUPPLY_MAX: Final = 2**53 - 1
PRICE_MAX: Final = 10**12
UNITS_MAX: Final = 10**9

Shape = Any

_PAYLOAD: Final[Shape] = ["text", "int", "hash", ("or nothing", "bytes")]
_KEY: Final[Shape] = ["hash", "key"]
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
    "task.cancel": ["hash"],
    "task.accept": ["hash", "int", ("many", "text")],
    "task.decline": ["hash", "text"],
    "task.start": ["hash"],
    "task.deliver": ["hash", _PAYLOAD, ("or nothing", "hash"), ("many", _KEY)],
    "task.fail": ["hash", "text"],
    "task.approve": ["hash", "flag", ("many", ["text", "int"])],
    "feedback": ["hash", "int", "text"],
    "fork.report": ["bytes"],
}


class No(Exception):
    """The ledger does not take this entry; its argument is the name of the reason."""


def need(holds: bool, reason: str) -> None:
    """Refuse for ``reason`` unless it holds."""
    if not holds:
        raise No(reason)


def check_form(operation: list[Any]) -> None:
    """Refuse what its own bytes already show to be wrong."""
    tag, fields = operation[0], operation[1:]
    need(tag in FIELDS, "UNKNOWN_OPERATION")
    need(_fits(fields, FIELDS[tag]), "MALFORMED")
    _check_said(tag, fields)
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
        case ["task.post", *_]:
            _check_post(fields)
        case ["task.accept", _, ask]:
            need(1 <= ask <= PRICE_MAX, "ASK_OUT_OF_RANGE")
        case ["task.decline" | "task.fail", _, reason]:
            need(_is_slug(reason), "REASON_INVALID")
        case ["task.deliver", _, result]:
            need(result[3] is None or len(result[3]) <= 48 * 1024, "RESULT_TOO_LARGE")
            _check_payload(result)
        case ["feedback", _, rating, comment]:
            need(1 <= rating <= 5, "RATING_OUT_OF_RANGE")
            need(len(comment.encode()) <= 256, "COMMENT_LENGTH")
        case ["fork.report", proof]:
            read_fork(proof)
        case _:
            pass


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


def _check_post(fields: list[Any]) -> None:
    kind, title, _, shards, _, price, least, window, service, bond, _, review, redispatch = fields
    need(_is_slug(kind), "KIND_INVALID")
    need(1 <= len(title.encode()) <= 200, "TITLE_LENGTH")
    need(1 <= len(shards) <= 64, "SEATS_OUT_OF_RANGE")
    for units, payload in shards:
        need(1 <= units <= UNITS_MAX, "UNITS_OUT_OF_RANGE")
        _check_payload(payload)
    need(sum(units for units, _ in shards) <= UNITS_MAX, "UNITS_OUT_OF_RANGE")
    need(1 <= price <= PRICE_MAX, "PRICE_OUT_OF_RANGE")
    need(1 <= least <= len(shards), "PROVIDERS_MIN_OUT_OF_RANGE")
    need(SECOND <= window <= MONTH, "WINDOW_OUT_OF_RANGE")
    response, execution, penalty = service
    need(SECOND <= response <= MONTH, "RESPONSE_OUT_OF_RANGE")
    need(SECOND <= execution <= MONTH, "EXECUTION_OUT_OF_RANGE")
    need(0 <= penalty <= PRICE_MAX, "PENALTY_OUT_OF_RANGE")
    need(0 <= bond <= price, "BOND_OUT_OF_RANGE")
    need(SECOND <= review <= MONTH, "REVIEW_OUT_OF_RANGE")
    need(0 <= redispatch <= 16, "REDISPATCH_OUT_OF_RANGE")


def _check_said(tag: str, fields: list[Any]) -> None:
    """What members say of themselves and others, and the council of the market."""
    match [tag, *fields]:
        case ["account.update", name]:
            need(1 <= len(name.encode()) <= 64, "NAME_LENGTH")
        case ["consent", _, caps, least, blocked]:
            _check_caps(*caps)
            need(-1000 <= least <= 1000, "REQUESTER_MIN_OUT_OF_RANGE")
            need(_is_ascending(blocked, 64), "BLOCKED_INVALID")
        case ["attest", _, claim, _, _]:
            need(_is_slug(claim), "CLAIM_INVALID")
        case ["market.set", *changes, _]:
            _check_changes(*changes)
        case _:
            pass


def _check_caps(
    a_day: int | None, a_task: int | None, at_once: int | None, kinds: list[str] | None
) -> None:
    for cap, most in ((a_day, 10**6), (a_task, UNITS_MAX), (at_once, 10**6)):
        need(cap is None or 0 <= cap <= most, "CAP_OUT_OF_RANGE")
    are_kinds = kinds is None or (_is_ascending(kinds, 64) and all(map(_is_slug, kinds)))
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
        is_named = bool(slugs) and _is_ascending(slugs, 64) and all(map(_is_slug, slugs))
        need(is_named and all(1 <= len(unit.encode()) <= 64 for _, unit in kinds), "KINDS_INVALID")
    need(fee is None or 0 <= fee <= 10**6, "FEE_OUT_OF_RANGE")
    if arbiters is not None:
        accounts, quorum = arbiters
        is_panel = _is_ascending(accounts, 15) and 1 <= quorum <= len(accounts)
        need(is_panel, "ARBITERS_INVALID")
    need(_is_ascending(verifiers or [], 15), "VERIFIERS_INVALID")
    need(rules is None or 1 <= rules <= 10**6, "RULES_OUT_OF_RANGE")


def _is_ascending(items: list[Any], most: int) -> bool:
    return len(items) <= most and items == sorted(set(items))


def _check_payload(payload: list[Any]) -> None:
    media_type, size, name, inline = payload
    need(
        1 <= len(media_type) <= 64 and all("\x20" <= letter <= "\x7e" for letter in media_type),
        "MEDIA_TYPE_INVALID",
    )
    need(inline is not None, "PAYLOAD_NOT_INLINE")
    need(size == len(inline), "PAYLOAD_SIZE_WRONG")
    need(name == compute_hash("blob", inline), "PAYLOAD_HASH_WRONG")


def _is_slug(text: str) -> bool:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return (
        1 <= len(text) <= 48
        and text[0] in letters
        and all(letter in letters + ".-" for letter in text)
    )


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
