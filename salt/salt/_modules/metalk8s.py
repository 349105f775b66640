"""The platform's archives: what the bootstrap configuration lists, read through ``sealift``.

Works with Salt 3002 (Python 3.6) and later.
"""

import os
import re

from salt.exceptions import CommandExecutionError

__virtualname__ = "metalk8s"

# What a version may be: it becomes part of paths and of configuration files.
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}")
# The paths of archives are words of a service's configuration: no white space, quotes or expansions.
ARCHIVE = re.compile(r"/[0-9A-Za-z.+~_@%:=,/-]+")


def __virtual__():
    return __virtualname__


def archive_info(archive):
    """Return the name, the version and the mount point of the archive ``archive`` (an ISO file).

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.archive_info /archives/metalk8s.iso
    """
    if not ARCHIVE.fullmatch(archive):
        raise CommandExecutionError(
            "{!r}: expected an absolute path of letters, digits and .+~_@%:=,/-".format(archive)
        )
    result = __salt__["cmd.run_all"](
        [_setting("sealift", "/usr/bin/sealift"), "iso", "cat", archive, "product.txt"],
        python_shell=False,
        ignore_retcode=True,
    )
    if result["retcode"] != 0:
        raise CommandExecutionError("{}: cannot read product.txt: {}".format(archive, result["stderr"]))
    product = dict(
        line.split("=", 1) for line in result["stdout"].splitlines() if "=" in line and not line.startswith("#")
    )
    name = product.get("NAME", "").strip("'\"")
    version = product.get("VERSION", "").strip("'\"")
    if not VERSION.fullmatch(version):
        raise CommandExecutionError("{}: product.txt: {!r} is no version".format(archive, version))
    path = os.path.join(_setting("mount_root", "/srv/scality"), "metalk8s-" + version)
    return {"iso": archive, "name": name, "version": version, "path": path}


def get_archives():
    """Return the archives that the pillar lists, keyed by the name of their Salt environment, ``metalk8s-<version>``.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.get_archives
    """
    errors = _setting("_errors", [])
    if errors:
        raise CommandExecutionError("; ".join(errors))
    found = {}
    for archive in _setting("archives", []):
        info = archive_info(archive)
        key = "metalk8s-" + info["version"]
        if key in found:
            raise CommandExecutionError(
                "{} and {} are both version {}".format(found[key]["iso"], archive, info["version"])
            )
        found[key] = info
    return found


def _setting(name, default):
    # Not `pillar.get`: since Salt 3008 it hands out masked values when no state runs.
    return (__pillar__.get("metalk8s") or {}).get(name, default)
