"""Calling what a table holds by name, once its arguments fit: for queries, commands, services.

The one door for what a client asks: behind it, every argument has the type that its parameter
declares, whoever wrote the request.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from synaptic_crdt.errors import UsageError

T = TypeVar("T")

# The name of a file, which the system takes without a word about its bytes.
PathText = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00]*$")]


def call_named(
    table: Mapping[str, Callable[..., T]],
    what: str,
    subject: object,
    name: str,
    args: Mapping[str, object],
) -> T:
    """Call what ``table`` has under ``name`` with ``subject`` and ``args``.

    Raises ``UsageError`` when there is no such name or the arguments are not its parameters.
    """
    function = table.get(name)
    if function is None:
        raise UsageError(f"no {what} is named {name!r:.40}")
    try:
        typed = msgspec.convert(dict(args), _get_form(function))
    except msgspec.ValidationError as error:
        raise UsageError(f"{what} {name}: {error}") from error
    return function(subject, **msgspec.structs.asdict(typed))


@cache
def _get_form(function: Callable[..., object]) -> type[msgspec.Struct]:
    """Return a struct of a function's parameters, all but the subject, with their defaults."""
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (parameter.name, hints[parameter.name])
        if parameter.default is inspect.Parameter.empty
        else (parameter.name, hints[parameter.name], parameter.default)
        for parameter in parameters
    ]
    return msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
