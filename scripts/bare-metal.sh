#!/usr/bin/env bash
# Builds the kernel and the scalar backend for a bare-metal Cortex-M4F: no std, no allocator, no operating system.
#   usage: scripts/bare-metal.sh [SOURCE]
# The standard library's `core` comes from the first SOURCE that works:
#   target    rustup target add: all that is needed where rustup can download
#   src       the toolchain's own rust-src component, compiled here (-Zbuild-std)
#   package   the distribution's rust-src package of the same version, compiled here
#   archive   an archive of the library's sources in ../shared/tools, compiled here
# With SOURCE only that one is tried.
set -euo pipefail
cd "$(dirname "$0")/.."

triple=thumbv7em-none-eabihf
work=$PWD/target/bare-metal
version=$(rustc -vV | sed -n 's/^release: //p')
sysroot=$(rustc --print sysroot)

# Builds with the cargo options given.
build() {
    local features
    for features in "" "--features polyformer-kernel/alloc"; do
        # shellcheck disable=SC2086
        cargo "$@" build --release --target "$triple" -p polyformer-kernel -p polyformer-scalar $features
    done
}

# Builds `core` and `alloc` from the sources of the toolchain in RUSTUP_TOOLCHAIN, then the crates.
build_std() {
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target build -Zbuild-std=core,alloc \
        -Zbuild-std-features=compiler-builtins-mem
}

# A toolchain like the installed one that also has the library sources in $1. Hard links where possible: rustc finds
# its library beside its own file, so symbolic links would lead back to the installed toolchain.
build_std_with() {
    local toolchain=$work/toolchain
    rm -rf "$toolchain" && mkdir -p "$toolchain"
    cp -al "$sysroot/bin" "$sysroot/lib" "$toolchain/" 2>/dev/null || cp -a "$sysroot/bin" "$sysroot/lib" "$toolchain/"
    rm -rf "$toolchain/lib/rustlib/src" && mkdir -p "$toolchain/lib/rustlib/src/rust"
    cp -a "$1" "$toolchain/lib/rustlib/src/rust/library"
    RUSTUP_TOOLCHAIN=$toolchain build_std
}

from_target() {
    rustup target add "$triple" && build
}

from_src() {
    [ -d "$sysroot/lib/rustlib/src/rust/library" ] || rustup component add rust-src || return 1
    build_std
}

# Debian keeps newer compilers in its next releases; their package lists are read privately, nothing is installed.
from_package() {
    local apt=$work/apt mirror options package
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
    rm -rf "$work/archive" && mkdir -p "$work/archive" && tar -xJf "$archive" -C "$work/archive" || return 1
    build_std_with "$(find "$work/archive" -type d -name library | head -1)"
}

for source in ${1:-target src package archive}; do
    echo "core from: $source"
    if "from_$source"; then
        echo "$triple: polyformer-kernel (with and without alloc) and polyformer-scalar build, core from $source"
        exit 0
    fi
done
echo "no standard library for $triple: none of ${1:-target, src, package, archive} worked" >&2
exit 1
