#!/usr/bin/env bash
# Runs the tests of the kernel and of the scalar backend on a big-endian and on a 32-bit machine, emulated: s390x and i686.
#   usage: scripts/foreign.sh [TRIPLE ...]
# Needs, from Debian: qemu-user, gcc-s390x-linux-gnu, libc6-dev-s390x-cross, gcc-i686-linux-gnu, libc6-dev-i386-cross; and the
# standard library of both, which rustup downloads.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- s390x-unknown-linux-gnu i686-unknown-linux-gnu
for triple in "$@"; do
    case $triple in
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
