#!/bin/bash
# Imports archives on this node, with `sealift archive import`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} [-n] [-v] [--unverified] [-a ARCHIVE...]

Verifies each ARCHIVE (an ISO file), mounts it where the kernel can, now and at each boot, and adds it to the
bootstrap configuration. A registry that follows the configuration then serves it. Without -a, the archives
that the configuration lists are verified again, and mounted if they are not mounted.

  -a, --archive ARCHIVE   the ISO file; it must stay where it is
  -n, --dry-run           only report what would change
      --unverified        also import archives without checksums
  -v, --verbose           show each command
  -h, --help              this text

Exit codes: 0 done, 1 an archive is damaged, 2 something failed, 3 the command line or the configuration is wrong.
END
}

# bash 4.2 of CentOS 7 takes an empty array for an unset variable: hence ${options[@]+...}.
archives=()
options=()
while [ $# -gt 0 ]; do
    case $1 in
    -a | --archive)
        [ $# -ge 2 ] || die 3 "$1 needs the path of an archive"
        archives+=("$2")
        shift 2
        ;;
    -n | --dry-run)
        options+=(--dry-run)
        shift
        ;;
    --unverified)
        options+=(--unverified)
        shift
        ;;
    -v | --verbose)
        be_verbose
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        die 3 "unknown argument $1; --help lists the arguments"
        ;;
    esac
done

need_root
need_sealift

if [ ${#archives[@]} -eq 0 ]; then
    run_sealift archive import ${options[@]+"${options[@]}"} --configured
else
    run_sealift archive import ${options[@]+"${options[@]}"} -- "${archives[@]}"
fi
