# scripts/test.sh sources this file: what the steps need besides the repository, and the command that gets each thing.
#   check_needs STEP ...      names everything that is missing, with its command; status 1 if anything is. Takes under a second.
#   install_needs STEP ...    runs those commands: rustup, cargo install, and apt-get (with sudo, unless root calls)
# shellcheck shell=bash

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin # where `cargo install` puts programs

rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
missing=() # lines of: name, tab, steps, tab, command

# need NAME STEP COMMAND TEST ...: NAME is missing from STEP unless TEST succeeds.
need() {
    local name=$1 step=$2 command=$3 i
    shift 3
    if "$@" >/dev/null 2>&1; then return 0; fi
    for i in "${!missing[@]}"; do
        if [ "${missing[i]%%$'\t'*}" = "$name" ]; then
            missing[i]=$name$'\t'$(cut -f 2 <<<"${missing[i]}"),$step$'\t'$command
            return 0
        fi
    done
    missing+=("$name"$'\t'"$step"$'\t'"$command")
}

program() { command -v "$1"; }
rust_is_new_enough() {
    local version
    version=$(cargo --version | cut -d ' ' -f 2) && printf '%s\n' "$rust_version" "${version%%-*}" | sort -CV
}
# The library `core` for machines without an operating system: there, or to be had by a way of scripts/core.sh.
has_core() {
    local sysroot version=$(rustc -vV | sed -n 's/^release: //p')
    sysroot=$(rustc --print sysroot)
    [ -d "$sysroot/lib/rustlib/thumbv7em-none-eabihf" ] || [ -d "$sysroot/lib/rustlib/src/rust/library" ] ||
        [ -d "/usr/src/rustc-$version/library" ] || program rustup || program apt-get
}
has_vulkan() { compgen -G '/usr/share/vulkan/icd.d/*.json' || compgen -G '/etc/vulkan/icd.d/*.json'; }

need_package() { need "$2" "$1" "apt-get install $3" program "$2"; }
need_core() { need core "$1" "rustup target add thumbv7em-none-eabihf" has_core; }
need_crate() { need "$2" "$1" "cargo install --locked $2" program "$2"; }

# Which programs each step calls.
needs_of() {
    case $1 in
    format) need rustfmt "$1" "rustup component add rustfmt" cargo fmt --version ;;
    lints) need clippy "$1" "rustup component add clippy" cargo clippy --version && need_core "$1" ;;
    metal) need_core "$1" ;;
    deny) need_crate "$1" cargo-deny ;;
    tests)
        # a software adapter is enough; without any adapter these tests pass without a check, unless one is required
        [ -z "${POLYFORMER_REQUIRE_GPU:-}" ] ||
            need vulkan "$1" "apt-get install mesa-vulkan-drivers libvulkan1" has_vulkan
        ;;
    fast) need rustfmt "$1" "rustup component add rustfmt" cargo fmt --version ;;
    faults) need_package "$1" python3 python3-minimal ;;
    fuzz) need_crate "$1" cargo-fuzz && need_package "$1" c++ g++ ;;
    timing) need_package "$1" valgrind valgrind ;;
    device)
        need_crate "$1" defmt-print
        need_package "$1" qemu-system-arm qemu-system-arm
        need_package "$1" nm binutils
        need_package "$1" python3 python3-minimal
        need_core "$1"
        ;;
    esac
}

find_missing() {
    local step rust="rustup update stable"
    missing=()
    [ -n "$(program rustup)" ] || rust="install rustup, which the Rust project offers at https://rustup.rs"
    need "Rust $rust_version" all "$rust" rust_is_new_enough
    need_package all cc gcc
    for step in "$@"; do needs_of "$step"; done
}

check_needs() {
    local line name steps command lacking="" step rest=()
    find_missing "$@"
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Missing on this machine:"
    for line in "${missing[@]}"; do
        IFS=$'\t' read -r name steps command <<<"$line"
        printf '  %-16s for %-14s %s\n' "$name" "$steps" "$command"
        lacking+=,$steps,
    done
    echo "scripts/test.sh --install gets all of them."
    for step in "$@"; do
        case $lacking in *,all,* | *,"$step",*) ;; *) rest+=("$step") ;; esac
    done
    [ ${#rest[@]} -eq 0 ] || echo "These steps need none of them: scripts/test.sh ${rest[*]}"
    return 1
} >&2

install_needs() {
    local line command root packages=()
    find_missing "$@"
    for line in "${missing[@]}"; do
        command=$(cut -f 3 <<<"$line")
        case $command in
        apt-get\ install\ *) read -ra more <<<"${command#apt-get install }" && packages+=("${more[@]}") ;;
        esac
    done
    if [ ${#packages[@]} -gt 0 ]; then
        root=$([ "$(id -u)" -eq 0 ] || echo sudo)
        echo "== apt-get install ${packages[*]}"
        $root apt-get update -qq
        $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
    fi
    for line in "${missing[@]}"; do
        command=$(cut -f 3 <<<"$line")
        case $command in
        rustup\ * | cargo\ *) echo "== $command" && $command ;;
        esac
    done
}
