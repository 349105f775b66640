#!/bin/bash
# Provisions archives on this node: verifies them, adds them to the bootstrap configuration, mounts them now and
# at each boot, and has the registry serve them where it runs.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} [-v] -a ARCHIVE [-a ARCHIVE...]

Verifies each ARCHIVE (an ISO file) and makes it available on this node.

  -a, --archive ARCHIVE   the ISO file; it must stay where it is
  -v, --verbose           show every state
  -h, --help              this text

Exit codes: 0 done, 1 a verification or a state failed, 3 the command or the configuration was wrong.
END
}

archives=()
while [ $# -gt 0 ]; do
    case $1 in
    -a | --archive)
        [ $# -ge 2 ] || die 3 "$1 needs the path of an archive"
        archives+=("$2")
        shift 2
        ;;
    -v | --verbose)
        VERBOSE=true
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        die 3 "unknown argument $1; --help shows those that there are"
        ;;
    esac
done
[ ${#archives[@]} -gt 0 ] || die 3 "no archive given; --help shows how"

need_root
need salt-call "it comes with the cluster's own packages"
[ -x "$SEALIFT" ] || die 3 "$SEALIFT is missing: run this script from a whole archive"
[ -f "$BOOTSTRAP_CONFIG" ] || die 3 "$BOOTSTRAP_CONFIG is missing: this is no bootstrap node"

# Everything is verified before anything changes.
for i in "${!archives[@]}"; do
    path=$(readlink -e "${archives[i]}") || die 3 "${archives[i]}: no such file"
    archives[i]=$path
    say "verifying $path"
    "$SEALIFT" archive verify "$path" || die 1 "$path is damaged; nothing was changed"
done

config=$(make_salt_config)
trap 'rm -rf "$config"' EXIT
salt_run "$config" saltutil.sync_modules "saltenv=metalk8s-$(product VERSION)" >/dev/null ||
    die 1 "Salt cannot read $BASE_DIR/salt"
for path in "${archives[@]}"; do
    say "adding $path to $BOOTSTRAP_CONFIG"
    salt_run "$config" metalk8s.configure_archive "$path" "$BOOTSTRAP_CONFIG" >/dev/null ||
        die 1 "$path could not be added to $BOOTSTRAP_CONFIG"
done

states=metalk8s.archives.mounted
if systemctl cat sealift-registry.service >/dev/null 2>&1; then
    states+=,metalk8s.registry.running
fi
say "applying $states"
salt_run "$config" state.apply "$states" || die 1 "a state failed; the archives stay configured: run this again"
