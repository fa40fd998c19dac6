"""What usually comes next: of a task for each who has a part in it, and after a refusal.

Only commands that the contract would not refuse for the phase or the party alone.
"""

from collections.abc import Mapping
from typing import Final

from synaptic_crdt.cli.output import Json, shorten

# By state and part; "other" is whoever is neither party, be it a signer, an arbiter or a stranger.
_BY_PART: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "OPEN": {
        "requester": ("task improve {task} --price PRICE", "task cancel {task}"),
        "other": ("task accept {task}",),
    },
    "RESERVED": {"requester": ("task cancel {task}",), "provider": ("task decline {task}",)},
    "PENDING": {"provider": ("sync", "task decline {task}")},
    "KEYWAIT": {"requester": ("task reveal {task}",), "provider": ("task decline {task}",)},
    "ASSIGNED": {
        "requester": ("task extend {task} DURATION",),
        "provider": (
            "task payload {task}",
            "task start {task}",
            "provide --executor rehearsal --once",
        ),
    },
    "STARTED": {
        "requester": ("task extend {task} DURATION",),
        "provider": ("task deliver {task} --text RESULT", "task fail {task}"),
    },
    "DELIVERED": {
        "requester": (
            "task result {task}",
            "task approve {task}",
            "dispute open {task} --reason WHY",
        ),
        "provider": ("task settle {task} PERCENT",),
        "other": ("task result {task}",),
    },
    "HELD": {
        "requester": ("task settle {task} PERCENT",),
        "provider": (
            "task approve {task}",
            "dispute open {task} --reason WHY",
            "task settle {task} PERCENT",
        ),
    },
    "DISPUTED": {
        "requester": ("dispute evidence {task} HASH", "task settle {task} PERCENT"),
        "provider": ("dispute evidence {task} HASH", "task settle {task} PERCENT"),
        "other": ("dispute rule {task} PERCENT",),
    },
}

_ON_WORK: Final = ("task show TASK",)
_ON_MONEY: Final = ("wallet",)
_ON_CAPS: Final = ("consent show",)
_ON_SCORE: Final = ("reputation",)
_ON_MARKET: Final = ("market",)
_ON_INVITATIONS: Final = ("invite list",)
_ON_OFFERS: Final = ("offer list",)
_ON_DEVICES: Final = ("device list",)
_AFTER_REFUSAL: Final[Mapping[str, tuple[str, ...]]] = {
    "NOT_OPTED_IN": ("terms", "consent on"),
    "TERMS_OLD": ("terms", "consent on"),
    "NO_FREE_SEAT": ("task list --status open",),
    "KIND_UNKNOWN": _ON_MARKET,
    "ASK_ABOVE_LIMIT": _ON_WORK,
    "NOT_OPEN_YET": _ON_SCORE,
    "REPUTATION_TOO_LOW": _ON_SCORE,
    "NOT_ATTESTED": ("attest list",),
    "WRONG_PHASE": _ON_WORK,
    "ASSIGNMENT_CLOSED": _ON_WORK,
    "NOT_A_SIGNER": _ON_WORK,
    "NOT_A_PARTY": _ON_WORK,
    "NOT_AN_ARBITER": _ON_WORK,
    "METRIC_NOT_ASKED": _ON_WORK,
    "NOT_IMPROVED": _ON_WORK,
    "NOT_SETTLED": _ON_WORK,
    "TOO_MANY_ASSIGNMENTS": ("task list --status closed",),
    "OWN_CAP_KINDS": _ON_CAPS,
    "OWN_CAP_UNITS": _ON_CAPS,
    "OWN_CAP_OPEN": _ON_CAPS,
    "OWN_CAP_DAY": _ON_CAPS,
    "REQUESTER_BLOCKED": _ON_CAPS,
    "REQUESTER_BELOW_MIN": _ON_CAPS,
    "BALANCE_TOO_LOW": _ON_MONEY,
    "BOND_SHORT": _ON_MONEY,
    "DEPOSIT_SHORT": _ON_MONEY,
    "INVITATION_USED": _ON_INVITATIONS,
    "INVITATION_REVOKED": _ON_INVITATIONS,
    "INVITATION_EXPIRED": _ON_INVITATIONS,
    "OFFER_ENDED": _ON_OFFERS,
    "TOO_MANY_OFFERS": _ON_OFFERS,
    "TOO_MANY_OFFERS_OF_KIND": _ON_OFFERS,
    "DEVICE_EXISTS": _ON_DEVICES,
    "DEVICE_IS_OLDER": _ON_DEVICES,
    "TOO_MANY_DEVICES": _ON_DEVICES,
    "NOT_COUNCIL": ("market show",),
    "ALREADY_DECIDED": ("market show",),
}


def advise_on_task(answer: Json) -> tuple[str, ...]:
    """Return the commands that come next for whoever reads about a task."""
    states = {seat["state"] for seat in answer["shards"]}
    for state, by_part in _BY_PART.items():
        if state in states and answer["part"] in by_part:
            task = shorten(answer["task"])
            return tuple(command.format(task=task) for command in by_part[answer["part"]])
    return ()


def advise_after(verdict: str) -> tuple[str, ...]:
    """Return the commands that help whom the contract refused, if any do."""
    return _AFTER_REFUSAL.get(verdict, ())
