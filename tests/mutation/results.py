"""What became of each mutant, kept line by line so that an interrupted run goes on where it was.

What was killed stays so while its module is unchanged; what survived is tried again once the
tests are others than those that it survived.
"""

import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

from tests.mutation.mutants import ROOT, Mutant

FOLDER: Final = ROOT / "build" / "mutation"
Outcome = Literal["killed", "timeout", "survived", "uncovered"]


class Result(msgspec.Struct, frozen=True):
    """The outcome of one mutant under the tests of a digest.

    ``by`` is the test that failed; ``seconds`` is how long the tests may have taken in all.
    """

    key: str
    outcome: Outcome
    by: str
    tests: int
    seconds: float
    digest: str


class Results:
    """The results of all runs since the folder was made."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._path: Final = folder / "results.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._by_key: Final[dict[str, Result]] = {}
        if self._path.exists():
            # A line that an interruption cut off is none.
            whole, newline, _ = self._path.read_bytes().rpartition(b"\n")
            self._path.write_bytes(whole + newline)
            for line in whole.splitlines():
                result = msgspec.json.decode(line, type=Result)
                self._by_key[result.key] = result

    def add(self, result: Result) -> None:
        """Keep a result, on the disk too."""
        self._by_key[result.key] = result
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")

    def get(self, mutant: Mutant) -> Result | None:
        """Return what became of a mutant, if it was tried."""
        return self._by_key.get(mutant.key)

    def is_settled(self, mutant: Mutant, digest: str, seconds: float) -> bool:
        """Is there nothing to learn from trying it, with these tests, for so long?"""
        result = self.get(mutant)
        if result is None:
            return False
        if result.outcome in {"killed", "timeout"}:
            return True
        return result.digest == digest and result.seconds >= seconds


def compute_tests_digest() -> str:
    """Return a short hash of the package and its tests: what a measurement is good for."""
    digest = hashlib.sha256()
    for folder in ("synaptic_crdt", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".json"} and path.parent.name != "mutation":
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
