#!/bin/sh
# Makes .venv current: finds a Python that really runs and hands it to environment.py.
# Arguments: the dependency groups wanted beside what the package itself needs.
# PYTHON=... names the interpreter; without it, a .venv that works keeps the one it has.
set -eu
cd "$(dirname "$0")/.."
groups="$*"
refused=""

# A name in the PATH proves little: it may launch a version that is not installed, or a Python
# that its system delivers in parts. So a candidate has to run, and to have what we need.
complaint_of() {
    "$1" -I -c '
import sys
if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] < (3, 13):
    sys.exit("is " + sys.implementation.name + " " + sys.version.split()[0])
import importlib.util, _sqlite3, _ssl
if not importlib.util.find_spec("ensurepip"):
    sys.exit("cannot make virtual environments: ensurepip is missing")
' 2>&1 >/dev/null
}

try() {
    path=$(command -v "$1") || return 0
    if complaint=$(complaint_of "$path"); then
        # Unquoted: the groups are separate words.
        "$path" -I scripts/environment.py $groups
        exit
    fi
    refused="$refused
  $path: $(printf '%s\n' "$complaint" | tail -n 1)"
}

if [ -n "${PYTHON:-}" ]; then
    try "$PYTHON"
else
    for candidate in .venv/bin/python python3.12 python3.11 python3; do
        try "$candidate"
    done
fi

cat >&2 <<END
No usable Python found. This project needs CPython 3.11 or 3.12 with its standard library.
Looked for: ${PYTHON:-python3.12, python3.11, python3}${refused:+
Not usable:$refused}
Install one of them, or name one: make PYTHON=/path/to/python3.12 ...
END
exit 1
