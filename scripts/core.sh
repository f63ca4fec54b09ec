# Other scripts source this file. It provides the standard library for targets that the installed toolchain may lack.
#   with_core TRIPLE COMMAND [ARGUMENT ...]    runs COMMAND, which calls `core_cargo` as it would call `cargo`
# The library comes from the first of these sources with which COMMAND succeeds, or from SOURCE alone if that is set:
#   target    rustup target add: all that is needed where rustup can download
#   src       the toolchain's own rust-src component, compiled here (-Zbuild-std)
#   package   the distribution's rust-src package of the same version, compiled here
#   archive   an archive of the library's sources in ../shared/tools, compiled here
# shellcheck shell=bash

core_work=$PWD/target/bare-metal
version=$(rustc -vV | sed -n 's/^release: //p')
sysroot=$(rustc --print sysroot)

# cargo SUBCOMMAND for $core_triple; with $core_build_std the library is compiled as well.
core_cargo() {
    local subcommand=$1
    shift
    if [ -n "$core_build_std" ]; then
        RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$core_work/target} cargo "$subcommand" \
            --target "$core_triple" -Zbuild-std=core,alloc -Zbuild-std-features=compiler-builtins-mem "$@"
    else
        cargo "$subcommand" --target "$core_triple" "$@"
    fi
}

# Where the programs are that `core_cargo build --release` made in the folder $1.
core_output() {
    if [ -n "$core_build_std" ]; then echo "$core_work/target/$core_triple/release"; else echo "$1/target/$core_triple/release"; fi
}

build_std() {
    core_build_std=yes
    "${core_command[@]}"
}

# A toolchain like the installed one that also has the library sources in $1. Hard links where possible: rustc finds
# its library beside its own file, so symbolic links would lead back to the installed toolchain.
build_std_with() {
    local toolchain=$core_work/toolchain
    rm -rf "$toolchain" && mkdir -p "$toolchain"
    cp -al "$sysroot/bin" "$sysroot/lib" "$toolchain/" 2>/dev/null || cp -a "$sysroot/bin" "$sysroot/lib" "$toolchain/"
    rm -rf "$toolchain/lib/rustlib/src" && mkdir -p "$toolchain/lib/rustlib/src/rust"
    cp -a "$1" "$toolchain/lib/rustlib/src/rust/library"
    RUSTUP_TOOLCHAIN=$toolchain build_std
}

from_target() {
    rustup target add "$core_triple" && "${core_command[@]}"
}

from_src() {
    [ -d "$sysroot/lib/rustlib/src/rust/library" ] || rustup component add rust-src || return 1
    build_std
}

# Debian keeps newer compilers in its next releases; their package lists are read privately, nothing is installed.
from_package() {
    local apt=$core_work/apt mirror options package
    if [ ! -d "/usr/src/rustc-$version/library" ]; then
        mirror=$( (grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/ 2>/dev/null || true) | head -1 | tr -d ' ')
        [ -n "$mirror" ] || return 1
        mkdir -p "$apt/lists/partial" "$apt/archives/partial"
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
            "$mirror" trixie-backports "$mirror" sid >"$apt/sources.list"
        options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
            -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt")
        apt-get "${options[@]}" update -qq || return 1
        package=$(apt-cache "${options[@]}" madison rust-src | awk -v v="$version" '$3 ~ "^"v"[+]" {print $3; exit}')
        [ -n "$package" ] || return 1
        (cd "$apt" && apt-get "${options[@]}" download -qq "rust-src=$package" && dpkg-deb -x rust-src_*.deb .) || return 1
        build_std_with "$apt/usr/src/rustc-$version/library"
    else
        build_std_with "/usr/src/rustc-$version/library"
    fi
}

from_archive() {
    local archive=../shared/tools/rust-library-$version-slim.tar.xz
    [ -f "$archive" ] || return 1
    rm -rf "$core_work/archive" && mkdir -p "$core_work/archive" && tar -xJf "$archive" -C "$core_work/archive" || return 1
    build_std_with "$(find "$core_work/archive" -type d -name library | head -1)"
}

with_core() {
    local source
    core_triple=$1 core_command=("${@:2}")
    for source in ${SOURCE:-target src package archive}; do
        echo "core for $core_triple from: $source"
        core_build_std=
        if "from_$source"; then return 0; fi
    done
    echo "no standard library for $core_triple, or the build failed: tried ${SOURCE:-target, src, package, archive}" >&2
    return 1
}
