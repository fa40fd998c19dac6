"""The report: a table of the modules, then every mutant that no test noticed."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.mutation.mutants import MUTATED, ROOT, Mutant
from tests.mutation.results import Outcome, Results

_COLUMNS: Final[tuple[Outcome, ...]] = ("killed", "timeout", "survived", "uncovered")


def make_report(mutants: Sequence[Mutant], results: Results) -> str:
    """Return the report as text."""
    counts: dict[str, Counter[str]] = {}
    left: list[str] = []
    for mutant in mutants:
        result = results.get(mutant)
        outcome = result.outcome if result else "untried"
        counts.setdefault(mutant.path, Counter())[outcome] += 1
        if outcome not in {"killed", "timeout"}:
            change = f"{mutant.before}  ->  {mutant.after}".replace("\n", " ")
            where = f"{mutant.path}:{mutant.line}"
            left.append(
                f"{where}: {outcome}: {mutant.operator} in {mutant.scope or 'module'}: {change}"
            )
    columns = [*_COLUMNS, *(["untried"] if any(c["untried"] for c in counts.values()) else [])]
    lines = [_make_row("module", ["mutants", *columns])]
    for path, count in counts.items():
        name = (ROOT / path).relative_to(MUTATED).as_posix()
        lines.append(_make_row(name, [count.total(), *(count[column] for column in columns)]))
    whole = sum(counts.values(), Counter[str]())
    lines.append(_make_row("all", [whole.total(), *(whole[column] for column in columns)]))
    return "\n".join([*lines, "", *left, ""])


def _make_row(name: str, cells: Sequence[int | str]) -> str:
    return f"{name:<24}" + "".join(f"{cell:>10}" for cell in cells)
