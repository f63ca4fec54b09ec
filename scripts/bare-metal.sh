#!/usr/bin/env bash
# Builds the kernel, with and without an allocator, and the scalar backend for machines without an operating system:
# Cortex-M4F, Cortex-M0, RISC-V and WebAssembly.
#   usage: scripts/bare-metal.sh [SOURCE]
# SOURCE names the source of the standard library, see scripts/core.sh. The default is the first source that works.
set -euo pipefail
cd "$(dirname "$0")/.."
SOURCE=${1:-}
. scripts/core.sh

both() {
    local features
    for features in "" "--features polyformer-kernel/alloc"; do
        # shellcheck disable=SC2086
        core_cargo build --release -p polyformer-kernel -p polyformer-scalar $features || return 1
    done
}

for triple in thumbv7em-none-eabihf thumbv6m-none-eabi riscv32imac-unknown-none-elf wasm32-unknown-unknown; do
    with_core "$triple" both
    echo "$triple: polyformer-kernel (with and without alloc) and polyformer-scalar build"
done
