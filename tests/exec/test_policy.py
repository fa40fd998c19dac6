"""The policy file and its ladder: start from a policy that allows, break one thing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.policy import (
    Load,
    Policy,
    explain_idleness,
    explain_objection,
    explain_refusal,
    explain_tokens,
    load_policy,
    save_policy,
)

REQUESTER = b"r" * 32
OTHER = b"o" * 32
ALLOWING = Policy(opted_in=True, kinds=("text.answer",), approval="auto", minimum_price=10)


def refuse(policy: Policy, **changes: object) -> str | None:
    arguments: dict[str, Any] = {
        "requester": REQUESTER,
        "kind": "text.answer",
        "price": 10,
        "is_sandbox": False,
        "load": Load(accepted_today=0, owed=0),
    }
    arguments.update(changes)
    return explain_refusal(policy, **arguments)


def change(**changes: object) -> Policy:
    return msgspec.structs.replace(ALLOWING, **changes)


def test_a_missing_file_denies(tmp_path: Path) -> None:
    policy = load_policy(tmp_path / "policy.toml")
    assert policy == Policy()
    assert refuse(policy) is not None
    assert "opted_in" in (refuse(policy) or "")


def test_what_is_allowed_is_not_refused() -> None:
    assert refuse(ALLOWING) is None
    assert refuse(change(kinds=("*",)), kind="anything") is None
    assert refuse(change(requesters_allowed=(REQUESTER.hex(),))) is None
    assert refuse(change(requesters_blocked=(OTHER.hex(),))) is None
    assert refuse(change(risk_sandbox=True), is_sandbox=True) is None


@pytest.mark.parametrize(
    ("policy", "changes", "named"),
    [
        (change(opted_in=False), {}, "opted_in = true"),
        (change(kinds=()), {}, "kinds"),
        (ALLOWING, {"is_sandbox": True}, "risk_sandbox = true"),
        (ALLOWING, {"kind": "code.review"}, "code.review"),
        (change(requesters_blocked=(REQUESTER.hex(),)), {}, "requesters_blocked"),
        (change(requesters_blocked=("*",)), {}, "requesters_blocked"),
        (change(requesters_allowed=(OTHER.hex(),)), {}, "requesters_allowed"),
        (change(requesters_allowed=()), {}, "requesters_allowed"),
        (ALLOWING, {"price": 9}, "minimum_price is 10"),
        (ALLOWING, {"load": Load(0, 1)}, "parallel_tasks is 1"),
        (ALLOWING, {"load": Load(20, 0)}, "tasks_per_day is 20"),
        (change(tasks_per_day=0), {}, "tasks_per_day is 0"),
        (change(approval="manual"), {}, "task accept"),
    ],
)
def test_each_rung_refuses_by_itself(policy: Policy, changes: dict[str, Any], named: str) -> None:
    assert named in (refuse(policy, **changes) or "")


def test_a_person_is_asked_only_about_what_nothing_else_speaks_against() -> None:
    assert "minimum_price" in (refuse(change(approval="manual"), price=1) or "")


def test_accepted_work_is_not_asked_for_price_caps_and_approval() -> None:
    policy = change(approval="manual", minimum_price=10**6, tasks_per_day=0)
    assert (
        explain_objection(policy, requester=REQUESTER, kind="text.answer", is_sandbox=False) is None
    )


@pytest.mark.parametrize(
    ("today", "jobs", "named"),
    [
        (0, 1, None),
        (0, 3, None),
        (0, 4, "tokens_per_day, 3500"),
        (2_500, 1, None),
        (2_501, 1, "2501 tokens are used today"),
        (9_999, 0, "tokens_per_day"),
    ],
)
def test_jobs_fit_into_what_is_left_of_a_days_tokens(
    today: int, jobs: int, named: str | None
) -> None:
    refusal = explain_tokens(change(tokens_per_task=1_000, tokens_per_day=3_500), today, jobs)
    assert (refusal is None) if named is None else named in (refusal or "")


def test_idleness_is_what_no_task_can_mend() -> None:
    assert explain_idleness(ALLOWING, is_sandbox=False) is None
    assert explain_idleness(Policy(), is_sandbox=False) is not None
    assert explain_idleness(change(kinds=()), is_sandbox=False) is not None
    assert explain_idleness(ALLOWING, is_sandbox=True) is not None


def test_a_saved_policy_loads_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    policy = Policy(
        opted_in=True,
        kinds=("code.review", "*"),
        minimum_price=7,
        tasks_per_day=0,
        parallel_tasks=10,
        seconds_per_task=1,
        requesters_allowed=(REQUESTER.hex(), OTHER.hex()),
        requesters_blocked=(OTHER.hex(),),
        approval="auto",
        risk_sandbox=True,
        model="claude-haiku-5-5",
        output_tokens=1,
        tokens_per_task=2,
        tokens_per_day=0,
        command=("/bin/sh", "-c", 'echo "$1"\t\x1b\x7f \\ \N{SNOWMAN} \U0001f600', ""),
        command_takes=("*",),
        command_gives="audio/wav; rate=8000",
        command_environment=("HOME", "_X1"),
    )
    save_policy(path, Policy())
    save_policy(path, policy)
    assert load_policy(path) == policy
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["policy.toml"]


def test_keys_that_are_left_out_have_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("opted_in = true\nkinds = ['text.answer']\n")
    assert load_policy(path) == Policy(opted_in=True, kinds=("text.answer",))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("opted_in = 1", "opted_in = 1"),
        ("opted_in = 'yes'", "opted_in = 'yes'"),
        ("minimum_price = true", "minimum_price = True"),
        ("minimum_price = 0", "minimum_price 0 must be from 1"),
        ("minimum_price = 1.5", "minimum_price = 1.5"),
        ("tasks_per_day = -1", "tasks_per_day -1"),
        ("parallel_tasks = 11", "parallel_tasks 11 must be from 1 to 10"),
        ("seconds_per_task = 86_401", "seconds_per_task 86401"),
        ("kinds = 'text.answer'", "kinds = 'text.answer'"),
        ("kinds = ['Text']", "kinds: 'Text'"),
        ("requesters_allowed = ['ab']", "requesters_allowed: 'ab'"),
        ("requesters_blocked = ['" + "G" * 64 + "']", "requesters_blocked: 'GGG"),
        ("kinds = [" + '"a",' * 513 + "]", "kinds has 513 items"),
        ("approval = 'always'", "approval = 'always'"),
        ("model = ''", "model '' is no name"),
        ("model = 'a b'", "model 'a b' is no name"),
        ("model = '" + "m" * 65 + "'", "model has 65 letters"),
        ("output_tokens = 0", "output_tokens 0 must be from 1"),
        ("output_tokens = 128_001", "output_tokens 128001"),
        ("tokens_per_task = 0", "tokens_per_task 0"),
        ("tokens_per_day = -1", "tokens_per_day -1"),
        ("result_kib = 49_153", "result_kib 49153"),
        ("command = 'tr a b'", "command = 'tr a b'"),
        ("command = ['tr', 'a', 'b']", "'tr' is no path from the root"),
        ('command = ["/bin/tr", "a\\u0000"]', "holds a zero byte"),
        ("command = ['/" + "x" * 4_096 + "']", "is too long"),
        ("command_takes = ['text']", "'text' is no media type"),
        ("command_takes = ['text/\u00e4']", "is no media type"),
        ("command_gives = '*'", "names one media type"),
        ("command_gives = ''", "'' is no media type"),
        ("command_environment = ['A=B']", "'A=B' names no variable"),
        ("command_cpu_seconds = 0", "command_cpu_seconds 0"),
        ("command_memory_mib = 0", "command_memory_mib 0"),
        ("command_disk_mib = 0", "command_disk_mib 0"),
        ("command_processes = 10_001", "command_processes 10001"),
        ("opt_in = true", "'opt_in' is no key of a policy: opted_in, kinds"),
        ("opted_in = ", "not TOML"),
        ("opted_in = true\nopted_in = true", "not TOML"),
        ("kinds = " + "[" * 20_000, "not TOML"),
        ("#" * 65_537, "at most 65536 bytes"),
    ],
)
def test_a_bad_file_is_refused_by_key_value_and_rule(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_policy(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        load_policy(path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy(tmp_path)


def test_a_bad_policy_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    save_policy(path, ALLOWING)
    for bad in (change(minimum_price=0), change(kinds=('"]',)), change(approval="never")):
        with pytest.raises(UsageError):
            save_policy(path, bad)
    assert load_policy(path) == ALLOWING
