#!/usr/bin/env bash
# The whole way at full size: an emulated microcontroller encrypts the demo's question at C12, this host infers it under
# encryption in B16, the microcontroller decrypts the answer. Takes about 13 GB of memory (an estimate) and minutes.
#   usage: scripts/device-demo.sh [LOG_N]      16; from 13 on a smaller ring, without security
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/core.sh
build() { (cd examples/cortex-m && core_cargo build --release --bin c12); }
with_core thumbv7em-none-eabihf build
elf=$(core_output "$PWD/examples/cortex-m")/c12
out=$PWD/target/device-demo
mkdir -p "$out"
rm -f "$out/answer.bin"
emulate() {
    (cd "$out" && timeout 300 qemu-system-arm -cpu cortex-m4 -machine mps2-an386 -nographic -monitor none -serial none \
        -icount shift=0 -semihosting-config enable=on,target=native -kernel "$elf") | defmt-print -e "$elf" --log-format '{s}'
}
emulate
cargo run --release -p polyformer --example device_server -- "${1:-16}" "$out/question.bin" "$out/answer.bin"
class=$(emulate | sed -n 's/^answer class \([0-9]*\), .*/\1/p')
label=$(awk -v n="$class" '/"labels"/ {at = NR} at && NR == at + 1 + n {gsub(/[ ",]/, ""); print; exit}' \
    host-tools/models/banking77/config.json)
echo "the device reads: $label"
[ "$label" = compromised_card ]
