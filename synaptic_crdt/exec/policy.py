"""The local policy: what this machine is willing to do for others, in ``policy.toml``.

It denies by default: no file, and every key that a file leaves out, means the cautious choice.
It stays on this machine and is asked before the contract is; what it refuses is never signed.
It does not say what the contract demands, and it moves no money.
"""

import os
import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_type_hints

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.folders import sync_folder
from synaptic_crdt.rules.fields import is_media_type, is_slug
from synaptic_crdt.rules.limits import OPEN_ASSIGNMENTS, PRICE_MAX
from synaptic_crdt.state.limits import HASH_BYTES, KIB

Approval = Literal["manual", "auto"]
Switch = Literal["on", "pause", "stop"]

# In a list: everything of its kind.
ANY: Final = "*"

_FILE_BYTES: Final = 64 * KIB  # hundreds of requesters; read before anything is parsed
_LIST_ITEMS: Final = 512
_TASKS_PER_DAY: Final = 100_000
_SECONDS_PER_TASK: Final = 24 * 60 * 60
_TOKENS: Final = 10**9
_OUTPUT_TOKENS: Final = 128_000  # the most that any model writes in one answer
_RESULT_KIB: Final = 48 * 1024  # sealed and padded, it still fits a blob
_TEXT_BYTES: Final = 4 * KIB  # one argument of a program
_SIZE_MIB: Final = 1024 * 1024
_PROCESSES: Final = 10_000
_MODEL_BYTES: Final = 64
_APPROVALS: Final[tuple[Approval, ...]] = ("manual", "auto")
_SWITCHES: Final[tuple[Switch, ...]] = ("on", "pause", "stop")
_HEADER: Final = "# What this machine does for others. A key that is left out denies.\n"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner of this machine allows; every default denies or is the least.

    ``kinds``, ``requesters_allowed`` and ``requesters_blocked`` are lists of kinds and of accounts
    in hex; ``*`` stands for all. ``minimum_price`` is in the smallest unit, for one unit of work.
    With ``approval`` manual the worker accepts nothing: it does what its owner accepted.
    ``risk_sandbox`` lets it run work in a market where nothing is ever final. ``keep_offers`` lets
    it show presence for standing offers, which are bound by tasks only while it does.

    ``model`` is what the executor `anthropic` asks, ``output_tokens`` the most that it may write in
    one answer, thoughts included; the other tokens are read and written together. ``result_kib``
    bounds what is handed over. ``command`` is the program that the executor `command` runs, as its
    path and arguments; ``command_takes`` are media types of payloads, ``command_gives`` is that of
    the result, ``command_environment`` names variables that it gets besides the few that all get.
    Memory and disk are of all its processes together, seconds of CPU time of each.

    ``switch`` acts at once: with "pause" nothing new is begun and no offer shown, with "stop" what
    runs is ended, too. ``repeat_interrupted`` lets a run that a crash cut off, and that may have
    cost something, be paid for again. ``approve_up_to`` is for this account's own tasks: what a
    result may cost at most, of ``approve_media_types``, to be approved unseen; 0 asks always.
    """

    opted_in: bool = False
    kinds: tuple[str, ...] = ()
    minimum_price: int = 1
    tasks_per_day: int = 20
    parallel_tasks: int = 1
    seconds_per_task: int = 600
    requesters_allowed: tuple[str, ...] = (ANY,)
    requesters_blocked: tuple[str, ...] = ()
    approval: Approval = "manual"
    risk_sandbox: bool = False
    keep_offers: bool = False
    model: str = "claude-sonnet-5-5"
    output_tokens: int = 32_000
    tokens_per_task: int = 200_000
    tokens_per_day: int = 2_000_000
    result_kib: int = 1_024
    command: tuple[str, ...] = ()
    command_takes: tuple[str, ...] = ("text/plain",)
    command_gives: str = "text/plain"
    command_environment: tuple[str, ...] = ()
    command_cpu_seconds: int = 600
    command_memory_mib: int = 2_048
    command_disk_mib: int = 512
    command_processes: int = 64
    switch: Switch = "on"
    repeat_interrupted: bool = False
    approve_up_to: int = 0
    approve_media_types: tuple[str, ...] = ("text/plain",)


_TYPES: Final[Mapping[str, Any]] = get_type_hints(Policy)


class Load(msgspec.Struct, frozen=True):
    """How much is taken on already: accepted on this UTC day, and accepted but not delivered.

    ``tokens_today`` are those that count for this UTC day.
    """

    accepted_today: int
    owed: int
    tokens_today: int = 0


def load_policy(path: Path) -> Policy:
    """Return the policy in a file, or the denying default when there is none.

    Raises ``UsageError`` naming the key, its value and the rule.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES + 1)
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _FILE_BYTES:
        raise UsageError(f"{path}: a policy has at most {_FILE_BYTES} bytes")
    try:
        values = tomllib.loads(data.decode())
    # Deeply nested brackets exhaust the parser's stack.
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    policy = _convert_values(values, str(path))
    _check_policy(policy, str(path))
    return policy


def save_policy(path: Path, policy: Policy) -> None:
    """Write a policy whole or not at all, for its owner's eyes only.

    Raises ``UsageError`` when a value is out of its bounds.
    """
    _check_policy(policy, "policy")
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
        file.write(_encode_toml(policy))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def explain_refusal(
    policy: Policy, *, requester: bytes, kind: str, price: int, is_sandbox: bool, load: Load
) -> str | None:
    """Say why this machine does not accept a task by itself, or None when it may."""
    objection = explain_objection(policy, requester=requester, kind=kind, is_sandbox=is_sandbox)
    if objection is not None:
        return objection
    if price < policy.minimum_price:
        return f"it pays {price} a unit, and minimum_price is {policy.minimum_price}"
    if load.owed >= policy.parallel_tasks:
        return f"{load.owed} tasks are in work, and parallel_tasks is {policy.parallel_tasks}"
    if load.accepted_today >= policy.tasks_per_day:
        return f"{load.accepted_today} accepted today, and tasks_per_day is {policy.tasks_per_day}"
    # Last, so that a person is asked only about what nothing else speaks against.
    if policy.approval == "manual":
        return "approval is manual: accept it yourself with `task accept`, and it is worked on"
    return None


def explain_objection(
    policy: Policy, *, requester: bytes, kind: str, is_sandbox: bool
) -> str | None:
    """Say why this machine does not work on such a task at all, even an accepted one."""
    idleness = explain_idleness(policy, is_sandbox=is_sandbox)
    if idleness is not None:
        return idleness
    account = requester.hex()
    if kind not in policy.kinds and ANY not in policy.kinds:
        return f"kind {kind} is not among the kinds of the policy"
    if account in policy.requesters_blocked or ANY in policy.requesters_blocked:
        return f"requester {account[:16]} is blocked by requesters_blocked"
    if account not in policy.requesters_allowed and ANY not in policy.requesters_allowed:
        return f"requester {account[:16]} is not among requesters_allowed"
    return None


def explain_tokens(policy: Policy, tokens_today: int, jobs: int) -> str | None:
    """Say why so many more jobs of a model may not begin today, or None when they may."""
    if tokens_today + jobs * policy.tokens_per_task <= policy.tokens_per_day:
        return None
    return (
        f"{tokens_today} tokens are used today, and with up to {policy.tokens_per_task} a task"
        f" (tokens_per_task) it might come to more than tokens_per_day, {policy.tokens_per_day}"
    )


def explain_switch(policy: Policy) -> str:
    """Say why nothing new is begun for now; empty when work goes on."""
    if policy.switch == "on":
        return ""
    word = "paused" if policy.switch == "pause" else "stopped"
    return f"work is {word} on this machine: `synaptic-crdt policy resume` goes on"


def explain_idleness(policy: Policy, *, is_sandbox: bool) -> str | None:
    """Say why this machine works on nothing whatever, or None when there is work it would do."""
    if not policy.opted_in:
        return "this machine is not opted in: set opted_in = true in its policy"
    if not policy.kinds:
        return "the policy names no kinds of tasks: list those that may be done here in kinds"
    if is_sandbox and not policy.risk_sandbox:
        return "nothing is ever final in a sandbox market: set risk_sandbox = true to work anyway"
    return None


def _convert_values(values: Mapping[str, object], source: str) -> Policy:
    """Check each key by itself, so that the error can name it with its value."""
    converted: dict[str, Any] = {}
    for key, value in values.items():
        if key not in _TYPES:
            raise UsageError(f"{source}: {key!r:.60} is no key of a policy: {', '.join(_TYPES)}")
        try:
            converted[key] = msgspec.convert(value, _TYPES[key])
        except msgspec.ValidationError as error:
            raise UsageError(f"{source}: {key} = {value!r:.80}: {error}") from error
    return Policy(**converted)


def _check_policy(policy: Policy, source: str) -> None:
    _check_range(source, "minimum_price", policy.minimum_price, 1, PRICE_MAX)
    _check_range(source, "tasks_per_day", policy.tasks_per_day, 0, _TASKS_PER_DAY)
    _check_range(source, "parallel_tasks", policy.parallel_tasks, 1, OPEN_ASSIGNMENTS)
    _check_range(source, "seconds_per_task", policy.seconds_per_task, 1, _SECONDS_PER_TASK)
    _check_model(source, policy)
    _check_command(source, policy)
    _check_items(source, "kinds", policy.kinds)
    for kind in policy.kinds:
        if kind != ANY and not is_slug(kind):
            raise UsageError(f"{source}: kinds: {kind!r:.60} is neither a kind nor {ANY!r}")
    for key in ("requesters_allowed", "requesters_blocked"):
        accounts: tuple[str, ...] = getattr(policy, key)
        _check_items(source, key, accounts)
        for account in accounts:
            if account != ANY and not _is_account(account):
                raise UsageError(
                    f"{source}: {key}: {account!r:.80} is neither an account of"
                    f" {2 * HASH_BYTES} digits 0-9 and a-f nor {ANY!r}"
                )
    if policy.approval not in _APPROVALS:
        raise UsageError(f"{source}: approval {policy.approval!r:.40} is none of {_APPROVALS}")
    if policy.switch not in _SWITCHES:
        raise UsageError(f"{source}: switch {policy.switch!r:.40} is none of {_SWITCHES}")
    _check_range(source, "approve_up_to", policy.approve_up_to, 0, PRICE_MAX)
    _check_items(source, "approve_media_types", policy.approve_media_types)
    for media_type in policy.approve_media_types:
        _check_media_type(source, media_type)


def _check_model(source: str, policy: Policy) -> None:
    if not (policy.model and all(letter in _MODEL_LETTERS for letter in policy.model)):
        raise UsageError(f"{source}: model {policy.model!r:.80} is no name of a model")
    if len(policy.model) > _MODEL_BYTES:
        raise UsageError(f"{source}: model has {len(policy.model)} letters, at most {_MODEL_BYTES}")
    _check_range(source, "output_tokens", policy.output_tokens, 1, _OUTPUT_TOKENS)
    _check_range(source, "tokens_per_task", policy.tokens_per_task, 1, _TOKENS)
    _check_range(source, "tokens_per_day", policy.tokens_per_day, 0, _TOKENS)
    _check_range(source, "result_kib", policy.result_kib, 1, _RESULT_KIB)


def _check_command(source: str, policy: Policy) -> None:
    for key in ("command", "command_takes", "command_environment"):
        items: tuple[str, ...] = getattr(policy, key)
        _check_items(source, key, items)
        for item in items:
            if "\0" in item or len(item.encode()) > _TEXT_BYTES:
                raise UsageError(f"{source}: {key}: {item!r:.60} is too long, or holds a zero byte")
    if policy.command and not policy.command[0].startswith("/"):
        raise UsageError(
            f"{source}: command: {policy.command[0]!r:.80} is no path from the root; nothing is"
            " looked for in PATH"
        )
    for media_type in (*policy.command_takes, policy.command_gives):
        _check_media_type(source, media_type)
    if policy.command_gives == ANY:
        raise UsageError(f"{source}: command_gives names one media type, not {ANY!r}")
    for name in policy.command_environment:
        if not name.isidentifier() or not name.isascii():
            raise UsageError(f"{source}: command_environment: {name!r:.60} names no variable")
    _check_range(source, "command_cpu_seconds", policy.command_cpu_seconds, 1, _SECONDS_PER_TASK)
    _check_range(source, "command_memory_mib", policy.command_memory_mib, 1, _SIZE_MIB)
    _check_range(source, "command_disk_mib", policy.command_disk_mib, 1, _SIZE_MIB)
    _check_range(source, "command_processes", policy.command_processes, 1, _PROCESSES)


def _check_media_type(source: str, media_type: str) -> None:
    if media_type != ANY and not (is_media_type(media_type) and "/" in media_type):
        raise UsageError(f"{source}: {media_type!r:.80} is no media type, such as text/plain")


_MODEL_LETTERS: Final = frozenset(string.ascii_letters + string.digits + "._:/@-")


def _check_range(source: str, key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{source}: {key} {value} must be from {low} to {high}")


def _check_items(source: str, key: str, items: tuple[str, ...]) -> None:
    if len(items) > _LIST_ITEMS:
        raise UsageError(f"{source}: {key} has {len(items)} items, at most {_LIST_ITEMS}")


def _is_account(text: str) -> bool:
    return len(text) == 2 * HASH_BYTES and all(digit in "0123456789abcdef" for digit in text)


def _encode_toml(policy: Policy) -> str:
    lines = [
        f"{key} = {_encode_value(value)}\n" for key, value in msgspec.structs.asdict(policy).items()
    ]
    return _HEADER + "".join(lines)


def _encode_value(value: bool | int | str | tuple[str, ...]) -> str:  # noqa: FBT001 - any value
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            # Any text in JSON is one in TOML, but for one letter that TOML wants escaped, too.
            return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
        case _:
            return f"[{', '.join(_encode_value(item) for item in value)}]"
