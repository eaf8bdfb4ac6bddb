#!/bin/sh
# Makes .venv with everything that the lock names and Tidemark's own packages; each obstacle is told in a sentence.
# $PYTHON chooses the Python.
set -u
cd "$(dirname "$0")/.." || exit 1

stop() {
    echo "$*" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
[ "$python" ] || stop "Python 3.11 or later is needed and was not found: install it, or name one by PYTHON=/path/to/python."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "$python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv), then run this again."

echo "Setting up .venv, once; this takes a minute or two …"
# A .venv that does not answer, or is of an older Python, is made anew; any other is brought up to the lock.
if ! fits .venv/bin/python; then
    "$python" -m venv --clear .venv || stop "$python made no .venv; see above, and mind free space and permissions here."
fi
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock ||
    stop "The packages were not installed; see above: have pypi.org in reach, or name a mirror by PIP_INDEX_URL, then run this again."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    -e shared -e services/contracts -e services/consumption -e services/notifier -e services/web -e . ||
    stop "Tidemark's own packages were not installed; see above."
