#!/usr/bin/env bash
# The whole demo at full size, through files. An emulated microcontroller encrypts the demo's question at C12, `polyformer`
# runs the model on the ciphertext in B16, and the microcontroller decrypts the answer.
#   usage: scripts/device-demo.sh [FOLDER]      FOLDER keeps keys, question and answer (target/device-demo)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/core.sh
. scripts/infer-question.sh
build() { (cd examples/cortex-m && core_cargo build --release --bin c12); }
with_core thumbv7em-none-eabihf build
elf=$(core_output "$PWD/examples/cortex-m")/c12
folder=${1:-target/device-demo}
if [ -d "$folder" ] && [ -n "$(ls -A "$folder")" ] && [ ! -e "$folder/secret.bin" ]; then
    echo "$folder: not empty, and not of this script: its keys would be lost" >&2
    exit 2
fi
mkdir -p "$folder"
rm -f "$folder/answer.bin"
emulate() {
    (cd "$folder" && timeout 300 qemu-system-arm -cpu cortex-m4 -machine mps2-an386 -nographic -monitor none -serial none \
        -icount shift=0 -semihosting-config enable=on,target=native -kernel "$elf") | defmt-print -e "$elf" --log-format '{s}'
}
emulate
infer_question "$folder" --json
class=$(emulate | sed -n 's/^answer class \([0-9]*\), .*/\1/p')
label=$(awk -v n="$class" '/"labels"/ {at = NR} at && NR == at + 1 + n {gsub(/[ ",]/, ""); print; exit}' \
    "host-tools/models/banking77/config.json")
echo "the device reads: $label"
[ "$label" = compromised_card ]
