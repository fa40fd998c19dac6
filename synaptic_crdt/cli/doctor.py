"""What is the matter, and what to do about it."""

import click

from synaptic_crdt.cli.asking import read
from synaptic_crdt.cli.command import Command
from synaptic_crdt.cli.output import Json, format_time, print_fields, print_line, show
from synaptic_crdt.errors import StoreDamaged


@click.command(cls=Command, examples=("doctor", "doctor --json"))
def doctor() -> None:
    """Say what is the matter with the market and this home.

    Who has to do what about a halted market, a silent sequencer, missing cosignatures, a wrong
    root, a clock that is off, a damaged store. Ends with exit code 4 when stored bytes are damaged.
    """
    answer = read("doctor")
    show(answer, _render)
    if answer["damaged"]:
        raise StoreDamaged("; ".join(answer["damaged"]))


def _render(answer: Json) -> None:
    print_fields(
        ("device", answer["device"]),
        ("duties", ", ".join(answer["duties"]) or "none"),
        ("device key", answer["key"]),
        ("this clock", format_time(answer["clock_ms"])),
        ("last checkpoint", format_time(answer["last_checkpoint_ms"])),
        ("view", answer["view"]),
        ("sequencer", answer["sequencer"]),
        ("witnesses", len(answer["witnesses"])),
    )
    for finding in answer["findings"]:
        print_line(f"- {finding['explanation']}")
        if finding["advice"]:
            print_line(f"  {finding['advice']}")
    if not answer["findings"]:
        print_line("nothing is the matter")
