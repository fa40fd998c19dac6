"""The package as it is installed: its version, its types, what importing it costs."""

import subprocess
import sys
from importlib.metadata import entry_points, version
from importlib.resources import files

import synaptic_crdt

# Each would be felt in the time of `--help`, or would make an optional part a necessary one.
HEAVY = {"anthropic", "automerge", "nacl", "rich", "sqlite3", "trio"}


def test_version_is_the_installed_one() -> None:
    assert synaptic_crdt.__version__ == version("synaptic-crdt")


def test_types_are_published() -> None:
    assert files(synaptic_crdt).joinpath("py.typed").is_file()


def test_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="synaptic-crdt")
    assert command.value == "synaptic_crdt.cli.main:main"


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, synaptic_crdt; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert HEAVY.isdisjoint(done.stdout.split())
