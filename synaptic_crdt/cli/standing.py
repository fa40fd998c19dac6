"""The three words that stand wherever an outcome is shown: pending, final, reversed."""

from typing import Final

from synaptic_crdt.cli.output import Json, print_line, shorten

_MEANINGS: Final = {
    "pending": "pending: not in a checkpoint yet, so it could still lose its place",
    "final": "final: a checkpoint includes it",
    "reversed": "reversed: it was applied, and another entry took its place",
    "void": "void: its device was revoked before a checkpoint included it",
    "diverged": "diverged: the checkpoint that includes it claims another root than this home's",
}


def print_standing(outcome: Json) -> None:
    """Say what an entry's outcome is worth, and why it was refused if it was."""
    print_line(describe_standing(outcome))


def describe_standing(outcome: Json) -> str:
    """Return the sentence that ``print_standing`` prints."""
    text = _MEANINGS[outcome["standing"]]
    if outcome.get("reversed_by"):
        text += f" (entry {shorten(outcome['reversed_by'])})"
    if outcome["verdict"] != "APPLIED":
        text += f"; {outcome['verdict']}: {outcome['explanation']}"
    return text
