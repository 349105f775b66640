# shellcheck shell=bash
# What the scripts at the root of the archive share. It is sourced, never run.

# The root of the archive that the script belongs to, and the program in it.
BASE_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
SEALIFT=${SEALIFT:-$BASE_DIR/bin/sealift}

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Ends the script with an exit code of sealift: 1 if something failed, 3 if the command was wrong.
die() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die 3 "this must be run by root"
}

need_sealift() {
    [ -x "$SEALIFT" ] || die 3 "$SEALIFT is missing: run this script from a complete archive"
}

# Makes run_sealift show each command line.
be_verbose() {
    verbose=yes
}
verbose=no

# Runs sealift.
run_sealift() {
    if [ "$verbose" = yes ]; then
        say "running $(printf '%q ' "$SEALIFT" "$@")"
    fi
    "$SEALIFT" "$@"
}
