"""Choosing what does the work, by its name and the home's policy.

Each executor's module is imported when it is chosen: one of them takes a second and 66 MB.
"""

from collections.abc import Callable, Mapping
from typing import Final

from synaptic_crdt.errors import PolicyRefused, UsageError
from synaptic_crdt.exec.executors.base import Executor
from synaptic_crdt.exec.policy import load_policy
from synaptic_crdt.node.home import Home


def make_executor(name: str, home: Home) -> Executor:
    """Return an executor.

    Raises ``UsageError`` for an unknown one and for one that cannot authenticate, and
    ``PolicyRefused`` for one that the policy says too little about.
    """
    make = _EXECUTORS.get(name)
    if make is None:
        raise UsageError(f"executor {name!r:.40} is none of {', '.join(_EXECUTORS)}")
    return make(home)


def _make_rehearsal(_: Home) -> Executor:
    from synaptic_crdt.exec.executors.rehearsal import RehearsalExecutor

    return RehearsalExecutor()


def _make_anthropic(_: Home) -> Executor:
    from synaptic_crdt.exec.executors.anthropic import AnthropicExecutor

    return AnthropicExecutor()


def _make_command(home: Home) -> Executor:
    from synaptic_crdt.exec.executors.command import CommandExecutor, Program
    from synaptic_crdt.exec.executors.workplace import Workplace

    policy = load_policy(home.policy_path)
    if not policy.command:
        raise PolicyRefused(
            "the policy names no program: set one with"
            " `synaptic-crdt policy set --command '/path/to/program --and its-arguments'`"
        )
    program = Program(
        arguments=policy.command,
        takes=policy.command_takes,
        gives=policy.command_gives,
        passes=policy.command_environment,
        cpu_seconds=policy.command_cpu_seconds,
        memory_mib=policy.command_memory_mib,
        disk_mib=policy.command_disk_mib,
        processes=policy.command_processes,
    )
    return CommandExecutor(program, Workplace(home.work_path))


_EXECUTORS: Final[Mapping[str, Callable[[Home], Executor]]] = {
    "rehearsal": _make_rehearsal,
    "anthropic": _make_anthropic,
    "command": _make_command,
}
