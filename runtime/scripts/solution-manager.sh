#!/bin/bash
# Imports and removes Solutions by the options that MetalK8s had in 2019; solutions.sh does it.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} -a ISO [OPTIONS]
       ${0##*/} -d ISO [OPTIONS]

  -a, --add ISO   import a Solution
  -d, --del ISO   remove a Solution from this node; the file stays
  -h, --help      this text

The options and exit codes are those of \`solutions.sh import\` and \`solutions.sh unimport\`.
END
}

case ${1-} in
-a | --add) command=import ;;
-d | --del) command=unimport ;;
-h | --help)
    usage
    exit 0
    ;;
*) die 3 "expected --add or --del; --help shows how" ;;
esac
[ $# -ge 2 ] || die 3 "$1 needs the path of an ISO"
shift
exec "$BASE_DIR/solutions.sh" "$command" --archive "$@"
