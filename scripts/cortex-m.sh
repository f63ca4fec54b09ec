#!/usr/bin/env bash
# Runs the programs of examples/cortex-m on emulated boards, compares their output with this host, and writes their
# sizes and instruction counts into docs/device.md. `polyformer infer` answers the emulated client's question.
#   usage: scripts/cortex-m.sh [FOLDER]      FOLDER keeps the output of the programs (target/device)
# Needs qemu-system-arm and defmt-print (cargo install defmt-print). SOURCE as in scripts/core.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/core.sh
. scripts/infer-question.sh
mkdir -p "${1:-target/device}"
out=$(cd "${1:-target/device}" && pwd)
crate=$PWD/examples/cortex-m
for program in qemu-system-arm defmt-print; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done

# Builds every program, and the client once more for a processor that has double floats.
build() {
    (cd "$crate" && core_cargo build --release) || return 1
    (cd "$crate" && RUSTFLAGS="-Clink-arg=-Tlink.x -Ctarget-cpu=cortex-m7" CARGO_TARGET_DIR=target/m7 \
        core_cargo build --release --bin c12) || return 1
}

# run PROGRAM ELF CPU MACHINE LOG: the program's files and LOG lie in $out/PROGRAM.
run() {
    local status=0
    mkdir -p "$out/$1"
    (cd "$out/$1" && timeout 300 qemu-system-arm -cpu "$3" -machine "$4" -nographic -monitor none -serial none \
        -icount shift=0 -semihosting-config enable=on,target=native -kernel "$2" >output.defmt) || status=$?
    defmt-print -e "$2" --log-format '{s}' <"$out/$1/output.defmt" >"$out/$1/$5"
    if [ "$status" -ne 0 ]; then
        cat "$out/$1/$5" >&2
        echo "$1: status $status (1 an error, 101 a panic, 102 a fault, 124 too slow)" >&2
        return 1
    fi
}

compare() {
    DEVICE_OUTPUT=$out cargo test --release -p polyformer --test device -- --ignored "$@"
}

# Every figure of one name in LOG is the same, but for the loop that measures. Else time depends on a secret.
same_length() {
    sed -n 's/^figure \(.*\): \([0-9]*\)$/\1 \2/p' "$1" | sort | awk '
        {count = $NF; sub(/ [0-9]+$/, ""); runs[$0]++}
        !($0 in least) || count < least[$0] {least[$0] = count}
        !($0 in most) || count > most[$0] {most[$0] = count}
        END {
            for (name in runs) {
                wrong += most[name] - least[name] > 4
                total += runs[name]
                printf "%s: %d to %d instructions, %d runs\n", name, least[name], most[name], runs[name]
            }
            if (total != 60 || wrong) {print "time depends on secrets" >"/dev/stderr"; exit 1}
        }'
}

# The least and the most instructions of the parts that compute in software floats.
varying() {
    echo '| part, M4F, twelve messages | least | most |'
    echo '|---|---|---|'
    for part in encode close; do
        sed -n "s/^varies $part: //p" "$1" | sort -n | awk -v part="$part" '
            NR == 1 {least = $1}
            END {
                if (NR != 12) exit 1
                printf "| `%s` | %.2f million | %.2f million |\n", part, least / 1e6, $1 / 1e6
            }' || return 1
    done
}

with_core thumbv7em-none-eabihf build
elf=$(core_output "$crate")
m7=$crate/target/m7/thumbv7em-none-eabihf/release

if nm "$elf/bare" | grep -iE 'panick|unwrap_failed|expect_failed|begin_unwind'; then
    echo "bare: a panic is linked" >&2
    exit 1
fi
rm -f "$out/c12/answer.bin"
m4=(cortex-m4 mps2-an386)
for program in c12 c12_stored c12_computed c13; do
    run "$program" "$elf/$program" "${m4[@]}" figures.log
done
run c12_m7 "$m7/c12" cortex-m7 mps2-an500 figures.log
run plain "$elf/plain" "${m4[@]}" figures.log
run refusals "$elf/refusals" "${m4[@]}" figures.log
grep -c '^refused .*: true$' "$out/refusals/figures.log" | sed 's/$/ kinds of bad input refused/'
run constant_time "$elf/constant_time" "${m4[@]}" figures.log
same_length "$out/constant_time/figures.log"
compare words infers
infer_question "$out/c12"
rm -rf "$out/c12/keys"
run c12 "$elf/c12" "${m4[@]}" answer.log
compare decrypted

figure() { sed -n "s/^figure $2: //p" "$out/$1/figures.log" | tail -1; }
flash() { size -A "$1" | awk '/^\.(vector_table|text|rodata|data) /{sum += $2} END {print sum}'; }
kilo() { awk -v x="$1" 'BEGIN {printf "%.1f", x / 1024}'; }
mega() { awk -v x="$1" 'BEGIN {printf "%.2f", x / 1e6}'; }

row() { # NAME PROGRAM ELF
    local stack ram
    stack=$(figure "$2" 'encrypt stack')
    ram=$(($(figure "$2" statics) + stack))
    printf '| %s | %s | %s + %s | %s | %s | %s | %s | %s |\n' "$1" "$(kilo "$(flash "$3")")" \
        "$(kilo "$(figure "$2" statics)")" "$(kilo "$stack")" "$(mega "$(figure "$2" encode)")" \
        "$(mega "$(figure "$2" error)")" "$(mega "$(figure "$2" limbs)")" "$(mega "$(figure "$2" encrypt)")" \
        "$(mega "$(figure "$2" decrypt)")"
    if [ "$2" = c12 ] && { [ "$ram" -gt 65536 ] || [ "$(flash "$3")" -gt 65536 ]; }; then
        echo "$2: $ram bytes of RAM, $(flash "$3") of flash: over 64 KB" >&2
        return 1
    fi
}

client=$(
    echo '| client | flash, KB | RAM: statics + stack, KB | encode | error | limbs | **encrypt** | decrypt |'
    echo '|---|---|---|---|---|---|---|---|'
    row 'n = 2^12, M4F: roots stored, twiddles computed' c12 "$elf/c12"
    row 'n = 2^12, M4F: both stored' c12_stored "$elf/c12_stored"
    row 'n = 2^12, M4F: both computed' c12_computed "$elf/c12_computed"
    row 'n = 2^13, M4F: roots stored, twiddles computed' c13 "$elf/c13"
    row 'n = 2^12, M7 with double floats: roots stored' c12_m7 "$m7/c12"
)

# Replaces the text between two markers of docs/device.md.
page() {
    local page=docs/device.md
    TABLE=$2 awk -v mark="$1" '
        $0 == "<!-- end " mark " -->" {inside = 0}
        !inside {print}
        $0 == "<!-- " mark " -->" {inside = 1; print ENVIRON["TABLE"]}' "$page" >"$out/page.md"
    cmp -s "$out/page.md" "$page" || cp "$out/page.md" "$page"
}
inference=$(
    ram=$(($(figure plain statics) + $(figure plain 'infer stack')))
    [ "$ram" -le 262144 ] || { echo "plain: $ram bytes of RAM, over 256 KB" >&2; exit 1; }
    seconds() { awk -v x="$(figure plain "$1")" 'BEGIN {printf "%.2f", x / 168e6}'; }
    echo '| the demo model in the clear, M4F | |'
    echo '|---|---|'
    echo "| flash, its weights in f16 included | $(kilo "$(flash "$elf/plain")") KB |"
    echo "| RAM: statics + stack | $(kilo "$(figure plain statics)") + $(kilo "$(figure plain 'infer stack')") KB |"
    echo "| checking the weights, once | $(mega "$(figure plain load)") million instructions |"
    echo "| a sentence of 9 tokens | $(mega "$(figure plain infer)") million instructions |"
    echo "| 64 tokens, the most that the model reads | $(mega "$(figure plain 'infer longest')") million instructions |"
    echo "| at 168 MHz, one instruction a cycle: an estimate | $(seconds infer) s, $(seconds 'infer longest') s |"
)
functions=$(scripts/device-profile.py device::client::encrypt device::client::read_back \
    'roots stored' "$elf/c12" 'both computed' "$elf/c12_computed")
page client "$client"
page functions "$functions"
page varying "$(varying "$out/constant_time/figures.log")"
page inference "$inference"
printf '%s\n\n%s\n\n%s\n' "$client" "$functions" "$inference"
