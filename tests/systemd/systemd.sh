#!/usr/bin/env bash
# A part of ./run, whose functions it uses: the units of deploy/systemd in a system of their own.
# shellcheck disable=SC2034,SC2154 # they are ./run's, or for it

# A Debian like this one, for which our programs are built with this one's libraries.
systemd_test() { # [WORD...]
    local status=0 release cache
    [ "$(id -u)" = 0 ] || die 2 "systemd-test boots a system of its own: run it as root (sudo ./run systemd-test)"
    need build systemd
    release=$(sed -n s/^VERSION_CODENAME=//p /etc/os-release)
    cache=$caches/$release # of debian_tree and keep_packages
    build_in build-systemd --prefix=/usr -Dtests=false
    folder=$(mktemp -d "${TMPDIR:-/tmp}/kula-relay-systemd.XXXXXX")
    trap 'rm -rf --one-file-system "$folder"' EXIT
    trap 'exit 130' INT TERM
    debian_tree "$release" "$folder/tree"
    DESTDIR=$folder/image meson install -C build-systemd --no-rebuild --quiet
    ldd "$folder"/image/usr/bin/* | awk '$2 == "=>" { print "*/" $1 }' | sort -u | xargs dpkg-query --search |
        cut -d: -f1 | sort -u >"$folder/packages"
    unshare --mount --pid --fork --kill-child --mount-proc \
        python3 tests/systemd/main.py --folder "$folder" "$@" || status=$?
    keep_packages "$folder/tree"
    return "$status"
}
