"""What people paste, what clients of a home's owner ask, and the files that a home keeps."""

import atexit
import base64
import functools
import inspect
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from synaptic_crdt.errors import (
    LinkFailed,
    MalformedInput,
    Refused,
    StoreDamaged,
    SynapticError,
    UsageError,
    VersionMismatch,
)
from synaptic_crdt.exec.journal import Journal
from synaptic_crdt.exec.policy import Policy, load_policy, save_policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.node.commands import COMMANDS
from synaptic_crdt.node.device_tickets import (
    DeviceRequest,
    decode_device_ticket,
    decode_request,
    encode_device_ticket,
    encode_request,
    make_device_ticket,
)
from synaptic_crdt.node.founding import found_market
from synaptic_crdt.node.home import Home, write_privately
from synaptic_crdt.node.naming import call_named
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import QUERIES
from synaptic_crdt.node.reading import read_secrets
from synaptic_crdt.node.tickets import decode_ticket, encode_ticket, make_ticket
from synaptic_crdt.node.usage import read_usage
from synaptic_crdt.node.wire import (
    Answer,
    Greeting,
    decode_answer,
    decode_greeting,
    encode_line,
    make_error,
    make_failure,
)
from synaptic_crdt.node.wire import decode_request as decode_call
from synaptic_crdt.rules.certificates import make_certificate
from synaptic_crdt.rules.genesis import compute_market_id
from synaptic_crdt.rules.operations import Voucher
from synaptic_crdt.state.codec import decode, encode_trusted
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.limits import MIB
from synaptic_crdt.sync.read_keys import READ_KEY_BYTES
from tests.fuzzing.changes import change_json, change_text, change_value
from tests.fuzzing.target import Target
from tests.fuzzing.targets.files import get_genesis
from tests.sync.conftest import make_key

_DEVICE: Final = make_key(5).public
_OTHER: Final = make_key(6)
_JOB: Final = bytes(32)
_BY: Final = ("day", "task", "requester", "model", "call")


def run_ticket(data: bytes) -> None:
    """Whatever is pasted is a ticket of one of the kinds, or no ticket; never anything else."""
    texts = [data.decode(errors="replace")]
    with suppress(MalformedInput):
        texts.append(wrap(encode_trusted(decode(data, MIB))))
    readers: Mapping[Callable[[str], Any], Callable[[Any], str]] = {
        decode_ticket: encode_ticket,
        decode_request: encode_request,
        decode_own: encode_device_ticket,
    }
    for text in texts:
        for read, write in readers.items():
            try:
                content = read(text)
            except UsageError:
                continue
            assert read(write(content)) == content


def decode_own(text: str) -> Any:  # noqa: ANN401 - a ticket
    return decode_device_ticket(text, _DEVICE)


def wrap(data: bytes) -> str:
    """Return the armor of bytes, by the prefix that most fit."""
    for prefix, count in (("synaptic-request1-", 0x82), ("synaptic-device1-", 0x86)):
        if data[:1] == bytes([count]) and not (count == _TICKET and data[1:2] == b"\x02"):
            return _armor(prefix, data)
    return _armor("synaptic1-", data)


_TICKET: Final = 0x86


def _armor(prefix: str, data: bytes) -> str:
    check = compute_hash("ticket", data)[:4]
    return prefix + base64.urlsafe_b64encode(data + check).decode().rstrip("=")


def make_tickets() -> Sequence[bytes]:
    genesis = get_genesis()
    market = compute_market_id(genesis)
    one_time = make_key(7)
    certificate = make_certificate(
        market,
        _OTHER,
        one_time=one_time.public,
        role="member",
        grant=5,
        expiry_ms=10,
        issued=1,
    )
    ticket = make_ticket(genesis, certificate, one_time.seed, ["tcp://a:1"], bytes(32))
    voucher = Voucher(_OTHER.public, 1, bytes(64))
    device = make_device_ticket(genesis, bytes(32), _DEVICE, voucher, ["ws://a:1"])
    contents = (ticket, device, DeviceRequest(_DEVICE, bytes(32)))
    return [encode_trusted(msgspec.to_builtins(each, builtin_types=(bytes,))) for each in contents]


def run_request(data: bytes) -> None:
    """What a client asks of a home's owner fits the parameters of what it names, and is answered."""
    try:
        request = decode_call(data)
    except LinkFailed:
        return
    assert decode_call(encode_line(request)) == request
    try:
        call_named(get_recorders(), "call", None, request.name, request.args)
        if request.name in get_queries():
            answer = call_named(get_queries(), "query", get_node(), request.name, request.args)
            assert decode_answer(encode_line(Answer(result=answer))).result is not None
    except SynapticError as error:
        check_failure(error)


def check_failure(error: SynapticError) -> None:
    """A client is told of an error as it was."""
    failure = make_failure(error)
    assert decode_answer(encode_line(Answer(failure=failure))).failure == failure
    assert type(make_error(failure)) is type(error)


@cache
def get_recorders() -> Mapping[str, Callable[..., object]]:
    """Return every query and command, with its own parameters, doing nothing."""
    return {name: record(function) for name, function in {**QUERIES, **COMMANDS}.items()}


def record(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def call(_: object, **args: object) -> object:
        return args

    return call


@cache
def get_queries() -> Mapping[str, Callable[..., Any]]:
    """Return the queries that read the home, and nothing that a client names."""
    return {
        name: function
        for name, function in QUERIES.items()
        if "path" not in inspect.signature(function).parameters
    }


@cache
def get_node() -> Node:
    home = Home(get_folder() / "founder")
    found_market(home, "", name="Test", account_name="Fay", wall_ms=1_780_000_000_000)
    node = Node.open(home, "")
    atexit.register(node.close)
    return node


def make_requests() -> Sequence[bytes]:
    """Return one request for each query and command, its arguments of a sort that may fit."""
    requests: list[bytes] = []
    for table, call in ((QUERIES, "read"), (COMMANDS, "append")):
        for name, function in table.items():
            _, *parameters = inspect.signature(function).parameters.values()
            args = {each.name: guess(str(each.annotation)) for each in parameters}
            line = {"call": call, "name": name, "args": args}
            requests.append(json.dumps(line, separators=(",", ":")).encode())
    return requests


def guess(annotation: str) -> object:
    values: Mapping[str, object] = {"Sequence": (), "tuple": (), "int": 1, "bool": True}
    for word, value in values.items():
        if word in annotation:
            return value
    return "Fay"


def run_answer(data: bytes) -> None:
    """What an owner says is an answer, a greeting, or neither."""
    with suppress(VersionMismatch):
        decode_greeting(data)
    try:
        answer = decode_answer(data)
    except LinkFailed:
        return
    assert decode_answer(encode_line(answer)) == answer
    if answer.failure is not None:
        assert isinstance(make_error(answer.failure), SynapticError)


def make_answers() -> Sequence[bytes]:
    return [
        encode_line(each)
        for each in (
            Greeting(1),
            Answer(event={"a": 1}),
            Answer(result={}),
            Answer(failure=make_failure(UsageError("no"))),
            Answer(failure=make_failure(Refused("A", "b"))),
        )
    ]


def run_policy(data: bytes) -> None:
    """A policy is within its bounds and is written as it was read, or says what is wrong with it."""
    path = get_folder() / "policy.toml"
    path.write_bytes(data)
    try:
        policy = load_policy(path)
    except UsageError:
        return
    save_policy(path, policy)
    assert load_policy(path) == policy


def make_policies() -> Sequence[bytes]:
    path = get_folder() / "policy.toml"
    policies: list[bytes] = []
    for policy in (Policy(), Policy(kinds=("*",), command=("/bin/true", "é"), approval="manual")):
        save_policy(path, policy)
        policies.append(b"\n".join(path.read_bytes().splitlines()[-12:]))
        policies.append(path.read_bytes())
    return policies


def run_usage(data: bytes) -> None:
    """A damaged record of usage is read as far as it goes, and summed up."""
    home = Home(get_folder() / "usage-home")
    home.usage_path.mkdir(parents=True, exist_ok=True)
    home.store_path.touch()
    (home.usage_path / "2026-11-30.jsonl").write_bytes(data)
    for by in _BY:
        json.dumps(read_usage(home, by))
    assert UsageLog(home.usage_path).count_day(1_796_000_000_000) >= 0


def make_usages() -> Sequence[bytes]:
    begun = {
        "type": "begun", "call": "a", "at_ms": 1_796_000_000_000, "task": "t", "assignment": "b",
        "requester": "r", "executor": "e", "model": "m", "reserved": 5,
    }  # fmt: skip
    ended = {"type": "ended", "call": "a", "outcome": "done", "tokens_in": 1, "is_exact": True}
    lines = [json.dumps(each, separators=(",", ":")) for each in (begun, ended)]
    return ["\n".join(lines).encode(), lines[0].encode()]


def run_read_keys(data: bytes) -> None:
    """The read keys that a home keeps are keys, or the file is damaged."""
    home = Home(get_folder())
    home.read_keys_path.write_bytes(data)
    try:
        secrets = read_secrets(home)
    except StoreDamaged:
        return
    assert all(len(secret) == READ_KEY_BYTES for secret in secrets)


def make_read_keys() -> Sequence[bytes]:
    return [b'["' + b"00" * READ_KEY_BYTES + b'"]', b"[]"]


def run_journal(data: bytes) -> None:
    """A record of a job is what its device wrote, or it is set aside."""
    folder = get_folder() / "journal"
    folder.mkdir(exist_ok=True)
    journal = make_journal(folder)
    journal.get_path(_JOB).write_bytes(data)
    found = journal.find(_JOB)
    assert found is not None
    journal.forget(_JOB)
    assert journal.find(_JOB) is None


def make_journal(folder: Path) -> Journal:
    return Journal(folder, make_key(5), bytes(32), write_privately)


def make_records() -> Sequence[bytes]:
    """Return records of a job that was begun, and of one that was finished by nobody."""
    sealed = {"commitment": "A" * 43 + "=", "sealed": "A" * 108}
    return [b'{"at_ms":5}\n', json.dumps({"at_ms": 5, **sealed}).encode() + b"\n" + bytes(50)]


@cache
def get_folder() -> Path:
    """Return a folder that is there as long as this process."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


HOME_TARGETS: Final = (
    Target("ticket", run_ticket, make_tickets, change_value),
    Target("request", run_request, make_requests, change_json, weight=3),
    Target("answer", run_answer, make_answers, change_json),
    Target("policy", run_policy, make_policies, change_text),
    Target("usage", run_usage, make_usages, change_json),
    Target("journal", run_journal, make_records, change_json),
    Target("read-keys", run_read_keys, make_read_keys, change_text),
)
