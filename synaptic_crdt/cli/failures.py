"""From what went wrong to one plain message and one exit code. No traceback reaches a user.

Exit codes: 0 done; 1 refused by the contract; 2 usage; 3 a peer or the network; 4 verification
failed or data damaged; 5 this machine's policy said no; 6 a task that was waited for ended without
a result; 70 a mistake of this program; 130 interrupted; 141 the reader of a pipe went away. Messages go to standard error, as one JSON
document a line with ``--json``.
"""

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any, Final

import click

from synaptic_crdt.cli.advice import advise_after
from synaptic_crdt.cli.visible import make_visible
from synaptic_crdt.errors import Refused, SynapticError

EXIT_USAGE: Final = 2
EXIT_NETWORK: Final = 3
EXIT_DAMAGED: Final = 4
EXIT_NO_RESULT: Final = 6
EXIT_MISTAKE: Final = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED: Final = 130

# The disk's fault and not the caller's.
_DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT})


def run_guarded(act: Callable[[], int], *, as_json: bool) -> int:
    """Run ``act``; return its exit code, or that of what went wrong once it was told."""
    try:
        return act()
    except SynapticError as error:
        return _tell(_describe(error), as_json=as_json)
    except click.ClickException as error:
        return _tell_usage(error, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return _tell(_make_report("Interrupted", "interrupted", EXIT_INTERRUPTED), as_json=as_json)
    except OSError as error:
        return _tell(_describe_system(error), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: a user gets a line, not a stack
        return _tell(_describe_mistake(error), as_json=as_json)


def _describe(error: SynapticError) -> dict[str, Any]:
    report = _make_report(type(error).__name__, str(error), error.exit_code)
    if isinstance(error, Refused):
        report |= {
            "verdict": error.verdict,
            "explanation": error.explanation,
            "next": list(advise_after(error.verdict)),
        }
    return report


def _describe_system(error: OSError) -> dict[str, Any]:
    place = f"{error.filename}: " if error.filename is not None else ""
    message = f"{place}{error.strerror or error}"
    code = EXIT_DAMAGED if error.errno in _DISK_ERRORS else EXIT_USAGE
    return _make_report("SystemFailed", message, code)


def _describe_mistake(error: Exception) -> dict[str, Any]:
    """Keep the stack in a file of its own, so that it can be reported."""
    summary = f"{type(error).__name__}: {error}".splitlines()[0]
    message = f"a mistake in this program, not yours ({summary})"
    try:
        descriptor, path = tempfile.mkstemp(prefix="synaptic-crdt-", suffix=".report")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return _make_report("Mistake", message, EXIT_MISTAKE)
    return _make_report("Mistake", f"{message}; please report it with {path}", EXIT_MISTAKE)


def _tell_usage(error: click.ClickException, *, as_json: bool) -> int:
    if not as_json:
        error.show()
        return EXIT_USAGE
    return _tell(_make_report("UsageError", error.format_message(), EXIT_USAGE), as_json=True)


def _tell(report: dict[str, Any], *, as_json: bool) -> int:
    lines = [json.dumps(report)] if as_json else _render(report)
    try:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return report["exit_code"]


def _render(report: dict[str, Any]) -> list[str]:
    """Return what a person reads: what was wrong, then what may help."""
    advice = [f"next: synaptic-crdt {command}" for command in report.get("next", ())]
    return [make_visible(f"error: {report['message']}"), *advice]


def _make_report(error: str, message: str, exit_code: int) -> dict[str, Any]:
    return {"error": error, "message": message, "exit_code": exit_code}
