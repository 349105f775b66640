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

# Changes the version of this node, with `sealift node upgrade` or `downgrade`: change_version ACTION VERSION ARGUMENT...
# VERSION is the version to change to where the arguments name none; empty, if they must.
# The script has a function `usage`.
change_version() {
    local action=$1 destination=$2 is_abort=no
    local options=()
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
        -d | --destination-version)
            [ $# -ge 2 ] || die 3 "$1 needs a version"
            destination=$2
            shift
            ;;
        --destination-version=*) destination=${1#*=} ;;
        -n) options+=(--dry-run) ;;
        --abort) is_abort=yes ;;
        -v | --verbose) be_verbose ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) options+=("$1") ;;
        esac
        shift
    done
    need_root
    need_sealift
    if [ "$is_abort" = yes ]; then
        options+=(--abort)
    else
        [ -n "$destination" ] || die 3 "no version given: use --destination-version"
        options+=(--destination-version "$destination")
    fi
    run_sealift node "$action" ${options[@]+"${options[@]}"}
}
