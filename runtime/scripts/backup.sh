#!/bin/bash
# Backs up this node, with `sealift node backup`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} [-n] [-v] [--keep NUMBER]

Writes the configuration of this node, its certificates and keys, what hooks add, and the list of its archives with their
digests into a new file in /var/lib/metalk8s. The archives themselves are not in it.

      --keep NUMBER    keep only the NUMBER newest backups
  -n, --dry-run        only report what would be saved
  -l, --log-file FILE  also append the output to FILE [default: /var/log/metalk8s/backup.log]
  -v, --verbose        show each command
  -h, --help           this text

Other options go to \`sealift node backup\`; its --help lists them.

Exit codes: 0 done, 1 a hook failed, 2 something else failed, 3 the command line or the configuration is wrong.
END
}

# bash 4.2 of CentOS 7 takes an empty array for an unset variable: hence ${options[@]+...}.
options=()
while [ $# -gt 0 ]; do
    case $1 in
    -n) options+=(--dry-run) ;;
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
run_sealift node backup --archive "$BASE_DIR" ${options[@]+"${options[@]}"}
