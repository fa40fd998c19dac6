"""The tour in the README works as it is typed."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.compile(r"```console\n(.*?)```", re.DOTALL)
ADDRESS = "tcp://127.0.0.1:7700"


def get_tour() -> list[str]:
    lines = [line for block in BLOCKS.findall(README.read_text()) for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ synaptic-crdt")]


@pytest.fixture
def free_address() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    command = tmp_path / "bin" / "synaptic-crdt"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m synaptic_crdt.cli "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SYNAPTIC_PASSPHRASE": ""}


def type_line(line: str, environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


@contextmanager
def leave_running(line: str, environment: dict[str, str], folder: Path) -> Generator[None]:
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {line}"],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline()  # its first event: it is ready
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def test_the_tour_works_as_it_is_typed(
    tmp_path: Path, free_address: str, environment: dict[str, str]
) -> None:
    printed: dict[str, str] = {}
    task = ""
    with ExitStack() as stack:
        for line in get_tour():
            typed = line.replace(ADDRESS, free_address).replace("TASK", task)
            if typed.endswith("&"):
                stack.enter_context(leave_running(typed[:-1], environment, tmp_path))
                continue
            printed[line] = type_line(typed, environment, tmp_path)
            if line.endswith("task list"):
                task = printed[line].splitlines()[1].split()[0]
    wallet = printed["synaptic-crdt --home rita wallet --account paul"]
    assert re.search(r"^available +50 SYN$", wallet, re.MULTILINE)
    audited = printed["synaptic-crdt audit market.bundle"]
    shown = printed["synaptic-crdt --home rita state"]
    roots = [re.findall(r"^root +(\w{64})$", text, re.MULTILINE) for text in (audited, shown)]
    assert roots[0] == roots[1] != []


def test_the_set_up_is_two_commands() -> None:
    text = README.read_text()
    assert "\n$ make demo " in text
    assert "\n$ make test " in text
