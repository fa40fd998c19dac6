"""What a home's work has cost, summed up as its owner asks.

The record is files of the home, so neither the store nor its owner is needed.
"""

from collections.abc import Callable, Mapping
from typing import Final

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.usage import DONE, INTERRUPTED, Call, UsageLog, check_day, get_day
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.wire import Json

_UNFINISHED: Final = frozenset({DONE, INTERRUPTED})


def read_usage(home: Home, by: str = "day", since: str = "") -> Json:
    """Return runs summed up by day, task, requester or model, and their total.

    By call, each run is a row of its own. Raises ``UsageError`` for anything else, and for what is
    no day.
    """
    home.check_complete()
    calls = UsageLog(home.usage_path).read(check_day(since) if since else "")
    if by == "call":
        found = list(calls)
        return {"by": by, "rows": [_show_call(call) for call in found], "total": _add_up(found)}
    get_key = _KEYS.get(by)
    if get_key is None:
        raise UsageError(f"usage by {by!r:.40} is none of {', '.join(_KEYS)}, call")
    groups: dict[str, list[Call]] = {}
    for call in calls:
        groups.setdefault(get_key(call), []).append(call)
    rows = [{by: key, **_add_up(group)} for key, group in groups.items()]
    return {
        "by": by,
        "rows": rows,
        "total": _add_up([call for group in groups.values() for call in group]),
    }


def _add_up(calls: list[Call]) -> Json:
    """Sum up runs; tokens that count are those that caps are held against."""
    ends = [call.ended for call in calls if call.ended is not None]
    outcomes = [call.outcome for call in calls]
    return {
        "calls": len(calls),
        "done": outcomes.count(DONE),
        "failed": sum(outcome not in _UNFINISHED for outcome in outcomes),
        "interrupted": outcomes.count(INTERRUPTED),
        "tokens_in": sum(end.tokens_in for end in ends),
        "tokens_out": sum(end.tokens_out for end in ends),
        "tokens_counted": sum(call.tokens for call in calls),
        "duration_ms": sum(end.duration_ms for end in ends),
    }


def _show_call(call: Call) -> Json:
    begun, ended = call.begun, call.ended
    return {
        "at_ms": begun.at_ms,
        "task": begun.task,
        "assignment": begun.assignment,
        "requester": begun.requester,
        "executor": begun.executor,
        "model": _get_model(call),
        "outcome": call.outcome,
        "tokens_in": ended.tokens_in if ended else 0,
        "tokens_out": ended.tokens_out if ended else 0,
        "tokens_counted": call.tokens,
        "is_exact": ended is not None and ended.is_exact,
        "duration_ms": ended.duration_ms if ended else 0,
    }


def _get_model(call: Call) -> str:
    """Return the model that answered, or else the one that was asked."""
    return (call.ended.model if call.ended else "") or call.begun.model


_KEYS: Final[Mapping[str, Callable[[Call], str]]] = {
    "day": lambda call: get_day(call.begun.at_ms),
    "task": lambda call: call.begun.task,
    "requester": lambda call: call.begun.requester,
    "model": _get_model,
}
