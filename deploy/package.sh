#!/usr/bin/env bash
# A part of ./run, whose functions it uses: a Debian package for this release or for others, and its life.
# shellcheck disable=SC2154 # ./run has set them

package_log() { # FILE COMMAND...: says nothing, unless it fails
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2 && return 1; }
}

# In a checkout that may be thrown away.
package_here() { # OPTIONS COMMAND...: dpkg-buildpackage's options, and what runs a script in there
    local options=$1
    shift
    package_log "$folder/build.log" "$@" "deploy/debian/build '$(git log -1 --format=%aD)' $options" ||
        die 1 "could not build the package"
}

# A version later, which compiles little, and then both of them live through it in another empty Debian.
package_life() { # RELEASE TREE: the tree that the package was built in
    local tree=$folder/$1-life debs
    sed -i "s/^ *version: '[0-9]*\.[0-9]*\./&9/" "$2/root/kula-relay/meson.build"
    mkdir "$2/root/old"
    mv "$2"/root/*.deb "$2/root/old"
    package_here '' fresh_run "$2"
    mkdir "$2/root/new"
    mv "$2"/root/*.deb "$2/root/new"
    mv "$2"/root/old/*.deb "$2/root"

    debian_tree "$1" "$tree"
    debs=("$2"/root/kula-relay_*.deb "$2"/root/new/kula-relay_*.deb)
    mkdir "$tree/root/kula-relay"
    cp "${debs[@]}" "$tree/root"
    package_log "$folder/apt.log" fresh_run "$tree" "apt-get update -qq &&
        apt-get install --yes --no-install-recommends systemd systemd-sysv redis-server &&
        apt-get install --yes --no-install-recommends --download-only ../${debs[1]##*/}" ||
        die 1 "could not install what the package's life needs"
    keep_packages "$tree"
    rm "$tree/usr/sbin/policy-rc.d"
    rmdir "$tree/root/kula-relay"
    counted unshare --mount --pid --fork --kill-child --mount-proc python3 tests/package/main.py "$tree" \
        "$tree/root/${debs[0]##*/}" "$tree/root/${debs[1]##*/}"
    rm -rf --one-file-system "$tree"
}

package_keep() { # FOLDER: with the packages in it
    local deb
    mkdir -p build-package
    for deb in "$1"/*.deb; do
        [ -z "$how" ] ||
            check "lintian of ${deb##*/}" lintian --tag-display-limit 0 --allow-root --fail-on error,warning "$deb"
        mv "$deb" build-package/
        say "run: package: build-package/${deb##*/}"
    done
}

package_tree() { # RELEASE TREE NAME...: an empty Debian with these packages and a copy of the checkout
    local release=$1 tree=$2
    shift 2
    debian_tree "$release" "$tree"
    [ "$arch" = native ] || chroot "$tree" dpkg --add-architecture "$arch"
    copy_checkout "$tree/root/kula-relay"
    package_log "$folder/apt.log" fresh_run "$tree" \
        "apt-get update -qq && apt-get install --yes --no-install-recommends $*" ||
        die 1 "could not install what it takes to build"
    keep_packages "$tree"
}

package_in_tree() { # RELEASE
    # shellcheck disable=SC2034 # of debian_tree and keep_packages
    local tree=$folder/$1 cache=$caches/$1 since=$SECONDS names
    mapfile -t names < <(packages build package)
    if [ "$arch" = native ]; then
        package_tree "$1" "$tree" "${names[@]}"
        package_here '' fresh_run "$tree"
        [ "$how" != tested ] || package_life "$1" "$tree"
    else
        mapfile -t names < <(packages build package | sed "/^lib/s/$/:$arch/" && packages "$arch")
        package_tree "$1" "$tree" "${names[@]}"
        package_here "--host-arch $arch" fresh_run "$tree"
        [ "$how" != tested ] || counted fresh_run "$tree" \
            'meson configure obj-aarch64-linux-gnu -Dtests=true >/dev/null &&
            { CMOCKA_MESSAGE_OUTPUT=TAP meson test -C obj-aarch64-linux-gnu --suite unit --quiet >unit.log 2>&1 || tail -n 40 unit.log >&2; } &&
            python3 tests/tally.py obj-aarch64-linux-gnu/meson-logs/testlog.json'
    fi
    package_keep "$tree/root"
    say "run: package: $1 took $((SECONDS - since)) s"
    rm -rf --one-file-system "$tree"
}

package() { # [--test] [--arm64] [RELEASE...]
    local word how='' arch=native releases=()
    for word; do
        case $word in
        --test) how=tested ;;
        --arm64) arch=arm64 ;;
        bookworm | trixie) releases+=("$word") ;;
        *) die 2 "package does not know '$word'; see ./run help" ;;
        esac
    done
    folder=$(mktemp -d "${TMPDIR:-/tmp}/kula-relay-package.XXXXXX")
    trap 'rm -rf --one-file-system "$folder"' EXIT
    trap 'exit 130' INT TERM
    if [ "$how$arch${releases[*]}" = native ]; then
        need build package
        copy_checkout "$folder/kula-relay"
        package_here '' env -C "$folder/kula-relay" sh -c
        package_keep "$folder"
    else
        [ "$(id -u)" = 0 ] || die 2 "package makes whole systems in a folder: run it as root (sudo ./run package)"
        [ ${#releases[@]} -gt 0 ] || releases=(bookworm trixie)
        need fresh package
        [ -z "$how" ] || need package-test
        for word in "${releases[@]}"; do package_in_tree "$word"; done
    fi
    [ -z "$how" ] || close
}
