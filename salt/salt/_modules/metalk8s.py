"""The platform's archives: what the bootstrap configuration lists, read through ``sealift``.

Works with Salt 3002 (Python 3.6) and later.
"""

import os
import re

import yaml
from salt.exceptions import CommandExecutionError

__virtualname__ = "metalk8s"

DEFAULT_CONFIG = "/etc/metalk8s/bootstrap.yaml"
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


def get_archives(archives=None):
    """Return the archives, keyed by the name of their Salt environment, ``metalk8s-<version>``.

    archives
        The paths; those of the pillar ``metalk8s:archives`` where left out.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.get_archives
    """
    if archives is None:
        errors = _setting("_errors", [])
        if errors:
            raise CommandExecutionError("; ".join(errors))
        archives = _setting("archives", [])
    found = {}
    for archive in archives:
        info = archive_info(archive)
        key = "metalk8s-" + info["version"]
        if key in found:
            raise CommandExecutionError(
                "{} and {} are both version {}".format(found[key]["iso"], archive, info["version"])
            )
        found[key] = info
    return found


def configure_archive(archive, config=DEFAULT_CONFIG):
    """Add ``archive`` to the archives that the bootstrap configuration lists; return whether it was added.

    The file keeps its comments and its order: one line is added to it.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.configure_archive /archives/metalk8s.iso
    """
    archive_info(archive)
    with open(config) as source:
        text = source.read()
    before = yaml.safe_load(text) or {}
    listed = before.get("archives") or []
    if archive in listed:
        return False
    expected = dict(before, archives=listed + [archive])
    changed = _append(text.splitlines(), archive)
    if changed is None or yaml.safe_load(changed) != expected:
        raise CommandExecutionError(
            "{}: cannot add to `archives`: write it as a list with one `- path` a line, then try again".format(config)
        )
    # In the same folder, so that the configuration is the old one or the new one and never a part.
    part = config + ".new"
    with open(part, "w") as target:
        target.write(changed)
        target.flush()
        os.fsync(target.fileno())
    os.chmod(part, os.stat(config).st_mode & 0o7777)
    os.rename(part, config)
    return True


def _append(lines, archive):
    """Return the text with one more item in the block list `archives`, None where there is no such list."""
    starts = [number for number, line in enumerate(lines) if re.match(r"archives:\s*(\[\s*\]\s*)?(#.*)?$", line)]
    if len(starts) > 1:
        return None
    if not starts:
        return "\n".join(lines + ["archives:", "  - " + archive]) + "\n"
    start = end = starts[0]
    indent = "  "
    for number in range(start + 1, len(lines)):
        item = re.match(r"(\s*)- ", lines[number])
        if item:
            end, indent = number, item.group(1)
        elif lines[number].strip() and not lines[number].lstrip().startswith("#"):
            break
    head = [re.sub(r"\[\s*\]\s*", "", line) if number == start else line for number, line in enumerate(lines[: end + 1])]
    return "\n".join(head + [indent + "- " + archive] + lines[end + 1 :]) + "\n"


def _setting(name, default):
    # Not `pillar.get`: since Salt 3008 it hands out masked values when no state runs.
    return (__pillar__.get("metalk8s") or {}).get(name, default)
