#!/usr/bin/env bash
# Shows that this commit computes the words of an older one. Runs host-tools/examples/identity here, and the same program
# with the interfaces of that time at the older commit, and compares their lines.
#   usage: scripts/identity.sh [OLD [ARGUMENT ...]]
#   OLD       a commit that has a patch in scripts/identity (224f9ae): the program at that commit
#   ARGUMENT  of both programs, such as `--backend scalar` or a section; by default everything on every backend, some minutes
# Prints the name of each line that differs or that only one commit has; the exit status is then 1. Without ARGUMENT the
# recorded lines of the older commit, tests/vectors/identity-OLD.txt, are compared as well.
set -euo pipefail
cd "$(dirname "$0")/.."
old=${1:-224f9ae}
[ $# -eq 0 ] || shift
patch=$PWD/scripts/identity/$old.patch recorded=tests/vectors/identity-$old.txt
[ -f "$patch" ] || { echo "$patch is missing: there is no program for commit $old" >&2; exit 2; }
work=$PWD/target/identity
tree=$work/tree
mkdir -p "$work"
remove_tree() {
    git worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"
    git worktree prune
}

remove_tree
trap remove_tree EXIT
git worktree add --quiet --detach "$tree" "$old"
git -C "$tree" apply "$patch"
build=(cargo build --release --quiet -p polyformer --example identity)
(cd "$tree" && CARGO_TARGET_DIR="$work/$old" "${build[@]}")
"${build[@]}"
echo "commit $old:" >&2
"$work/$old/release/examples/identity" "$@" >"$work/old.txt"
echo "this commit:" >&2
"${CARGO_TARGET_DIR:-target}/release/examples/identity" "$@" >"$work/new.txt"

# compare OLD NEW: names of lines of OLD that NEW lacks or that differ. NEW may have more lines, of what is new.
compare() {
    awk 'FILENAME == ARGV[1] { old[$1] = $2; next }
         !($1 in old) { next }
         old[$1] != $2 { print $1 ": " old[$1] " became " $2; bad = 1 }
         { delete old[$1] }
         END { for (name in old) { print name ": only in " ARGV[1]; bad = 1 } exit bad }' "$1" "$2"
}

status=0
compare "$work/old.txt" "$work/new.txt" || status=1
[ $# -gt 0 ] || compare "$recorded" "$work/old.txt" || status=1
lines=$(wc -l <"$work/old.txt")
[ "$lines" -gt 0 ] || { echo "no line was made: is there such a section?" >&2; exit 2; }
[ $status -eq 0 ] && echo "$lines lines are the same."
exit $status
