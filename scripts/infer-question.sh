# Sourced by other scripts: the server of the emulated small client, at full size (B16, about 7 GB of memory).
#   infer_question FOLDER [OPTION ...]    reads FOLDER/question.bin, writes FOLDER/answer.bin. Makes the keys first, with the
#                                         secret of the emulated client: FOLDER/device and FOLDER/keys, 3 GB of files.
# Call it in the repository's root.
# shellcheck shell=bash

infer_question() {
    local folder=$1 polyformer=${CARGO_TARGET_DIR:-target}/release/polyformer
    cargo build --release -p polyformer
    rm -rf "$folder/answer.bin" "$folder/device" "$folder/keys"
    for _ in {1..32}; do printf '\t'; done >"$folder/secret.bin" # 32 bytes of 9
    "$polyformer" keygen --preset C12 --seed "$folder/secret.bin" --out "$folder/device"
    "$polyformer" keygen --preset B16 --infer 9 --embedded "$folder/device/secret.safetensors" --out "$folder/keys"
    "$polyformer" infer "$folder/question.bin" --raw --embedded "$folder"/keys/eval/device-*.safetensors \
        --eval "$folder/keys/eval" --tokens 9 --out "$folder/answer.bin" "${@:2}"
}
