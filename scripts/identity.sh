#!/usr/bin/env bash
# Shows that this commit computes the words of an older one. Runs host-tools/examples/identity here and at the older commit, and
# compares their lines.
#   usage: scripts/identity.sh [OLD [ARGUMENT ...]]
#          scripts/identity.sh --record
#   OLD       a commit; by default 224f9ae. A commit without the program needs a patch in scripts/identity that adds the program
#   ARGUMENT  of both programs, such as `--backend scalar` or a section; by default everything on every backend, some minutes
#   --record  writes the lines of this commit to tests/vectors/identity.txt, after a change of words by design
# Prints the name of each line that differs or that only one commit has; the exit status is then 1. Without ARGUMENT the
# recorded lines are compared as well. scripts/identity/by-design.txt names the commits that changed words by design, and the
# lines that each commit left alone. Other lines are compared with the recorded lines alone.
set -euo pipefail
cd "$(dirname "$0")/.."
recorded=tests/vectors/identity.txt
work=$PWD/target/identity
build=(cargo build --release --quiet -p polyformer --example identity)
here=${CARGO_TARGET_DIR:-target}/release/examples/identity
mkdir -p "$work"
if [ "${1:-}" = --record ]; then
    "${build[@]}"
    "$here" >"$work/new.txt"
    mv "$work/new.txt" "$recorded"
    exit
fi
old=$(git rev-parse --short=7 "${1:-224f9ae}")
[ $# -eq 0 ] || shift
patch=$PWD/scripts/identity/$old.patch
tree=$work/tree
remove_tree() {
    git worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"
    git worktree prune
}

remove_tree
trap remove_tree EXIT
git worktree add --quiet --detach "$tree" "$old"
[ ! -f "$patch" ] || git -C "$tree" apply "$patch"
[ -f "$tree/host-tools/examples/identity/main.rs" ] || { echo "$patch is missing: commit $old has no such program" >&2; exit 2; }
(cd "$tree" && CARGO_TARGET_DIR="$work/$old" "${build[@]}")
"${build[@]}"
echo "commit $old:" >&2
"$work/$old/release/examples/identity" "$@" >"$work/old.txt"
echo "this commit:" >&2
"$here" "$@" >"$work/new.txt"

# Expressions for names of lines that a change of words after commit $old left alone.
stayed=$work/stayed.txt
: >"$stayed"
while read -r change expression; do
    case $change in '#'* | '') continue ;; esac
    git merge-base --is-ancestor "$change" "$old" || echo "$expression" >>"$stayed"
done <scripts/identity/by-design.txt

# compare OLD NEW [EXPRESSIONS]: names of lines of OLD that NEW lacks or that differ, among the names that match every
# expression. NEW may have more lines, of what is new.
compare() {
    awk -v stayed="${3:-/dev/null}" '
         BEGIN { while ((getline line < stayed) > 0) expressions[line] = 1 }
         function skipped(name) { for (e in expressions) if (name !~ e) return 1; return 0 }
         skipped($1) { next }
         FILENAME == ARGV[1] { old[$1] = $2; seen++; next }
         !($1 in old) { next }
         old[$1] != $2 { print $1 ": " old[$1] " became " $2; bad = 1 }
         { delete old[$1] }
         END { for (name in old) { print name ": only in " ARGV[1]; bad = 1 }
               if (!bad) print seen " lines of " ARGV[1] " are the same."
               exit bad }' "$1" "$2"
}

status=0
compare "$work/old.txt" "$work/new.txt" "$stayed" || status=1
[ $# -gt 0 ] || compare "$recorded" "$work/new.txt" || status=1
[ -s "$work/old.txt" ] || { echo "no line was made: is there such a section?" >&2; exit 2; }
exit $status
