#!/bin/sh
# Test the alert rules with promtool: the one in PATH, or that of Debian's package, which needs no installation.
set -eu
cd "$(dirname "$0")/.."

promtool=$(command -v promtool || echo .promtool/usr/bin/promtool)
if [ ! -x "$promtool" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    folder=$(mktemp -d)
    if (cd "$folder" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; }) >/dev/null 2>&1
    then
        dpkg-deb -x "$folder"/prometheus_*.deb .promtool
    fi
    rm -r "$folder"
fi
if [ ! -x "$promtool" ]; then
    echo "Alert rules were not tested: there is no promtool in PATH, and apt-get cannot download the package prometheus."
    exit 0
fi
"$promtool" check rules deploy/prometheus/rules.yaml >/dev/null
"$promtool" test rules deploy/prometheus/rules_test.yaml >/dev/null
