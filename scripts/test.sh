#!/usr/bin/env bash
# Every test of the repository, as CI runs them: format, lints, documentation, packages, licences, the test suite, faults of the
# protocol that the suite must find, a short fuzz of each target, constant time under valgrind, the kernel for bare-metal targets,
# and the programs for a microcontroller under an emulator. Stops at the first failure with a non-zero status. The first second
# says which programs are missing, and how to get each.
#   usage: scripts/test.sh [--install] [STEP ...]
#   STEP: format lints docs packages deny tests faults fuzz timing metal device; all of them by default.
#         fast: a subset of the test suite that takes a few minutes; see CONTRIBUTING.md
#         needs: says which programs the other steps lack, and nothing else
#   --install first gets what is missing, with rustup, cargo and apt-get.
#   FUZZ_SECONDS (10) is the time given to each fuzz target.
set -euo pipefail
cd "$(dirname "$0")/.."
all=(format lints docs packages deny tests faults fuzz timing metal device)
install=""
if [ "${1:-}" = --install ]; then
    install=yes
    shift
fi
steps=("$@")
[ $# -gt 0 ] || steps=("${all[@]}")
for step in "${steps[@]}"; do
    case " ${all[*]} fast needs " in
    *" $step "*) ;;
    *) echo "no step $step; usage: scripts/test.sh [--install] [STEP ...], with the steps ${all[*]} fast needs" >&2 && exit 2 ;;
    esac
done
. scripts/needs.sh
needed=("${steps[@]}")
[ "${steps[*]}" != needs ] || needed=("${all[@]}")
[ -z "$install" ] || install_needs "${needed[@]}"
check_needs "${needed[@]}" || exit 1
. scripts/core.sh

needs() {
    echo "Nothing is missing."
}

format() {
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    cargo fmt --manifest-path examples/cortex-m/Cargo.toml --check
}

lints() {
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    with_core thumbv7em-none-eabihf lint_device
}

lint_device() {
    (cd examples/cortex-m && core_cargo clippy --release -- -D warnings) || return 1
}

docs() {
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --all-features --no-deps
}

# Each published crate can be packaged. Nothing is built.
packages() {
    cargo package --workspace --exclude polyformer-tests --exclude polyformer-memcheck --no-verify --allow-dirty --quiet
}

# Licences, sources and unwanted crates; known vulnerabilities, if their database can be fetched.
deny() {
    local manifest
    for manifest in Cargo.toml fuzz/Cargo.toml examples/cortex-m/Cargo.toml benches/peers/Cargo.toml; do
        echo "$manifest"
        cargo deny --config deny.toml --manifest-path "$manifest" check bans licenses sources
    done
    if cargo deny --config deny.toml fetch db 2>/dev/null; then
        cargo deny --config deny.toml check --disable-fetch advisories
    else
        echo "NOT RUN: known vulnerabilities, because their database cannot be fetched here"
    fi
}

tests() {
    cargo test --workspace --release --features polyformer/wgpu
}

# The test suite with neither the GPU, bootstrapping at full size, the large conformance tests, nor doctests. The build is the
# build of the whole suite.
fast() {
    local file names=()
    format
    for file in tests/tests/*.rs host-tools/tests/*.rs kernel/tests/*.rs; do
        file=$(basename "$file" .rs)
        case $file in wgpu | bootstrap | cpu) ;; *) names+=(--test "$file") ;; esac
    done
    cargo test --workspace --release --features polyformer/wgpu --lib "${names[@]}"
}

# Faults of the protocol, each of which the suite must find: docs/protocol-mutants.md. A release build of its own.
faults() {
    scripts/protocol-mutants.py
}

# Seeds are read from the corpus; what the fuzzer adds to them goes to a temporary folder.
fuzz() {
    local target found seeds
    for target in $(cargo fuzz list); do
        found=$(mktemp -d)
        seeds=("fuzz/corpus/$target")
        [ -d "${seeds[0]}" ] || seeds=()
        RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" "$found" "${seeds[@]}" -- \
            -max_total_time="${FUZZ_SECONDS:-10}" -rss_limit_mb=4096 -verbosity=0
        rm -r "$found"
        echo "fuzzed $target for ${FUZZ_SECONDS:-10} s"
    done
}

timing() {
    scripts/constant-time.sh
}

metal() {
    scripts/bare-metal.sh
}

device() {
    scripts/cortex-m.sh
}

current="start"
trap 'status=$?; [ $status -eq 0 ] || echo "FAILED: $current" >&2' EXIT
for current in "${steps[@]}"; do
    echo "== $current"
    began=$SECONDS
    "$current"
    echo "== $current: $((SECONDS - began)) s"
done
current="end"
echo "All passed: ${steps[*]}, in $SECONDS s."
