import os
import pty
import subprocess
import sys

import pytest

from synaptic_crdt.cli.output import format_duration, format_time, print_table, shorten

ROWS = """
import click
from synaptic_crdt.cli.command import Settings
from synaptic_crdt.cli.output import print_table
with click.Context(click.Command("x"), obj=Settings()):
    print_table(("name", "amount"), [["[bold]a\\x1b[2J\\u202e", 1234], ["b", 5]])
"""


def test_columns_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "amount"), [["a\x1b[2J", 1_234], ["b", None]])
    assert capsys.readouterr().out.splitlines() == [
        "name      amount",
        r"a\x1b[2J  1,234",
        "b         -",
    ]


def test_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("n", "amount"), [[1, 1_234], [20, 5]])
    assert capsys.readouterr().out.splitlines() == [" n  amount", " 1   1,234", "20       5"]


def test_a_table_on_a_terminal_is_harmless_too() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ROWS], stdout=slave, stderr=slave) as process:
        os.close(slave)
        drawn = b""
        try:
            while part := os.read(master, 4096):
                drawn += part
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        os.close(master)
    assert process.returncode == 0
    assert rb"[bold]a\x1b[2J\u202e" in drawn
    assert b"\x1b[2J" not in drawn
    assert b"1,234" in drawn


def test_a_reader_of_a_table_that_goes_away() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()\n" + ROWS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate(b"go", 30)
    assert (process.returncode, said) == (141, b"")


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(900_000, "15 min"), (86_400_000, "1 d"), (7_200_000, "2 h"), (90_000, "90 s"), (5, "5 ms")],
)
def test_durations(duration_ms: int, text: str) -> None:
    assert format_duration(duration_ms) == text


def test_times_and_ids() -> None:
    assert format_time(1_700_000_000_999) == "2023-11-14 22:13:20Z"
    assert format_time(None) == "-"
    assert shorten("ab" * 32) == "abababababab"
    assert shorten(None) == "-"
