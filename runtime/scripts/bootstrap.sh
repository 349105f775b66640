#!/bin/bash
# Makes this machine the bootstrap node that serves this archive, with `sealift node bootstrap`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} [-n] [-v] [-l FILE] [OPTIONS]

Checks this machine, imports this archive, installs its packages, and serves it to the cluster as
/etc/metalk8s/bootstrap.yaml describes. Run it again after a failure: it continues. A second run changes
nothing.

  -n, --dry-run           make the checks, and only report what would change
  -l, --log-file FILE     append what is done to FILE; the default is /var/log/metalk8s/bootstrap.log
  -v, --verbose           show each command and its output
  -h, --help              this text

Other options go to \`sealift node bootstrap\`; \`$SEALIFT node bootstrap --help\` lists them.

Exit codes: 0 done, 1 a check or a hook failed, 2 something failed, 3 the command line is wrong.
END
}

# bash 4.2 of CentOS 7 takes an empty array for an unset variable: hence ${options[@]+...}.
options=()
while [ $# -gt 0 ]; do
    case $1 in
    -n) options+=(--dry-run) ;;
    -v | --verbose)
        be_verbose
        options+=(--verbose)
        ;;
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

run_sealift node bootstrap ${options[@]+"${options[@]}"} -- "$BASE_DIR"
