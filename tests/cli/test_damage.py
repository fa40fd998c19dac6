"""A store that was touched is found at open, named by feed and position; the rest stays usable."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]


@pytest.fixture
def device(told: Told) -> str:
    """Rita's device, with a feed of three entries and a checkpoint over two."""
    founded = told("rita", "init")
    told("rita", "consent", "on")
    return founded["device"]


def spoil(home: str, position: int) -> None:
    """Flip one bit of the body at a position of a home's only feed."""
    with closing(sqlite3.connect(Path(home) / "market.db")) as store, store:
        place, body = store.execute(
            "SELECT place, body FROM entries ORDER BY place LIMIT 1 OFFSET ?", (position - 1,)
        ).fetchone()
        flipped = bytes([*body[:-1], body[-1] ^ 1])
        store.execute("UPDATE entries SET body = ? WHERE place = ?", (flipped, place))


@pytest.mark.parametrize("position", [1, 2, 3])
def test_damage_is_named_by_feed_and_position(
    told: Told, run: Run, device: str, position: int
) -> None:
    assert told("rita", "audit")["entries"] == 3
    spoil("rita", position)
    for command in ("audit", "state"):
        done = run("--home", "rita", "--json", command)
        assert (done.code, done.error["error"]) in {(4, "AuditFailed"), (4, "StoreDamaged")}
        assert f"feed {device} position {position}: " in done.error["message"]


def test_what_is_sound_stays_usable_and_nothing_is_written_over_it(
    told: Told, run: Run, device: str
) -> None:
    spoil("rita", 3)
    assert told("rita", "whoami")["device"] == device
    assert [entry["position"] for entry in told("rita", "log")["entries"]] == [1, 2]
    done = run("--home", "rita", "--json", "consent", "off")
    assert (done.code, done.error["error"]) == (4, "StoreDamaged")
    assert f"feed {device} position 3: " in done.error["message"]
    assert "sync" in done.error["message"]


def test_the_state_is_shown_beside_the_damage(run: Run, device: str) -> None:
    spoil("rita", 3)
    done = run("--home", "rita", "--json", "state")
    assert done.json["entries"] == 2
    assert [device in damage for damage in done.json["damaged"]] == [True]


def test_a_peer_repairs_it(told: Told, device: str) -> None:
    assert device
    told("rita", "bundle", "write", "all.bundle")
    before = told("rita", "state")
    spoil("rita", 3)
    told("rita", "bundle", "read", "all.bundle")
    assert told("rita", "state") == before
    assert told("rita", "audit")["entries"] == 3


def test_no_database_at_all(run: Run, device: str) -> None:
    assert device
    Path("rita/market.db").write_bytes(b"not a database" * 500)
    for suffix in ("-wal", "-shm"):
        Path(f"rita/market.db{suffix}").unlink(missing_ok=True)
    done = run("--home", "rita", "--json", "state")
    assert (done.code, done.error["error"]) == (4, "StoreDamaged")


@pytest.mark.parametrize("content", [b"garbage", b'["\xff"]', b"[1]"])
def test_damaged_addresses_are_named(
    told: Told, run: Callable[..., Any], tmp_path: Path, content: bytes
) -> None:
    told("rita", "init")
    (tmp_path / "rita" / "peers.json").write_bytes(content)
    done = run("--home", "rita", "sync")
    assert (done.code, "peers.json" in done.err, "remove it" in done.err) == (4, True, True)


def test_the_number_of_a_feed_that_was_never_given(told: Told, run: Callable[..., Any]) -> None:
    told("rita", "init")
    with closing(sqlite3.connect("rita/market.db")) as store, store:
        store.execute("INSERT INTO feeds VALUES (?, ?)", (2**63 - 1, bytes(32)))
    for _ in range(2):
        done = run("--home", "rita", "--json", "state")
        assert (done.code, done.error["error"]) == (4, "StoreDamaged")
        assert "market.db" in done.error["message"]
