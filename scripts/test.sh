#!/usr/bin/env bash
# Every test of the repository, as CI runs them: format, lints, documentation, packages, the test suite, a short fuzz of each
# target, the kernel for bare-metal targets, and the programs for a microcontroller under an emulator. Stops at the first
# failure with a non-zero status.
#   usage: scripts/test.sh [STEP ...]      STEP: format lints docs packages tests fuzz metal device; all of them by default
#   FUZZ_SECONDS (10) is the time given to each fuzz target.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/core.sh

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
    cargo package --workspace --exclude polyformer-tests --no-verify --allow-dirty --quiet
}

tests() {
    cargo test --workspace --release --features polyformer/wgpu
}

# Seeds are read from the corpus; what the fuzzer adds to them goes to a temporary folder.
fuzz() {
    cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; return 1; }
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

metal() {
    scripts/bare-metal.sh
}

device() {
    scripts/cortex-m.sh
}

steps=("${@:-format}")
[ $# -gt 0 ] || steps=(format lints docs packages tests fuzz metal device)
current="start"
trap 'status=$?; [ $status -eq 0 ] || echo "FAILED: $current" >&2' EXIT
for current in "${steps[@]}"; do
    case $current in format | lints | docs | packages | tests | fuzz | metal | device) ;; *) echo "no step $current" >&2; exit 2 ;; esac
    echo "== $current"
    began=$SECONDS
    "$current"
    echo "== $current: $((SECONDS - began)) s"
done
current="end"
echo "All passed: ${steps[*]}, in $SECONDS s."
