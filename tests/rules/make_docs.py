"""Writes into docs/contract.md what the code says better: fields, verdicts and endings.

`python -m tests.rules.make_docs` after a change of them; `test_docs.py` finds out when it was not.
"""

import re

from synaptic_crdt.rules.explain import ENDS, SENTENCES
from synaptic_crdt.rules.operations import OPERATIONS
from synaptic_crdt.rules.verdicts import Verdict, get_verdict_class
from tests.rules.conftest import DOCS


def write_docs(text: str) -> str:
    """Return the docs with their generated lines as the code has them now."""
    for tag, kind in OPERATIONS.items():
        head, mark, rest = text.partition(f"### `{tag}`\n")
        fields = ", ".join(f"`{field}`" for field in kind.__struct_fields__)
        text = head + mark + re.sub(r"Fields: .*\n", f"Fields: {fields}\n", rest, count=1)
    text = _replace_table(
        text,
        "| number | verdict | class | says |",
        [
            f"| {verdict.value} | `{verdict.name}` | {get_verdict_class(verdict)}"
            f" | {SENTENCES[verdict][0]} |"
            for verdict in sorted(Verdict)
        ],
    )
    return _replace_table(
        text,
        "| code | says |",
        [f"| `{code}` | {sentence} |" for code, sentence in ENDS.items() if code],
    )


def _replace_table(text: str, header: str, rows: list[str]) -> str:
    """Put rows under the header of a table that is there."""
    head, mark, rest = text.partition(f"{header}\n")
    line, _, rest = rest.partition("\n")
    rest = re.sub(r"\A(\|.*\n)*", "", rest)
    return head + mark + line + "\n" + "\n".join(rows) + "\n" + rest


if __name__ == "__main__":
    DOCS.write_text(write_docs(DOCS.read_text("utf-8")), "utf-8")
