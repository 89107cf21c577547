#!/bin/sh
# Sees to the tools that the build, `make run` and the tests need. On Debian what is missing is installed.
set -eu

packages="gcc clang clang-format binutils nasm make acpica-tools bochs bochsbios vgabios qemu-system-x86 \
grub-common grub-pc-bin grub-efi-amd64-bin gnu-efi ovmf sbsigntool xorriso mtools gzip lz4 zstd busybox-static python3 \
lcov bsdextrautils libcmocka-dev libzydis-dev libunicorn-dev libclang-rt-14-dev"
commands="gcc clang clang-format ld nasm make iasl bochs qemu-system-x86_64 grub-mkimage xorriso gzip lz4 zstd busybox \
python3"

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    missing=
    for command in $commands; do
        command -v "$command" >/dev/null || missing="$missing $command"
    done
    [ -z "$missing" ] && exit 0
    echo "Keel needs these commands, which this system does not have:$missing" >&2
    echo "In Debian they are of the packages: $packages" >&2
    exit 1
fi

missing=
for package in $packages; do
    status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $status in
    ii*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Keel needs packages that are not installed. As root: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing:$missing"
install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"
# shellcheck disable=SC2086 # lists of words, on purpose
$install $missing >/dev/null 2>&1 || { $as_root apt-get update -qq && $install $missing >/dev/null; }
