"""`make` works from any state of the environment: what counts as current, and what does not."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
PROJECT: dict[str, dict[str, str]] = {"project": {}, "dependency-groups": {}, "build-system": {}}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script, pointed at a real environment of its own that was just finished."""
    spec = importlib.util.spec_from_file_location("environment", SCRIPTS / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    venv = tmp_path / ".venv"
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-I", "-m", "venv", "--without-pip", venv], check=True)
    (venv / "bin" / "tool").write_text("#!/bin/sh\n", "utf-8")
    monkeypatch.setattr(script, "VENV", venv)
    monkeypatch.setattr(script, "STAMP", venv / "current.json")
    script.write_stamp("key", ["test"])
    return script


def test_a_finished_environment_is_intact(environment: ModuleType) -> None:
    stamp = environment.read_stamp()
    assert (stamp.key, stamp.groups) == ("key", ["test"])
    assert environment.is_intact(stamp)


def remove_the_interpreter(venv: Path) -> None:
    (venv / "bin" / "python").unlink()


def put_another_program_in_its_place(venv: Path) -> None:
    python = venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/bin/false")


def remove_a_file(venv: Path) -> None:
    (venv / "bin" / "tool").unlink()


def cut_a_file_short(venv: Path) -> None:
    (venv / "bin" / "tool").write_text("#!", "utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        remove_the_interpreter,
        put_another_program_in_its_place,
        remove_a_file,
        cut_a_file_short,
    ],
)
def test_damage_is_seen(environment: ModuleType, damage: Callable[[Path], None]) -> None:
    stamp = environment.read_stamp()
    damage(environment.VENV)
    assert not environment.is_intact(stamp)


@pytest.mark.parametrize("content", ["", "{", "[]", '"key"', '{"key": "key"}', "\0"])
def test_a_stamp_that_says_nothing_sensible_is_none(environment: ModuleType, content: str) -> None:
    environment.STAMP.write_text(content, "utf-8")
    assert environment.read_stamp() is None


def test_without_a_stamp_nothing_is_known(environment: ModuleType) -> None:
    environment.STAMP.unlink()
    assert environment.read_stamp() is None


@pytest.mark.parametrize("changed", ["project", "dependency-groups", "build-system"])
def test_what_is_installed_decides_the_key(environment: ModuleType, changed: str) -> None:
    key = environment.compute_key(PROJECT)
    assert environment.compute_key({**PROJECT, "tool": {"linter": "stricter"}}) == key
    assert environment.compute_key({**PROJECT, changed: {"name": "another"}}) != key


def test_other_pins_are_another_environment(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = environment.compute_key(PROJECT)
    pins = tmp_path / "constraints.txt"
    pins.write_text("trio==0\n", "utf-8")
    monkeypatch.setattr(environment, "CONSTRAINTS", pins)
    assert environment.compute_key(PROJECT) != key


def find_python(search: Path, **settings: str) -> tuple[int, str]:
    """Run the search for an interpreter with only `search` in the PATH; return status and words."""
    path = f"{search}{os.pathsep}/usr/bin{os.pathsep}/bin"
    done = subprocess.run(
        ["/bin/sh", SCRIPTS / "environment.sh"],
        env={"PATH": path, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_python_that_does_not_run_is_named(tmp_path: Path) -> None:
    launcher = tmp_path / "python3.12"
    launcher.write_text("#!/bin/sh\necho 'version 3.12 is not installed' >&2\nexit 127\n", "utf-8")
    launcher.chmod(0o755)
    status, words = find_python(tmp_path, PYTHON="python3.12")
    assert status == 1
    assert f"{launcher}: version 3.12 is not installed" in words


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    status, words = find_python(tmp_path, PYTHON="python3.0")
    assert status == 1
    assert "CPython 3.11 or 3.12" in words
    assert "Looked for: python3.0" in words
