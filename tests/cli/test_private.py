"""A private task between two homes, from the file to the result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run, carry
from tests.cli.test_tasks import POST

Told = Callable[..., dict[str, Any]]
NEWS = "The patient's name is Ana."


def accept(pair: Told, *options: str) -> str:
    task = pair("rita", *POST, "--private", *options)["task"]
    carry(pair, "rita", "paul")
    pair("paul", "task", "accept", task)
    carry(pair, "paul", "rita")
    return task


def test_from_a_private_file_to_a_private_result(pair: Told, run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text(NEWS, "utf-8")
    task = accept(pair, "--file", "letter.txt")
    # Who carries it, and who works on it, reads nothing before the key is theirs.
    assert NEWS.encode() not in (tmp_path / "stick").read_bytes()
    sealed = pair("paul", "task", "payload", task)
    assert (sealed["reach"], sealed["text"]) == ("sealed", None)
    assert run("--home", "paul", "task", "payload", task, "--output", "x").code != 0
    assert pair("rita", "task", "payload", task)["text"] == NEWS
    early = run("--home", "paul", "--json", "task", "start", task)
    assert early.error["verdict"] == "WRONG_PHASE"
    revealed = pair("rita", "task", "reveal", task)
    assert revealed["verdict"] == "APPLIED"
    carry(pair, "rita", "paul")
    assert NEWS.encode() not in (tmp_path / "stick").read_bytes()
    opened = pair("paul", "task", "payload", task)
    assert (opened["reach"], opened["text"]) == ("open", NEWS)
    pair("paul", "task", "start", task)
    pair("paul", "task", "deliver", task, "--text", "Her name is a secret.")
    carry(pair, "paul", "rita")
    assert b"Her name" not in (tmp_path / "stick").read_bytes()
    for home in ("rita", "paul"):
        (result,) = pair(home, "task", "result", task)["results"]
        assert result["text"] == "Her name is a secret."
    assert run("--home", "rita", "task", "result", task, "--output", "out.txt").code == 0
    assert (tmp_path / "out.txt").read_text("utf-8") == "Her name is a secret."
    pair("rita", "task", "approve", task)
    assert pair("rita", "task", "show", task)["status"] == "DONE"


def test_only_the_requester_reveals_and_only_once(pair: Told, run: Run) -> None:
    task = accept(pair, "--text", NEWS)
    assert run("--home", "paul", "task", "reveal", task).code == 2
    pair("rita", "task", "reveal", task)
    again = run("--home", "rita", "--json", "task", "reveal", task)
    assert (again.code, again.error["verdict"]) == (1, "WRONG_PHASE")
    public = pair("rita", *POST, "--text", "x")["task"]
    carry(pair, "rita", "paul")
    pair("paul", "task", "accept", public)
    carry(pair, "paul", "rita")
    assert run("--home", "rita", "task", "reveal", public).code == 2


def test_a_private_payload_with_a_secret_is_not_encrypted(pair: Told, run: Run) -> None:
    token = "gh" + "p_" + "a1B2c3D4e5F6" * 3
    done = run("--home", "rita", "--json", *POST, "--private", "--text", token)
    assert done.code == 5
    assert done.error["message"].startswith("seats[0].payload holds")
    assert pair("rita", "task", "list")["tasks"] == []
    assert (
        run("--home", "rita", *POST, "--private", "--text", token, "--allow-secret", "seats").code
        == 0
    )


def test_a_dry_run_keeps_nothing(pair: Told, tmp_path: Path) -> None:
    pair("rita", *POST, "--private", "--text", NEWS, "--dry-run")
    assert not (tmp_path / "rita" / "keys").exists()


def test_a_lost_key_cannot_be_revealed(pair: Told, run: Run, tmp_path: Path) -> None:
    task = accept(pair, "--text", NEWS)
    for key in (tmp_path / "rita" / "keys").iterdir():
        key.unlink()
    done = run("--home", "rita", "--json", "task", "reveal", task)
    assert done.code == 2
    assert "did not make the key" in done.error["message"]


def test_a_large_file_travels_beside_the_market(pair: Told, run: Run, tmp_path: Path) -> None:
    large = "line by line, page by page\n" * 10_000
    (tmp_path / "book.txt").write_text(large, "utf-8")
    task = accept(pair, "--file", "book.txt")
    pair("rita", "task", "reveal", task)
    carry(pair, "rita", "paul")
    assert pair("paul", "task", "payload", task)["reach"] == "missing"
    (listed,) = pair("paul", "blob", "list")["blobs"]
    assert (listed["task"], listed["content"], listed["here"]) == (task, "payload", False)
    assert pair("rita", "blob", "write", "folder")["written"] == 1
    (tmp_path / "folder" / f"{'a' * 64}.blob").write_bytes(b"nothing that anybody named")
    done = pair("paul", "blob", "read", "folder")
    assert (done["received"], done["known"], done["refused"]) == (1, 0, 1)
    assert pair("paul", "blob", "read", "folder")["known"] == 1
    assert run("--home", "paul", "task", "payload", task, "--output", "copy.txt").code == 0
    assert (tmp_path / "copy.txt").read_text("utf-8") == large
    pair("paul", "task", "start", task)
    delivered = run("--home", "paul", "task", "deliver", task, "--file", "copy.txt")
    assert "it travels on its own, as blob " in delivered.out
    assert "blob write FOLDER" in delivered.err
    carry(pair, "paul", "rita")
    (result,) = pair("rita", "task", "result", task)["results"]
    assert (result["reach"], result["blob"]) == ("missing", True)
    told = run("--home", "rita", "task", "result", task)
    assert f"not here yet: it travels on its own, as blob {result['hash']}" in told.out
    assert "blob read FOLDER" in told.err
    assert f"dispute open {result['assignment'][:12]} --reason result-unserved" in told.err
    assert result["hash"] in run("--home", "rita", "task", "result", task, "--output", "x").err
    pair("paul", "blob", "write", "folder")
    assert pair("rita", "blob", "read", "folder")["received"] == 1
    assert pair("rita", "task", "result", task)["results"][0]["text"] == large
    assert run("--home", "rita", "blob", "list").code == 0
