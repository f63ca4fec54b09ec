#!/usr/bin/env bash
# Runs tests on emulated machines: the kernel and the scalar backend on a big-endian and on a 32-bit machine, s390x and i686;
# the CPU backend with its NEON lanes on aarch64.
#   usage: scripts/foreign.sh [TRIPLE ...]
# Needs, from Debian: qemu-user, gcc-s390x-linux-gnu, libc6-dev-s390x-cross, gcc-i686-linux-gnu, libc6-dev-i386-cross; and the
# standard library of each, which rustup downloads. Programs for aarch64 are linked by rust-lld, which rustc has.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- s390x-unknown-linux-gnu i686-unknown-linux-gnu aarch64-unknown-linux-musl
for triple in "$@"; do
    case $triple in
    aarch64-*-musl)
        command -v qemu-aarch64 >/dev/null || { echo "qemu-aarch64 is missing" >&2; exit 1; }
        rustup target add "$triple"
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER=qemu-aarch64
        cargo test --release --target "$triple" -p polyformer-cpu --test lockstep --test emulated
        echo "$triple: tests pass"
        continue
        ;;
    s390x-*) gcc=s390x-linux-gnu emulator=qemu-s390x ;;
    i686-*) gcc=i686-linux-gnu emulator=qemu-i386 ;;
    *) echo "no emulator is known for $triple" >&2; exit 2 ;;
    esac
    command -v "$gcc-gcc" "$emulator" >/dev/null || { echo "$gcc-gcc or $emulator is missing" >&2; exit 1; }
    rustup target add "$triple"
    name=$(tr 'a-z-' 'A-Z_' <<<"$triple")
    export "CARGO_TARGET_${name}_LINKER=$gcc-gcc" "CARGO_TARGET_${name}_RUNNER=$emulator -L /usr/$gcc"
    cargo test --release --target "$triple" -p polyformer-kernel --lib --features alloc
    cargo test --release --target "$triple" -p polyformer-tests --test scalar --test known_answers --test placement
    echo "$triple: tests pass"
done
