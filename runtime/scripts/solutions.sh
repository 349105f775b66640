#!/bin/bash
# Makes Solutions available on this node: the command that operators know, done by `sealift archive`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} import   [-n] -a ARCHIVE [-a ARCHIVE...]
       ${0##*/} unimport [-n] -a ARCHIVE [-a ARCHIVE...]
       ${0##*/} list

import verifies each ARCHIVE (an ISO file), mounts it where the kernel can, and adds it to the SolutionsConfiguration;
unimport takes it off this node again, unless it is active. list shows the archives of this node.

  -a, --archive ARCHIVE   the ISO file; it must stay where it is
  -n, --dry-run           only say what would change
  -h, --help              this text

Exit codes: 0 done, 1 an archive is damaged or in use, 2 something failed, 3 the command or the configuration was wrong.
END
}

case ${1-} in
import | unimport | list) command=$1 ;;
-h | --help)
    usage
    exit 0
    ;;
activate | deactivate | create-env | delete-env | add-solution | delete-solution)
    die 3 "$1 works on a running cluster, which this script does not: use its Solutions interface"
    ;;
*) die 3 "expected import, unimport or list; --help shows how" ;;
esac
shift

read_arguments "$@"
need_sealift

if [ "$command" = list ]; then
    exec "$SEALIFT" archive get
fi
[ ${#archives[@]} -gt 0 ] || die 3 "no archive given; --help shows how"
need_root
if [ "$command" = import ]; then
    exec "$SEALIFT" archive import "${options[@]}" -- "${archives[@]}"
fi
for archive in "${archives[@]}"; do
    "$SEALIFT" archive delete "${options[@]}" -- "$archive"
done
