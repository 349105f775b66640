#!/bin/bash
# Manages the Solutions of this node, with `sealift solution`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} import     [--unverified] -a ARCHIVE [-a ARCHIVE...]
       ${0##*/} unimport   -a ARCHIVE [-a ARCHIVE...]
       ${0##*/} activate   -n SOLUTION [-V VERSION]
       ${0##*/} deactivate -n SOLUTION
       ${0##*/} create-env      -n ENVIRONMENT [-N NAMESPACE] [-d DESCRIPTION]
       ${0##*/} delete-env      -n ENVIRONMENT [-N NAMESPACE] [--force]
       ${0##*/} add-solution    -n ENVIRONMENT [-N NAMESPACE] -s SOLUTION -V VERSION [-w]
       ${0##*/} delete-solution -n ENVIRONMENT [-N NAMESPACE] -s SOLUTION
       ${0##*/} list

import verifies each ARCHIVE (an ISO file), mounts it where the kernel can, and adds it to the SolutionsConfiguration;
unimport removes it from this node, unless it is active. activate and deactivate choose in the SolutionsConfiguration
the version that the cluster should have; activate also deploys its custom resource definitions. list shows the Solutions
of this node.

An environment is a namespace, or several, in which Solutions are deployed. add-solution deploys a version of a Solution, or
replaces the version that the environment has. These commands run kubectl, which reaches the cluster by KUBECONFIG or, if that
is not set, by /etc/kubernetes/admin.conf.

  -a, --archive ARCHIVE   the ISO file; it must stay where it is
  -n, --name NAME         the Solution's name, as in its manifest, or the environment's name
  -N, --namespace NAME    the namespace; without it, the one with the name of the environment, and all for delete-env
  -s, --solution NAME     the Solution's name
  -d, --description TEXT  what the environment is for
  -w, --webhook           mount the certificate of a webhook into the operator
  -V, --version VERSION   an imported version; for activate, "latest" (the default) is the newest
      --unverified        also import archives without checksums
      --dry-run           only report what would change
  -l, --log-file FILE     also append the output to FILE
  -v, --verbose           show each command
  -h, --help              this text

Other options go to the command of sealift that does it; \`sealift solution COMMAND --help\` lists them.

Exit codes: 0 done, 1 an archive is damaged or in use, 2 something failed, 3 the command line or the configuration is wrong.
END
}

# The command of sealift for each command of this script.
case ${1-} in
import | unimport | activate | deactivate) command=$1 ;;
list | get) command='get' ;;
-h | --help)
    usage
    exit 0
    ;;
create-env) command=create-environment ;;
delete-env) command=delete-environment ;;
add-solution) command=add ;;
delete-solution) command=remove ;;
'') die 3 "expected a command; --help lists them" ;;
*) die 3 "unknown command $1; --help lists the commands" ;;
esac
shift

# bash 4.2 of CentOS 7 takes an empty array for an unset variable: hence ${options[@]+...}.
archives=()
options=()
log=
while [ $# -gt 0 ]; do
    case $1 in
    -a | --archive)
        [ $# -ge 2 ] || die 3 "$1 needs the path of an archive"
        archives+=("$2")
        shift
        ;;
    --archive=*) archives+=("${1#*=}") ;;
    -l | --log-file)
        [ $# -ge 2 ] || die 3 "$1 needs the path of a file"
        log=$2
        shift
        ;;
    --log-file=*) log=${1#*=} ;;
    -n) options+=(--name) ;;
    -N) options+=(--namespace) ;;
    -s) options+=(--solution) ;;
    -d) options+=(--description) ;;
    -w) options+=(--webhook) ;;
    -V) options+=(--version) ;;
    -v | --verbose) be_verbose ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) options+=("$1") ;;
    esac
    shift
done

need_sealift
case $command in
import | unimport)
    [ ${#archives[@]} -gt 0 ] || die 3 "no archive given; --help shows how"
    options+=(-- "${archives[@]}")
    ;;
*)
    [ ${#archives[@]} -eq 0 ] || die 3 "only import and unimport take --archive"
    ;;
esac
[ "$command" = get ] || need_root

if [ -n "$log" ]; then
    run_sealift solution "$command" ${options[@]+"${options[@]}"} 2>&1 | tee -a -- "$log"
else
    run_sealift solution "$command" ${options[@]+"${options[@]}"}
fi
