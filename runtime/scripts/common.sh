# shellcheck shell=bash
# What the scripts at the root of the archive share. It is sourced, never run.

# The root of the archive that the script belongs to, and the program in it.
BASE_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
SEALIFT=${SEALIFT:-$BASE_DIR/bin/sealift}
BOOTSTRAP_CONFIG=${BOOTSTRAP_CONFIG:-/etc/metalk8s/bootstrap.yaml}
VERBOSE=${VERBOSE:-false}

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Ends the script: 1 where something failed, 3 where the command or the configuration was wrong.
die() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

need() {
    command -v "$1" >/dev/null || die 3 "$1 is not installed on this node; $2"
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die 3 "this must be run by root"
}

# Prints the value of a key of this archive's product.txt.
product() {
    sed -n "s/^$1=//p" "$BASE_DIR/product.txt" | tr -d "\"'"
}

# Makes a folder with the Salt configuration that reads the states and the pillar of this archive, and prints it.
# It leaves the node's own Salt configuration alone; who makes it removes it.
make_salt_config() {
    local folder environment
    environment=metalk8s-$(product VERSION)
    [ "$environment" != metalk8s- ] || die 3 "$BASE_DIR/product.txt names no VERSION"
    folder=$(mktemp -d)
    cat >"$folder/minion" <<END
file_client: local
saltenv: $environment
pillarenv: $environment
file_roots: {$environment: ["$BASE_DIR/salt"]}
pillar_roots: {$environment: ["$BASE_DIR/pillar"]}
cachedir: $folder/cache
pki_dir: $folder/pki
sock_dir: $folder/sock
log_file: $folder/log
metalk8s_sealift: "$SEALIFT"
metalk8s_bootstrap_config: "$BOOTSTRAP_CONFIG"
END
    printf '%s\n' "$folder"
}

# Runs a Salt function on this node: salt_run FOLDER FUNCTION [ARGUMENT...]
salt_run() {
    local folder=$1 output=(--state-output=changes --log-level=error)
    shift
    if "$VERBOSE"; then
        output=(--state-output=full --log-level=info)
    fi
    salt-call --local --config-dir "$folder" --retcode-passthrough "${output[@]}" "$@"
}
