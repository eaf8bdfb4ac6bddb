#!/bin/sh
# Creates .venv with the packages of requirements.lock and Tidemark's own. Each error says what to do.
# $PYTHON selects the Python.
set -u
cd "$(dirname "$0")/.." || exit 1

stop() {
    echo "$*" >&2
    exit 1
}

is_supported() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
    if is_supported "$candidate"; then
        python=$candidate
        break
    fi
done
[ "$python" ] || stop "Python 3.11 or later was not found. Install it, or select one with PYTHON=/path/to/python."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "$python has no venv module. Install it (on Debian and Ubuntu: apt install python3-venv), then run this again."

echo "Setting up .venv with what Tidemark needs to run. This takes a minute or two the first time …"
# Create .venv again when its Python does not run or is too old; otherwise update it to the lock file.
if ! is_supported .venv/bin/python; then
    "$python" -m venv --clear .venv || stop "$python could not create .venv. See the error above; check free space and permissions here."
fi
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock ||
    stop "Could not install the packages. See the error above; check that pypi.org is reachable, or set PIP_INDEX_URL to a mirror, then run this again."
echo "Installing Tidemark's own packages, about 10 seconds …"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    -e shared -e services/contracts -e services/consumption -e services/notifier -e services/intake -e services/web -e clients/python -e . ||
    stop "Could not install Tidemark's own packages. See the error above."
