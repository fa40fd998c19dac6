"""Calling what a table holds by name, once its arguments fit: for queries, commands, services."""

import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar

from synaptic_crdt.errors import UsageError

T = TypeVar("T")


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
        inspect.signature(function).bind(subject, **args)
    except TypeError as error:
        raise UsageError(f"{what} {name}: {error}") from error
    return function(subject, **args)
