#!/usr/bin/env bash
# Everything about the GPU backend on this machine's GPU: conformance, benches in both arithmetics, bootstrapping, the
# comparison on ciphertexts and the demo. Figures go to docs/gpu/FOLDER, one file a part; a part that fails says so and
# the others still run.
#   usage: scripts/gpu.sh [--adapter NAME] [--folder FOLDER] [PART ...]
#   PART: devices laws bench words recording bootstrap compare demo; all of them by default, without the demo if LOG_N is given
#   LOG_N (16) is the ring degree: 14 and 15 try everything with the presets L14 and L15, which do not bootstrap, in an hour
#   on a software adapter; `words` is one bootstrapping at any LOG_N, compared with the CPU backend. The demo is always B16.
set -euo pipefail
cd "$(dirname "$0")/.."

adapter=()
folder=""
parts=()
while [ $# -gt 0 ]; do
    case $1 in
        --adapter) adapter=("$2"); shift 2 ;;
        --folder) folder=$2; shift 2 ;;
        devices | laws | bench | words | recording | bootstrap | compare | demo) parts+=("$1"); shift ;;
        *) echo "no part $1" >&2; exit 2 ;;
    esac
done
if [ ${#parts[@]} -eq 0 ]; then
    parts=(devices laws bench words recording bootstrap compare)
    [ -n "${LOG_N:-}" ] || parts+=(demo)
fi

preset=(--preset B16)
bootstrap=(--op bootstrap)
if [ -n "${LOG_N:-}" ] && [ "$LOG_N" -ne 16 ]; then
    preset=(--preset "L$LOG_N")
    bootstrap=()
fi

cargo build --release -p polyformer --features wgpu
cargo build --release -p polyformer-wgpu --example bench
cargo build --release -p polyformer-tests --example gpu_bootstrap
polyformer=target/release/polyformer
on=(--backend wgpu)
[ ${#adapter[@]} -eq 0 ] || on+=(--adapter "${adapter[0]}")
arithmetics=(halves)
if "$polyformer" devices | grep -q "64-bit integers"; then arithmetics=(int64 halves); fi

if [ -z "$folder" ]; then
    folder=$("$polyformer" devices --json | head -n 1 | sed 's/.*"name":"\([^"]*\)".*/\1/' | tr -cs 'A-Za-z0-9\n' '-' | sed 's/-*$//')
fi
out=docs/gpu/$folder
mkdir -p "$out"

devices() {
    "$polyformer" devices --json
}

laws() {
    POLYFORMER_REQUIRE_GPU=1 cargo test --release -p polyformer-tests --test wgpu 2>&1 | grep -E "^test "
}

bench() {
    local how
    for how in "${arithmetics[@]}"; do
        target/release/examples/bench "${LOG_N:-16}" "$how" "" "${adapter[@]}"
        echo
    done
}

words() {
    local how
    for how in "${arithmetics[@]}"; do
        target/release/examples/gpu_bootstrap "${LOG_N:-16}" "$how" "${adapter[@]}"
        echo
    done
}

# Without a driver and a device: what the host does.
recording() {
    cargo run --release -p polyformer-tests --features polyformer-wgpu/noop --example gpu_bootstrap "${LOG_N:-16}" halves noop
}

bootstrap() {
    local how
    for how in "${arithmetics[@]}"; do
        "$polyformer" bench "${preset[@]}" --op mul_relin_rescale --op rotate --op rotate_hoisted_8 --op rescale \
            "${bootstrap[@]}" "${on[@]}" --arithmetic "$how" --json
    done
}

compare() {
    "$polyformer" compare "${preset[@]}" --run "${on[@]}" --json
}

demo() {
    "$polyformer" demo "I think someone used my card in another country" "${on[@]}" --json
}

failed=()
for part in "${parts[@]}"; do
    echo "== $part"
    began=$SECONDS
    if "$part" >"$out/$part.part"; then
        mv "$out/$part.part" "$out/$part.txt"
        cat "$out/$part.txt"
    else
        cat "$out/$part.part"
        rm "$out/$part.part"
        failed+=("$part")
    fi
    echo "== $part: $((SECONDS - began)) s"
done
[ ${#failed[@]} -eq 0 ] || { echo "FAILED: ${failed[*]}" >&2; exit 1; }
