"""Private payloads and results between homes: who reads what, and what a wrong key does."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
import trio

from synaptic_crdt.errors import Forged, PolicyRefused, Refused, StoreDamaged, UsageError
from synaptic_crdt.exec.desk import Unreadable
from synaptic_crdt.exec.events import Delivered, Event
from synaptic_crdt.exec.executors.base import (
    ANY,
    Failure,
    Job,
    Progress,
    Result,
    Skills,
    Tell,
    Usage,
)
from synaptic_crdt.exec.journal import Journal
from synaptic_crdt.exec.payloads import ContentKey
from synaptic_crdt.exec.policy import Policy
from synaptic_crdt.exec.usage import UsageLog
from synaptic_crdt.exec.worker import Tally, run_worker
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.contents import get_blob_store, open_payload
from synaptic_crdt.node.desk import NodeDesk
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import TaskDeliver, TaskReveal
from tests.node.conftest import carry

Json = dict[str, Any]
Join = Callable[..., Node]
LARGE = b"a large file, line by line\n" * 20_000


def post(node: Node, data: bytes, *, private: bool = True, **options: Any) -> str:  # noqa: ANN401 - any of the command's
    seat = {"units": 1, "base64": base64.b64encode(data).decode(), "media_type": "text/plain"}
    arguments = {
        "kind": "text.answer",
        "title": "A question",
        "seats": [seat],
        "price": 100,
        "priority_seconds": 0,
        "private": private,
        "allow_pending": True,
        **options,
    }
    return run_command(node, "task.post", arguments)["task"]


def accept(provider: Node, requester: Node, task: str) -> str:
    carry(requester, provider)
    arguments = {"task": task, "allow_pending": True}
    assignment = run_command(provider, "task.accept", arguments)["assignment"]
    settle(requester, provider)
    return assignment


def settle(requester: Node, provider: Node) -> None:
    carry(provider, requester)
    requester.make_checkpoint()
    carry(requester, provider)


def read(node: Node, task: str) -> Json:
    return run_query(node, "task.payload", {"task": task})


@pytest.fixture
def paul(founder: Node, join: Join) -> Node:
    node = join("Paul")
    run_command(node, "consent", {"on": True})
    settle(founder, node)
    return node


def test_the_key_goes_to_whom_the_work_went_and_to_nobody_else(
    founder: Node, paul: Node, join: Join
) -> None:
    zoe = join("Zoe")
    task = post(founder, b"secret of Fay")
    assignment = accept(paul, founder, task)
    assert read(paul, task)["reach"] == "sealed"
    run_command(founder, "task.reveal", {"assignment": assignment})
    carry(founder, paul)
    carry(founder, zoe)
    assert read(paul, task)["text"] == read(founder, task)["text"] == "secret of Fay"
    assert read(zoe, task)["reach"] == "sealed"
    run_command(paul, "task.start", {"assignment": assignment})
    run_command(paul, "task.deliver", {"assignment": assignment, "text": "answer of Paul"})
    for node in (founder, zoe):
        carry(paul, node)
    told = {
        node: run_query(node, "task.result", {"task": task})["results"][0]
        for node in (founder, paul, zoe)
    }
    assert told[founder]["text"] == told[paul]["text"] == "answer of Paul"
    assert (told[zoe]["reach"], told[zoe]["text"]) == ("sealed", None)


def test_a_key_is_not_revealed_for_what_is_not_final(founder: Node, paul: Node) -> None:
    task = post(founder, b"secret")
    carry(founder, paul)
    run_command(paul, "task.accept", {"task": task, "allow_pending": True})
    carry(paul, founder)
    # The contract does not await it yet, and would not take it.
    with pytest.raises(Refused, match="it is PENDING"):
        run_command(founder, "task.reveal", {"assignment": task})


def test_e19_a_wrong_key_is_found_out_and_the_work_given_back(founder: Node, paul: Node) -> None:
    task = post(founder, b"secret", redispatch=1, bond=0)
    assignment = bytes.fromhex(accept(paul, founder, task))
    wrong = ContentKey.make().seal({paul.key.public: paul.key.get_exchange_public()})
    founder.append(TaskReveal(assignment, wrong))
    carry(founder, paul)
    with pytest.raises(Forged, match="not the one committed to"):
        open_payload(paul, bytes.fromhex(task), 0)
    with pytest.raises(Forged, match="decline"):
        run_command(paul, "task.start", {"assignment": assignment.hex()})
    desk = NodeDesk(paul)
    assert isinstance(desk.get_payload(bytes.fromhex(task), 0), Unreadable)
    desk.close()
    run_command(paul, "task.decline", {"assignment": assignment.hex()})
    seat = run_query(paul, "task.show", {"task": task})
    assert seat["status"] == "MIN_REACHED"
    assert run_query(paul, "wallet", {})["bonded"] == 0


def test_a_large_payload_is_a_blob_and_waits_for_its_bytes_s3(founder: Node, paul: Node) -> None:
    task = post(founder, LARGE)
    assignment = accept(paul, founder, task)
    run_command(founder, "task.reveal", {"assignment": assignment})
    carry(founder, paul)
    assert read(paul, task)["reach"] == "missing"
    with pytest.raises(UsageError, match="not here yet"):
        run_command(paul, "task.start", {"assignment": assignment})
    (name,) = get_blob_store(founder).list()
    data = get_blob_store(founder).get(name)
    assert data is not None
    assert LARGE[:200] not in data
    get_blob_store(paul).put(data)
    assert base64.b64decode(read(paul, task)["base64"]) == LARGE
    run_command(paul, "task.start", {"assignment": assignment})
    path = paul.home.blobs_path / f"{name.hex()}.blob"
    path.write_bytes(data[:-1])
    with pytest.raises(StoreDamaged):
        read(paul, task)


def test_a_large_public_payload_is_a_blob_too_s3(founder: Node, paul: Node) -> None:
    task = post(founder, b"x" * 10_000_000, private=False)
    assert read(founder, task)["size"] == 10_000_000
    carry(founder, paul)
    assert read(paul, task)["reach"] == "missing"


def test_a_worker_reads_and_delivers_private_work(founder: Node, paul: Node) -> None:
    task = post(founder, b"secret of Fay")
    assignment = accept(paul, founder, task)
    run_command(founder, "task.reveal", {"assignment": assignment})
    carry(founder, paul)
    desk = NodeDesk(paul)
    assert desk.get_payload(bytes.fromhex(task), 0) == b"secret of Fay"
    run_command(paul, "task.start", {"assignment": assignment})
    operation = desk.make_delivery(bytes.fromhex(assignment), "text/plain", b"answer")
    assert operation.result.inline is not None
    assert b"answer" not in operation.result.inline
    appended = trio.run(desk.append, operation)
    assert appended.verdict == 0
    carry(paul, founder)
    (result,) = run_query(founder, "task.result", {"task": task})["results"]
    assert result["text"] == "answer"
    with pytest.raises(PolicyRefused, match="result holds what looks like a GitHub token"):
        desk.make_delivery(
            bytes.fromhex(assignment), "text/plain", b"gh" + b"p_" + b"a1B2c3D4e5F6" * 3
        )
    desk.close()


class Writing:
    """An executor whose result is too large for an entry."""

    name = "writing"
    skills = Skills((ANY,), (ANY,))

    async def run(self, job: Job, tell: Tell, /) -> Result | Failure:
        await trio.lowlevel.checkpoint()
        tell(Progress(Usage(), len(LARGE)))
        return Result(job.media_type, LARGE)


@pytest.mark.parametrize("private", [True, False])
def test_a_large_result_of_a_worker_travels_by_its_name(
    founder: Node, paul: Node, *, private: bool
) -> None:
    task = post(founder, b"write a book", private=private)
    assignment = accept(paul, founder, task)
    if private:
        run_command(founder, "task.reveal", {"assignment": assignment})
        carry(founder, paul)
    desk = NodeDesk(paul)
    policy = Policy(opted_in=True, kinds=("text.answer",), approval="auto")
    events: list[Event] = []
    log = UsageLog(paul.home.usage_path)
    journal = Journal(paul.home.journal_path, paul.key, paul.market.id, write_privately)

    async def work() -> Tally:
        return await run_worker(
            desk, lambda: policy, Writing(), log, journal, once=True, on_event=events.append
        )

    assert trio.run(work) == Tally(delivered=1)
    desk.close()
    delivered = events[-1]
    assert isinstance(delivered, Delivered)
    assert delivered.size == len(LARGE)
    carry(paul, founder)
    (result,) = run_query(founder, "task.result", {"task": task})["results"]
    assert (result["reach"], result["blob"]) == ("missing", True)
    assert result["hash"] == delivered.blob.hex()
    data = get_blob_store(paul).get(delivered.blob)
    assert data is not None
    assert (LARGE[:200] in data) is not private
    get_blob_store(founder).put(data)
    (result,) = run_query(founder, "task.result", {"task": task})["results"]
    assert base64.b64decode(result["base64"]) == LARGE


def test_a_result_that_nobody_serves_is_disputed(founder: Node, paul: Node, join: Join) -> None:
    join("Kim")
    task = post(founder, b"write a book", arbiters=["Kim"])
    assignment = accept(paul, founder, task)
    run_command(founder, "task.reveal", {"assignment": assignment})
    carry(founder, paul)
    run_command(paul, "task.start", {"assignment": assignment})
    told = run_command(
        paul,
        "task.deliver",
        {"assignment": assignment, "data": base64.b64encode(LARGE).decode()},
    )
    assert get_blob_store(paul).has(bytes.fromhex(told["blob"]))
    carry(paul, founder)
    dispute = {"assignment": assignment, "reason": "result-unserved", "allow_pending": True}
    assert run_command(founder, "dispute.open", dispute)["verdict"] == "APPLIED"
    (row,) = run_query(founder, "task.show", {"task": task})["assignments"]
    assert (row["status"], row["dispute"]["reason"]) == ("DISPUTED", "result-unserved")


def test_a_key_may_be_shared_with_an_arbiter_or_an_auditor(
    founder: Node, paul: Node, join: Join
) -> None:
    zoe = join("Zoe", role="auditor")
    task = post(founder, b"secret of Fay")
    assignment = accept(paul, founder, task)
    with pytest.raises(UsageError, match="has no key"):
        run_command(paul, "key.share", {"assignment": assignment, "to": "Zoe"})
    run_command(founder, "task.reveal", {"assignment": assignment})
    carry(founder, paul)
    run_command(paul, "task.start", {"assignment": assignment})
    run_command(paul, "task.deliver", {"assignment": assignment, "text": "answer"})
    carry(paul, founder)
    run_command(paul, "key.share", {"assignment": assignment, "to": "Zoe"})
    told = {"assignment": assignment, "to": "Zoe", "content": "result"}
    assert len(run_command(founder, "key.share", told)["devices"]) == 1
    carry(paul, zoe)
    carry(founder, zoe)
    assert read(zoe, task)["text"] == "secret of Fay"
    (result,) = run_query(zoe, "task.result", {"task": task})["results"]
    assert result["text"] == "answer"
    # What was shared cannot be shared on by who is no party.
    with pytest.raises(Refused, match="NOT_A_PARTY"):
        run_command(zoe, "key.share", {"assignment": assignment, "to": "Zoe"})


def test_a_result_with_a_wrong_key_is_named_and_hides_no_other(founder: Node, paul: Node) -> None:
    task = post(founder, b"secret of Fay")
    assignment = bytes.fromhex(accept(paul, founder, task))
    run_command(founder, "task.reveal", {"assignment": assignment.hex()})
    carry(founder, paul)
    run_command(paul, "task.start", {"assignment": assignment.hex()})
    wrong = ContentKey.make().seal({founder.key.public: founder.key.get_exchange_public()})
    paul.append(TaskDeliver(assignment, make_payload("text/plain", b"?"), bytes(32), wrong))
    carry(paul, founder)
    (result,) = run_query(founder, "task.result", {"task": task})["results"]
    assert (result["reach"], result["text"]) == ("unreadable", None)
