#!/bin/bash
# Changes this node to a newer version of its archives, with `sealift node upgrade`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} [--destination-version VERSION] [-n] [-v] [-l FILE]
       ${0##*/} --abort

Checks the node, backs it up, changes the version that it runs, and runs the hooks that do the cluster's part. Both versions
must be imported (iso-manager.sh -a). If something fails, the node is as before; an interrupted upgrade is finished by running
this script again, or undone with --abort.

  -d, --destination-version VERSION   the version to change to; without it, that of this archive
  -n, --dry-run                       only report what would change
  -l, --log-file FILE                 also append the output to FILE [default: /var/log/metalk8s/upgrade.log]
  -v, --verbose                       show each command
      --abort                         undo an interrupted upgrade
  -h, --help                          this text

Other options go to \`sealift node upgrade\`; its --help lists them.

Exit codes: 0 done, 1 the upgrade is not possible or failed, 2 something else failed, 3 the command line is wrong.
END
}

# The script belongs to the version that is meant.
change_version upgrade "$(sed -n 's/^VERSION=//p' "$BASE_DIR/product.txt" 2>/dev/null)" "$@"
