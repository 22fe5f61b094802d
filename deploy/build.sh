#!/bin/sh
# Builds the program as a static binary and lays out the file system of its image.
#
#   deploy/build.sh ROOT [PROFILE]
#
# ROOT is the folder that becomes the image's /, PROFILE is cargo's (release unless said otherwise).
# deploy/Dockerfile runs this within a container, `cargo xtask dist` and tests/it/image.rs outside of
# one, so that what is tested is what is shipped. It needs a Rust toolchain, a C compiler with glibc's static library
# (Debian: gcc, libc6-dev), cmake or not as aws-lc-sys wants it, and ca-certificates.
set -eu
umask 022

root=${1:?usage: deploy/build.sh ROOT [PROFILE]}
profile=${2:-release}
cd "$(dirname "$0")/.."

# With a target named, the flags are for the program alone and not for what builds it: a static
# compiler plugin cannot be loaded.
target=$(rustc -vV | sed -n 's/^host: //p')
flags="-C target-feature=+crt-static --remap-path-prefix=$PWD=/src"
flags="$flags --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
CARGO_PROFILE_RELEASE_STRIP=symbols RUSTFLAGS=$flags \
    cargo build --locked --package service --profile "$profile" --target "$target"

case $profile in dev) folder=debug ;; *) folder=$profile ;; esac
binary=${CARGO_TARGET_DIR:-target}/$target/$folder/boottify-webhooks

mkdir -p "$root/etc/ssl/certs" "$root/etc/boottify-webhooks" "$root/var/lib" "$root/usr/share/doc"
install -m 755 "$binary" "$root/boottify-webhooks"
install -m 644 LICENSE "$root/usr/share/doc/LICENSE"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
# glibc asks these files itself when it is linked statically.
echo 'webhooks:x:65532:65532::/nonexistent:/nonexistent' > "$root/etc/passwd"
echo 'webhooks:x:65532:' > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
install -d -m 1777 "$root/tmp"
install -d -m 700 "$root/var/lib/boottify-webhooks"
# The time of the sources and not that of the build: layers hold it, too.
if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
    find "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
fi
# Only root can give it away; who is not root has made it their own.
if [ "$(id -u)" = 0 ]; then chown 65532:65532 "$root/var/lib/boottify-webhooks"; fi
