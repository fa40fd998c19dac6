"""What every command has: ``--home``, ``--json``, examples in its help; and groups that load late.

Guarantees that ``--home`` and ``--json`` are understood before and after a subcommand, and that
help needs nothing but click: a group knows its members' names and one-line descriptions, and
imports a member's module only when that member is called.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import click

HOME_VARIABLE: Final = "SYNAPTIC_HOME"


@dataclass(slots=True)
class Settings:
    """What was said about this run as a whole, wherever on the line it stood."""

    home: Path | None = None
    as_json: bool = False
    allow_secret: tuple[str, ...] = ()


class Member(NamedTuple):
    """A command of a group that is imported when it is called."""

    module: str
    attribute: str
    summary: str


class Command(click.Command):
    """A command with the shared options, and examples at the end of its help."""

    def __init__(self, name: str | None, *, examples: tuple[str, ...] = (), **attrs: Any) -> None:  # noqa: ANN401 - whatever click takes
        super().__init__(name, **attrs)
        self.examples: Final = examples
        self.params.extend(_make_shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the line apart. Raises ``click.BadParameter`` for text that is no UTF-8."""
        rest = super().parse_args(ctx, args)
        _check_texts(ctx)
        return rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        _format_examples(self.examples, formatter)


class Group(click.Group):
    """A noun: its verbs, some of them imported only when called."""

    command_class = Command

    def __init__(
        self,
        name: str | None,
        *,
        examples: tuple[str, ...] = (),
        members: Mapping[str, Member] | None = None,
        **attrs: Any,  # noqa: ANN401 - whatever click takes
    ) -> None:
        super().__init__(name, **attrs)
        self.examples: Final = examples
        self.members: Final = members or {}
        self.params.extend(_make_shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the line apart. Raises ``click.BadParameter`` for text that is no UTF-8."""
        rest = super().parse_args(ctx, args)
        _check_texts(ctx)
        return rest

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the members in the order in which they were declared."""
        return [*self.commands, *self.members]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a member, imported now if it was not yet."""
        member = self.members.get(cmd_name)
        if member is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(member.module), member.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write names and summaries without importing anything."""
        rows = [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        rows += [(name, member.summary) for name, member in self.members.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        _format_examples(self.examples, formatter)


class GroupWithDefault(Group):
    """A noun that is a verb too: what is none of its verbs is a line of the default one."""

    def __init__(self, name: str | None, *, default: str, **attrs: Any) -> None:  # noqa: ANN401 - whatever click takes
        super().__init__(name, **attrs)
        self._default: Final = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default verb where the line has none."""
        place = _count_shared(args)
        if args[place : place + 1] != ["--help"] and not {*args[place : place + 1]} & {
            *self.list_commands(ctx)
        }:
            args = [*args[:place], self._default, *args[place:]]
        return super().parse_args(ctx, args)


def get_settings() -> Settings:
    """Return the settings of the run this is called in."""
    return click.get_current_context().ensure_object(Settings)


def get_home_path() -> Path | None:
    """Return the home that was named, by option or by environment; None for the default one."""
    named = get_settings().home
    if named is not None:
        return named
    variable = os.environ.get(HOME_VARIABLE)
    return Path(variable) if variable else None


def _count_shared(args: list[str]) -> int:
    """Count the words of shared options at a line's beginning."""
    count = 0
    while count < len(args) and args[count].partition("=")[0] in {"--home", "--json"}:
        count += 2 if args[count] == "--home" else 1
    return count


def _make_shared_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--home"],
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help=f"The home to use; else {HOME_VARIABLE}, else the user's data directory.",
            expose_value=False,
            callback=_keep_home,
        ),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            help="Print one JSON document; errors and events are JSON on standard error.",
            expose_value=False,
            callback=_keep_json,
        ),
    ]


def _keep_home(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    settings = context.ensure_object(Settings)
    if value is not None:
        settings.home = value


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
    settings = context.ensure_object(Settings)
    settings.as_json = settings.as_json or value


def _check_texts(context: click.Context) -> None:
    """Refuse texts that could be neither signed nor sent; names of files may be any bytes."""
    for parameter in context.command.params:
        value: object = context.params.get(parameter.name or "")
        texts = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        for text in texts:
            if isinstance(text, str) and not _is_unicode(text):
                raise click.BadParameter(f"{text!r:.80} is not UTF-8", context, parameter)


def _is_unicode(text: str) -> bool:
    # Bytes of the line that are no UTF-8 arrive as lone surrogates.
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _format_examples(examples: tuple[str, ...], formatter: click.HelpFormatter) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for example in examples:
            # Written as they are typed: a wrapped line could not be copied.
            formatter.write(f"{'':{formatter.current_indent}}synaptic-crdt {example}\n")
