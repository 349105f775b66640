#!/bin/bash
# Changes this node to an older version of its archives, with `sealift node downgrade`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} --destination-version VERSION [-n] [-v] [-l FILE]
       ${0##*/} --abort

Checks the node, backs it up, changes the version that it runs, and runs the hooks that do the cluster's part. Both versions
must be imported (iso-manager.sh -a). If something fails, the node is as before; an interrupted downgrade is finished by running
this script again, or undone with --abort.

  -d, --destination-version VERSION   the version to change to
  -n, --dry-run                       only report what would change
  -l, --log-file FILE                 also append the output to FILE [default: /var/log/metalk8s/downgrade.log]
  -v, --verbose                       show each command
      --abort                         undo an interrupted downgrade
  -h, --help                          this text

Other options go to \`sealift node downgrade\`; its --help lists them.

Exit codes: 0 done, 1 the downgrade is not possible or failed, 2 something else failed, 3 the command line is wrong.
END
}

# bash 4.2 of CentOS 7 takes an empty array for an unset variable: hence ${options[@]+...}.
destination=
is_abort=no
options=()
while [ $# -gt 0 ]; do
    case $1 in
    -d | --destination-version)
        [ $# -ge 2 ] || die 3 "$1 needs a version"
        destination=$2
        shift
        ;;
    --destination-version=*) destination=${1#*=} ;;
    -n) options+=(--dry-run) ;;
    --abort)
        is_abort=yes
        options+=(--abort)
        ;;
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
if [ -z "$destination" ] && [ "$is_abort" = no ]; then
    die 3 "no version given: use --destination-version"
fi
[ -z "$destination" ] || options+=(--destination-version "$destination")
run_sealift node downgrade ${options[@]+"${options[@]}"}
