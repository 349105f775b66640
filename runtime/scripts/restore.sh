#!/bin/bash
# Restores a backup on this node, with `sealift node restore`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} --backup-file FILE --apiserver-node-ip IP [-n] [-v] [-l FILE]
       ${0##*/} --abort

Checks that every archive of the backup is here with the same content, restores the files of the node, mounts its archives,
and runs the hooks that do the cluster's part. If something fails, the node is as before; an interrupted restoration is
finished by running this script again, or undone with --abort.

  -b, --backup-file FILE        the backup
  -a, --apiserver-node-ip IP    the control plane address of a node of the cluster, for the hooks
  -n, --dry-run                 only report what would change
  -l, --log-file FILE           also append the output to FILE [default: /var/log/metalk8s/restore.log]
  -v, --verbose                 show each command
      --abort                   undo an interrupted restoration
  -h, --help                    this text

Other options go to \`sealift node restore\`; its --help lists them.

Exit codes: 0 done, 1 an archive is missing or a step failed, 2 something else failed, 3 the command line is wrong.
END
}

# bash 4.2 of CentOS 7 takes an empty array for an unset variable: hence ${options[@]+...}.
options=()
while [ $# -gt 0 ]; do
    case $1 in
    -b) options+=(--backup-file) ;;
    -a) options+=(--apiserver-node-ip) ;;
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
[ ${#options[@]} -gt 0 ] || die 3 "no backup given; --help shows how"
run_sealift node restore --archive "$BASE_DIR" ${options[@]+"${options[@]}"}
