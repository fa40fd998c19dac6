"""A home keeps its key, has one owner, and is complete or not there."""

from pathlib import Path

import pytest

from synaptic_crdt.errors import KeyLocked, StoreFailed, UsageError
from synaptic_crdt.node.founding import found_market
from synaptic_crdt.node.home import Home, HomeLock, write_privately


def _found(home: Home, passphrase: str = "") -> None:
    found_market(home, passphrase, name="Test", account_name="Fay", wall_ms=1_700_000_000_000)


def test_only_one_process_at_a_time_owns_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = HomeLock.try_take(home)
    assert first is not None
    assert HomeLock.try_take(home) is None
    first.close()
    second = HomeLock.try_take(home)
    assert second is not None
    second.close()


def test_the_key_is_private_and_survives_an_interrupted_start(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    key = home.make_key("secret")
    assert home.key_path.stat().st_mode & 0o777 == 0o600
    assert home.make_key("secret").public == key.public
    with pytest.raises(KeyLocked, match="passphrase"):
        home.read_key("")
    with pytest.raises(KeyLocked, match="wrong"):
        home.read_key("guess")


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make_key("")
    home.key_path.chmod(0o644)
    with pytest.raises(KeyLocked, match="644"):
        home.read_key("")


def test_the_store_is_private_even_in_a_folder_that_is_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = Home(tmp_path)
    _found(home)
    assert home.store_path.stat().st_mode & 0o777 == 0o600


def test_an_interrupted_founding_can_be_repeated(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    home.store_path.with_name("market.db.new").write_bytes(b"half a store")
    _found(home)
    assert home.is_complete
    assert [path.name for path in tmp_path.iterdir() if ".new" in path.name] == []


def test_a_complete_home_is_not_founded_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    _found(home)
    before = home.store_path.read_bytes()
    with pytest.raises(UsageError, match="already holds a market"):
        _found(home)
    assert home.store_path.read_bytes() == before


def test_an_empty_home_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="synaptic-crdt init"):
        Home(tmp_path).check_complete()


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "device.key"
    with pytest.raises(StoreFailed, match=f"{path}: No such file"):
        write_privately(path, b"key")
