#!/bin/bash
# Makes archives those of this node: the command that operators know, done by `sealift archive import`.
set -euo pipefail

# shellcheck source=common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

usage() {
    cat <<END
Usage: ${0##*/} [-n] -a ARCHIVE [-a ARCHIVE...]

Verifies each ARCHIVE (an ISO file), mounts it where the kernel can, now and at each boot, and adds it to the
bootstrap configuration. A registry that follows the configuration serves it from then on.

  -a, --archive ARCHIVE   the ISO file; it must stay where it is
  -n, --dry-run           only say what would change
  -h, --help              this text

Exit codes: 0 done, 1 an archive is damaged, 2 something failed, 3 the command or the configuration was wrong.
END
}

read_arguments "$@"
[ ${#archives[@]} -gt 0 ] || die 3 "no archive given; --help shows how"
need_root
need_sealift

exec "$SEALIFT" archive import "${options[@]}" -- "${archives[@]}"
