"""The archives of the platform and its Solutions, through ``sealift``.

Works with Salt 3002 (Python 3.6) and later.
"""

import functools
import json
import os
import re
import tempfile
from urllib.parse import urlsplit

import salt.utils.yaml
from salt.exceptions import CommandExecutionError

__virtualname__ = "metalk8s"

# The port in the definition of the service for firewalld.
REGISTRY_PORT = 8080
# What a version may be: it becomes part of paths and of configuration files.
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}")
# The paths of archives are words of a service's configuration: no white space, quotes or expansions.
ARCHIVE = re.compile(r"/[0-9A-Za-z.+~_@%:=,/-]+")
# A version by Semantic Versioning: major, minor, patch, pre-release.
SEMANTIC = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
# The first words of the mount units that sealift writes.
UNIT_MARK = "# Written by `sealift archive import`"


def __virtual__():
    return __virtualname__


def archive_info(archive):
    """Return the name, the version and the mount point of the archive ``archive`` (an ISO file).

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.archive_info /archives/metalk8s.iso
    """
    product = _product(_cat(archive, "product.txt"))
    name = product.get("NAME", "")
    version = product.get("VERSION", "")
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


def sealift(*arguments):
    """Run ``sealift archive`` on this node's archives and return the items of its report.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.sealift get
    """
    command = ["archive"] + list(arguments[:1]) + ["--output", "json"] + _places()
    report = json.loads(_run(command + list(arguments[1:]), "sealift archive {}".format(arguments[0])))
    # Former versions of sealift report a list without an envelope.
    return report["items"] if isinstance(report, dict) else report


def own_address(networks, ingress=""):
    """Return the address of this node in the first of ``networks`` in which it has one; empty if it has none.

    ingress
        An address that may move between nodes: this node's own, only if it has no other there.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.own_address '[10.0.0.0/24]'
    """
    for network in networks:
        function = "network.ip_addrs6" if ":" in network else "network.ip_addrs"
        found = __salt__[function](cidr=network)
        if found:
            return ([address for address in found if address != ingress] or found)[0]
    return ""


def has_host(endpoints, host):
    """Return whether one of the URLs ``endpoints`` leads to ``host``.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.has_host '[https://10.0.0.1:8080]' 10.0.0.1
    """
    return any(urlsplit(url).hostname == host for url in endpoints)


def other_nodes(endpoints):
    """Return those of the URLs ``endpoints`` that do not lead to this node.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.other_nodes '[https://10.0.0.1:8080, https://10.0.0.2:8080]'
    """
    own = set(__salt__["network.ip_addrs"](include_loopback=True))
    own.update(__salt__["network.ip_addrs6"](include_loopback=True))
    own.update((__grains__.get("host"), __grains__.get("fqdn"), "localhost"))
    return [url for url in endpoints if urlsplit(url).hostname not in own]


def served_program(endpoints, archive, authority=""):
    """Return where a node serves the program of the archive ``archive``: its ``source`` and ``source_hash``; nothing if no node does.

    authority
        The authority of the nodes, in PEM; else those of the system are trusted.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.served_program '[http://10.0.0.1:8080]' metalk8s-2.11.0
    """
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as trusted:
        trusted.write(authority)
        trusted.flush()
        options = {"ca_bundle": trusted.name} if authority else {}
        for endpoint in endpoints:
            place = "{}/archives/{}".format(endpoint, archive)
            answer = __salt__["http.query"](place + "/SHA256SUMS", raise_error=False, **options)
            lines = [line.split(None, 1) for line in (answer.get("body") or "").splitlines()]
            for words in lines:
                if len(words) == 2 and words[1].lstrip("*") in ("bin/sealift", "./bin/sealift"):
                    return {"source": place + "/bin/sealift", "source_hash": "sha256=" + words[0]}
    return {}


def allow(service, address, port, test=False):
    """Let clients through firewalld to ``service``, if it runs, and return what was done.

    address, port
        Where the service listens. Its definition has port 8080; another port is allowed by its number.
    test
        Only return what would be done.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.allow sealift-registry 10.0.0.1 8080 test=True
    """
    if not __salt__["cmd.which"]("firewall-cmd") or _firewall("--state")["retcode"] != 0:
        return []
    zone = _zone(address)
    rule = "service=" + service if port == REGISTRY_PORT else "port={}/tcp".format(port)
    place = ["--permanent"] + (["--zone=" + zone] if zone else [])
    if _firewall(*(place + ["--query-" + rule]))["retcode"] == 0:
        return []
    step = {"step": "allow", "rule": rule, "zone": zone or "default"}
    if not test:
        for arguments in (place + ["--add-" + rule], ["--reload"]):
            result = _firewall(*arguments)
            if result["retcode"] != 0:
                raise CommandExecutionError("firewall-cmd: {}".format(result["stderr"] or result["stdout"]))
    return [step]


def solution(command, *arguments):
    """Run ``sealift solution`` on this node, and on its cluster, and return what it did, one line for each change.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.solution activate --name example --version 1.0.0 --dry-run
    """
    words = ["solution", command] + _places() + _cluster() + list(arguments)
    lines = _run(words, "sealift solution {}".format(command)).splitlines()
    return [line for line in lines if line and not line.endswith(": nothing to do")]


def environments():
    """Return the environments of the cluster by name, each with its description and the Solutions of its namespaces. Without
    ``/etc/kubernetes/admin.conf``, or the file that the minion's configuration names (``metalk8s_kubeconfig``), there are none.

    If the cluster does not answer, the only key is ``_errors``.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.environments
    """
    if not _kubeconfig():
        return {}
    try:
        report = _run(["solution", "get-environment", "--output", "json"] + _cluster(), "the environments")
    except CommandExecutionError as error:
        return {"_errors": [str(error)]}
    found = {}
    for environment in json.loads(report)["items"]:
        namespaces = environment["namespaces"].items()
        found[environment["name"]] = {
            "description": environment["description"] or "",
            "namespaces": {namespace: {"config": solutions} for namespace, solutions in namespaces},
        }
    return found


def publish_solutions(available, test=False):
    """Write the Solutions of this node, as the pillar has them, into the ConfigMap ``metalk8s-solutions`` of the cluster, and return
    what was applied. Without a cluster, nothing is.

    test
        Only return what would be applied.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.publish_solutions '{"example": [{"version": "1.0.0", "active": true}]}' test=True
    """
    if not _kubeconfig():
        return []
    name = "metalk8s-solutions"
    if test:
        return ["namespace/" + name, "configmap/" + name]
    labels = {"app.kubernetes.io/managed-by": "sealift", "app.kubernetes.io/part-of": "metalk8s"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": name},
        "data": {solution: json.dumps(versions, sort_keys=True) for solution, versions in available.items()},
    }
    objects = {"apiVersion": "v1", "kind": "List", "items": [namespace, config_map]}
    command = [_setting("kubectl", "") or "kubectl"] + _cluster()
    command += ["apply", "--server-side", "--field-manager=sealift", "-f", "-"]
    result = __salt__["cmd.run_all"](command, stdin=json.dumps(objects), python_shell=False, ignore_retcode=True)
    if result["retcode"] != 0:
        raise CommandExecutionError("kubectl apply: {}".format(result["stderr"]))
    return result["stdout"].splitlines()


def configure(command, arguments, test=False):
    """Have ``sealift`` write the configuration files that ``command`` makes, and return those that changed.

    command
        ``registry containerd-config``, ``registry crio-config``, ``repository dnf-config`` or ``repository apt-config``.
    arguments
        Its further words.
    test
        Only return what would change.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.configure 'registry containerd-config' '["--node", "http://10.0.0.1:8080"]' test=True
    """
    words = command.split() + list(arguments) + ["--root", _setting("root", "/"), "--force"]
    return _run(words + (["--dry-run"] if test else []), "sealift " + command).splitlines()


def archive_here(environment):
    """Return the path of the archive of the Salt environment ``environment``, if it is listed and this node has it.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.archive_here metalk8s-2.11.0
    """
    for archive in _setting("archives", []):
        if os.path.isfile(archive) and "metalk8s-" + archive_info(archive)["version"] == environment:
            return archive
    return None


def unlisted_archives():
    """Return the archives (name and version) that are mounted on this node and that no configuration lists any more.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.unlisted_archives
    """
    listed = {archive["id"] for archive in sealift("get")}
    return [name for name in _mounted() if name not in listed]


def is_archive(name):
    """Return whether ``name`` (name and version, or a path) is an archive of this node, or is mounted still.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.is_archive metalk8s-2.11.0
    """
    return name in _mounted() or any(name in (archive["id"], archive["path"]) for archive in sealift("get"))


def solutions(config):
    """Return the Solutions of this node by name: those that ``config`` lists (a ``SolutionsConfiguration``), and those
    that are mounted still.

    CLI Example:

    .. code-block:: bash

        salt-call metalk8s.solutions '{"archives": ["/archives/solution.iso"], "active": {"solution": "1.0.0"}}'
    """
    root = _setting("mount_root", "/srv/scality")
    manifests = {archive: _manifest_of(archive) for archive in config.get("archives") or []}
    for name, archive in _mounted().items():
        for file, read in (("manifest.yaml", _manifest), ("product.txt", _older_manifest)):
            path = os.path.join(root, name, file)
            if archive not in manifests and os.path.isfile(path):
                with open(path) as text:
                    manifest = read(text.read())
                if manifest:
                    manifests[archive] = manifest
    found = {}
    for archive, manifest in sorted(manifests.items()):
        name = str(manifest["metadata"]["name"])
        version = str(manifest["spec"]["version"])
        identity = "{}-{}".format(name.lower(), version)
        annotations = manifest["metadata"].get("annotations") or {}
        found.setdefault(name, []).append(
            {
                "archive": archive,
                "id": identity,
                "manifest": manifest,
                "mountpoint": os.path.join(root, identity),
                "name": name,
                "display_name": annotations.get("solutions.metalk8s.scality.com/display-name", name),
                "version": version,
            }
        )
    active = config.get("active") or {}
    for name, versions in found.items():
        versions = found[name] = _by_version(versions, lambda solution: solution["version"])
        wanted = active.get(name)
        if wanted == "latest":
            wanted = versions[-1]["version"]
        for solution in versions:
            solution["active"] = solution["version"] == wanted
    return found


def _zone(address):
    """The zone of the interface with an address; empty for the default zone."""
    for name, interface in __salt__["network.interfaces"]().items():
        known = interface.get("inet", []) + interface.get("inet6", [])
        if any(one.get("address") == address for one in known):
            result = _firewall("--get-zone-of-interface=" + name)
            return result["stdout"].strip() if result["retcode"] == 0 else ""
    return ""


def _firewall(*arguments):
    return __salt__["cmd.run_all"](["firewall-cmd"] + list(arguments), python_shell=False, ignore_retcode=True)


def _places():
    """The options of ``sealift`` that name the files and folders of this node."""
    options = []
    for flag, place in (
        ("--bootstrap-config", __salt__["config.get"]("metalk8s_bootstrap_config", "")),
        ("--solutions-config", __salt__["config.get"]("metalk8s_solutions_config", "")),
        ("--mounts", _setting("mount_root", "")),
        ("--units", _setting("unit_directory", "")),
        ("--lock-file", _setting("lock_file", "")),
        ("--trust-config", _setting("trust_config", "")),
    ):
        if place:
            options += [flag, place]
    return options


def _kubeconfig():
    """The credentials for the cluster; empty without one."""
    path = __salt__["config.get"]("metalk8s_kubeconfig", "") or "/etc/kubernetes/admin.conf"
    return path if os.path.isfile(path) else ""


def _cluster():
    """The options of ``sealift`` and of ``kubectl`` that name the cluster."""
    kubeconfig = _kubeconfig()
    return ["--kubeconfig", kubeconfig] if kubeconfig else []


def _cat(archive, path):
    if not ARCHIVE.fullmatch(archive):
        raise CommandExecutionError(
            "{!r}: expected an absolute path of letters, digits and .+~_@%:=,/-".format(archive)
        )
    return _run(["iso", "cat", archive, path], "{}: cannot read {}".format(archive, path))


def _run(arguments, what):
    """What ``sealift`` with these arguments prints; or an error with ``what`` it was that failed, and why."""
    result = __salt__["cmd.run_all"]([_sealift()] + arguments, python_shell=False, ignore_retcode=True)
    if result["retcode"] != 0:
        raise CommandExecutionError("{}: {}".format(what, _reason(result["stderr"])))
    return result["stdout"]


def _reason(text):
    """Return the message and the help of an error that ``sealift`` reports as JSON, else ``text`` itself."""
    try:
        error = json.loads(text.strip().splitlines()[-1])
        return "; ".join(part for part in (error["message"], error["help"]) if part)
    except (IndexError, KeyError, TypeError, ValueError):
        return text


def _product(text):
    """The keys of a ``product.txt``, without the quotes of a shell."""
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return {key: value.strip("'\"") for key, value in (line.split("=", 1) for line in lines)}


def _manifest_of(archive):
    """The manifest of a Solution, or what stands for it in the layout of 2019."""
    try:
        return _manifest(_cat(archive, "manifest.yaml"))
    except CommandExecutionError:
        try:
            manifest = _older_manifest(_cat(archive, "product.txt"))
        except CommandExecutionError:
            manifest = None
        if not manifest:
            raise
        return manifest


def _older_manifest(text):
    """The manifest that a ``product.txt`` of 2019 stands for; nothing if it is that of a platform."""
    product = _product(text)
    if not any(key in product for key in ("REQUIRE_METALK8S", "ARCHIVE_LAYOUT_VERSION")):
        return None
    name, version = product.get("NAME", ""), product.get("VERSION", "")
    return _checked({"kind": "Solution", "metadata": {"name": name}, "spec": {"version": version}})


def _manifest(text):
    return _checked(salt.utils.yaml.safe_load(text))


def _checked(manifest):
    try:
        name, version = str(manifest["metadata"]["name"]), str(manifest["spec"]["version"])
    except (KeyError, TypeError):
        raise CommandExecutionError("a manifest.yaml without metadata.name and spec.version")
    if not VERSION.fullmatch(name) or not VERSION.fullmatch(version):
        raise CommandExecutionError("{!r} is no name and version".format(name + "-" + version))
    return manifest


def _mounted():
    """The archives that sealift has mounted, by a unit of systemd or through FUSE, by name and version."""
    units = _setting("unit_directory", "/etc/systemd/system")
    root = _setting("mount_root", "/srv/scality")
    found = {}
    for unit in sorted(os.listdir(units)) if os.path.isdir(units) else []:
        path = os.path.join(units, unit)
        if not unit.endswith(".mount") or not os.path.isfile(path):
            continue
        with open(path) as text:
            lines = text.read().splitlines()
        if not lines or not lines[0].startswith(UNIT_MARK):
            continue
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        folder, name = os.path.split(values.get("Where", "").replace("%%", "%"))
        if folder == root.rstrip("/"):
            found[name] = values.get("What", "").replace("%%", "%")
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            # Blanks in paths are octal numbers there (proc(5)).
            archive, path, kind = [word.replace("\\040", " ") for word in line.split(" ")[:3]]
            folder, name = os.path.split(path)
            if kind.startswith("fuse") and folder == root.rstrip("/"):
                found[name] = archive
    return found


def _by_version(items, version):
    """Sort items by their versions, the oldest first, by the rule of ``sealift``.

    Versions that all follow Semantic Versioning are compared by it. If one of them does not, all are compared by the
    rule of RPM, where a hyphen counts as ``~``: 1.0-rc1 is older than 1.0.
    """
    if all(SEMANTIC.fullmatch(version(item)) for item in items):
        return sorted(items, key=lambda item: _semantic_key(version(item)))
    return sorted(items, key=functools.cmp_to_key(lambda a, b: _compare_by_rpm(version(a), version(b))))


def _semantic_key(version):
    match = SEMANTIC.fullmatch(version)
    numbers = [int(match.group(part)) for part in (1, 2, 3)]
    if match.group(4) is None:
        return (numbers, 1, [])
    # Numbers are older than names.
    words = match.group(4).split(".")
    return (numbers, 0, [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words])


def _compare_by_rpm(first, second):
    """Compare runs of digits and runs of letters, one after the other: rpm-version(7)."""
    while True:
        first, second = (re.sub(r"^[^0-9A-Za-z~^-]+", "", text) for text in (first, second))
        marks = [text.startswith(("~", "-")) for text in (first, second)]
        if any(marks):
            if not all(marks):
                return -1 if marks[0] else 1
            first, second = first[1:], second[1:]
            continue
        marks = [text.startswith("^") for text in (first, second)]
        if any(marks):
            if not all(marks):
                # A suffix after ^ is newer than nothing, and older than anything else.
                newer = 1 if marks[0] else -1
                return newer if (second if marks[0] else first) == "" else -newer
            first, second = first[1:], second[1:]
            continue
        if first == "" or second == "":
            return (first != "") - (second != "")
        run = re.compile(r"[0-9]+" if first[0].isdigit() else r"[A-Za-z]+")
        ours, theirs = run.match(first), run.match(second)
        if theirs is None:
            # A number is newer than letters.
            return 1 if first[0].isdigit() else -1
        pair = [int(match.group()) if first[0].isdigit() else match.group() for match in (ours, theirs)]
        if pair[0] != pair[1]:
            return 1 if pair[0] > pair[1] else -1
        first, second = first[ours.end() :], second[theirs.end() :]


def _sealift():
    return _setting("sealift", "") or __salt__["config.get"]("metalk8s_sealift", "") or "/usr/bin/sealift"


def _setting(name, default):
    # Not `pillar.get`: since Salt 3008 it hands out masked values when no state runs.
    return (__pillar__.get("metalk8s") or {}).get(name, default)
