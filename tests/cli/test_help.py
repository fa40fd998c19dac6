"""Every command explains itself, and doing so loads nothing that is slow."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from synaptic_crdt.cli.command import Group
from synaptic_crdt.cli.main import root

HEAVY = ("msgspec", "nacl", "platformdirs", "rich", "sqlite3", "trio")


def find_commands(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        member = group.get_command(context, name)
        assert member is not None
        if isinstance(member, Group):
            yield from find_commands(member, (*path, name))
        else:
            yield (*path, name)


COMMANDS = list(find_commands(root))


def get_command(path: tuple[str, ...]) -> click.Command:
    command: click.Command = root
    for name in path:
        assert isinstance(command, Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_is_a_line_of_this_command(
    run: Callable[..., Any], path: tuple[str, ...]
) -> None:
    done = run(*path, "--help")
    assert done.code == 0
    assert "--home" in done.out
    assert "--json" in done.out
    examples = done.out.partition("Examples:\n")[2].splitlines()
    assert examples
    name = "synaptic-crdt " + " ".join(path)
    assert any(line.strip().replace("--home ./rita ", "").startswith(name) for line in examples)


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_a_summary_is_what_the_command_says_of_itself(path: tuple[str, ...]) -> None:
    parent, command = get_command(path[:-1]), get_command(path)
    assert isinstance(parent, Group)
    declared = parent.members.get(path[-1])
    assert declared is None or declared.summary == command.get_short_help_str(100)


@pytest.mark.parametrize("line", [["--help"], ["task", "--help"], ["task", "post", "--help"]])
def test_help_loads_nothing_slow(line: list[str]) -> None:
    program = (
        "import sys; from synaptic_crdt.cli.main import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *line], check=True, capture_output=True, text=True
    )
    assert "Usage:" in done.stdout
    assert set(HEAVY).isdisjoint(done.stderr.split())
