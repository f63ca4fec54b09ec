#!/usr/bin/env bash
# Runs the client's operations under valgrind with every secret, error and message marked as undefined. A branch or an
# address that depends on one of them is an error, unless tests/memcheck/allowed.supp lists the place with its reason.
#   usage: scripts/constant-time.sh [PART ...]      PART: scalar cpu device; all of them by default
# Needs valgrind on x86-64. Takes a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind" >&2; exit 1; }
[ "$(uname -m)" = x86_64 ] || { echo "$(uname -m): the requests to valgrind are written for x86-64" >&2; exit 1; }

cargo build --quiet --profile profiling -p polyformer-memcheck # the release build, with symbols
program=${CARGO_TARGET_DIR:-target}/profiling/polyformer-memcheck
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# check PART: status 9 if valgrind reports anything.
check() {
    valgrind --quiet --error-limit=no --num-callers=12 --error-exitcode=9 --log-file="$log" \
        --suppressions=tests/memcheck/allowed.supp "$program" "$1"
}

status=0
check control >/dev/null || status=$?
[ "$status" -eq 9 ] || { echo "the branch of the control was not reported (status $status)" >&2; exit 1; }
parts=("$@")
[ $# -gt 0 ] || parts=(scalar cpu device)
for part in "${parts[@]}"; do
    check "$part" || { cat "$log" >&2; echo "$part: time or addresses depend on a secret" >&2; exit 1; }
    echo "$part: no branch and no address depends on a secret, but for the places in tests/memcheck/allowed.supp"
done
