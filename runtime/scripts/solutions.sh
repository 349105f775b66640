#!/bin/bash
# Makes Solutions available on this node and chooses their active versions, with sealift.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} import     [-n] [-v] [--unverified] -a ARCHIVE [-a ARCHIVE...]
       ${0##*/} unimport   [-n] [-v] -a ARCHIVE [-a ARCHIVE...]
       ${0##*/} activate   [--dry-run] --name SOLUTION --version VERSION
       ${0##*/} deactivate [--dry-run] --name SOLUTION
       ${0##*/} list

import verifies each ARCHIVE (an ISO file), mounts it where the kernel can, and adds it to the SolutionsConfiguration;
unimport removes it from this node, unless it is active. activate and deactivate choose in the SolutionsConfiguration
the version that the cluster should have; its Salt master deploys it. list shows the archives of this node.

  -a, --archive ARCHIVE   the ISO file; it must stay where it is
  --name SOLUTION         the name in the Solution's manifest
  --version VERSION       a version that was imported, or "latest"
  -n, --dry-run           only report what would change
      --unverified        also import archives without checksums
  -v, --verbose           show each command
  -h, --help              this text

Environments are namespaces of the cluster; create them with its own tools.

Exit codes: 0 done, 1 an archive is damaged or in use, 2 something failed, 3 the command line or the configuration is wrong.
END
}

case ${1-} in
import | unimport | activate | deactivate | list) command=$1 ;;
-h | --help)
    usage
    exit 0
    ;;
create-env | delete-env | add-solution | delete-solution)
    die 3 "$1 changes namespaces of the cluster: it needs the Kubernetes API, which this script does not use"
    ;;
*) die 3 "expected import, unimport, activate, deactivate or list; --help shows how" ;;
esac
shift

need_sealift

case $command in
list)
    exec "$SEALIFT" archive get
    ;;
activate | deactivate)
    need_root
    "$SEALIFT" solution "$command" "$@"
    say "the cluster follows when its Salt master runs metalk8s.orchestrate.solutions.deploy-components"
    exit
    ;;
esac

read_arguments "$@"
[ ${#archives[@]} -gt 0 ] || die 3 "no archive given; --help shows how"
need_root
if [ "$command" = import ]; then
    run_sealift archive import "${options[@]}" -- "${archives[@]}"
    exit
fi
for archive in "${archives[@]}"; do
    run_sealift archive delete "${options[@]}" -- "$archive"
done
