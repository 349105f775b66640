"""A stand-in for the API server of Kubernetes, for kubectl as the client.

It stores objects, checks them against the published types, and applies them on the server: each field has managers, and a
field of another manager with another value is a conflict. A list counts as one field. No controllers run.

Usage: api_server.py PORT FOLDER, with the schemas of one version of Kubernetes from the package kubernetes-validate in FOLDER.

Tests reach it below /stand-in:
    GET  state     all objects with their managers
    PUT  state     replace them by such a state
    PUT  hold      {"after": N}: do N more writes, and then hold each write without an answer
    GET  hold      {"held": whether a write is held}
    PUT  release   refuse the writes that are held, and do all others
"""

import copy
import json
import re
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jsonschema

RBAC = "rbac.authorization.k8s.io"
VERBS = ["create", "delete", "get", "list", "patch", "update"]
# group, version, plural, kind, is namespaced
BUILT_IN = [
    ("", "v1", "namespaces", "Namespace", False),
    ("", "v1", "configmaps", "ConfigMap", True),
    ("", "v1", "serviceaccounts", "ServiceAccount", True),
    ("", "v1", "services", "Service", True),
    ("apps", "v1", "deployments", "Deployment", True),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", True),
    (RBAC, "v1", "roles", "Role", True),
    (RBAC, "v1", "rolebindings", "RoleBinding", True),
    (RBAC, "v1", "clusterroles", "ClusterRole", False),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False),
]
SHORT = {"configmaps": ["cm"], "namespaces": ["ns"], "deployments": ["deploy"], "services": ["svc"]}
# What a client must not change, as a path and its kinds.
IMMUTABLE = {
    "RoleBinding": ["roleRef"],
    "Deployment": ["spec", "selector"],
}
# Fields that have no manager.
NAMING = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
# A Document of gnostic that says no more than `swagger: "2.0"`: kubectl then leaves the validation to the server.
OPEN_API = b"\n\x032.0"


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, code, reason, message, causes=()):
        super().__init__(message)
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": {"causes": list(causes)},
            "code": code,
        }


class Cluster:
    """The objects by group, plural, namespace and name, each with its fields by manager."""

    def __init__(self, folder):
        definitions = json.loads((Path(folder) / "_definitions.json").read_text())["$defs"]
        self.types = {}
        for name, definition in definitions.items():
            for kind in definition.get("x-kubernetes-group-version-kind", []):
                schema = {"$ref": "#/$defs/" + name, "$defs": definitions}
                validator = jsonschema.Draft202012Validator(schema)
                self.types[kind["group"], kind["version"], kind["kind"]] = validator
        self.changed = threading.Condition()
        self.objects = {}
        self.number = 1
        self.left = None
        self.held = 0
        self.round = 0

    def kinds(self):
        yield from BUILT_IN
        for (_, plural, _, _), (crd, _) in self.objects.items():
            if plural == "customresourcedefinitions":
                spec = crd["spec"]
                for version in spec["versions"]:
                    namespaced = spec["scope"] == "Namespaced"
                    yield spec["group"], version["name"], spec["names"]["plural"], spec["names"]["kind"], namespaced

    def wait_for_turn(self):
        """Waits while writes are held; with the lock."""
        if self.left is None:
            return
        if self.left > 0:
            self.left -= 1
            return
        mine = self.round
        self.held += 1
        self.changed.wait_for(lambda: self.round != mine)
        raise Refused(503, "ServiceUnavailable", "the write was held")

    def check(self, group, version, kind, new, old):
        problems = []
        if (group, version, kind) in self.types:
            for error in self.types[group, version, kind].iter_errors(new):
                where = ".".join(map(str, error.absolute_path)) or "the object"
                problems.append("{}: {}".format(where, error.message[:300]))
        else:
            problems += self.check_custom(group, version, kind, new)
        metadata = new["metadata"]
        if group != RBAC and not NAME.fullmatch(metadata["name"]):
            problems.append("metadata.name: {!r} is not a name".format(metadata["name"]))
        for key, value in (metadata.get("labels") or {}).items():
            if not LABEL.fullmatch(value) or not LABEL.fullmatch(key.rpartition("/")[2]):
                problems.append("metadata.labels: {}={!r} is not valid".format(key, value))
        for path in [IMMUTABLE[kind]] if old and kind in IMMUTABLE else []:
            if at(old, path) != at(new, path):
                problems.append(".".join(path) + ": it cannot be changed")
        if kind == "CustomResourceDefinition" and not problems:
            names = {one["name"] for one in new["spec"]["versions"]}
            stored = set(at(old or {}, ["status", "storedVersions"]) or [])
            for gone in sorted(stored - names):
                problems.append("status.storedVersions: {} must appear in spec.versions".format(gone))
            if metadata["name"] != new["spec"]["names"]["plural"] + "." + new["spec"]["group"]:
                problems.append("metadata.name: it must be spec.names.plural+\".\"+spec.group")
            stored |= {one["name"] for one in new["spec"]["versions"] if one["storage"]}
            new["status"] = {"storedVersions": sorted(stored), "acceptedNames": new["spec"]["names"], "conditions": []}
        if problems:
            message = '{} "{}" is invalid: {}'.format(kind, metadata["name"], "; ".join(problems))
            raise Refused(422, "Invalid", message)

    def check_custom(self, group, version, kind, new):
        for crd, _ in self.objects.values():
            if crd["kind"] == "CustomResourceDefinition" and crd["spec"]["group"] == group:
                for one in crd["spec"]["versions"]:
                    if (one["name"], crd["spec"]["names"]["kind"]) == (version, kind):
                        schema = one["schema"]["openAPIV3Schema"]
                        return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(new)]
        return []

    def write(self, key, version, kind, new, owners, dry_run):
        """Stores `new` with the managers of its fields; returns what is stored."""
        group, plural, namespace, name = key
        old, _ = self.objects.get(key, (None, None))
        new = copy.deepcopy(new)
        metadata = new.setdefault("metadata", {})
        if metadata.pop("resourceVersion", None) not in (None, "", (old or {"metadata": {}})["metadata"].get("resourceVersion")):
            message = 'Operation cannot be fulfilled on {} "{}": the object has been modified'.format(plural, name)
            raise Refused(409, "Conflict", message)
        if namespace:
            space, _ = self.objects.get(("", "namespaces", "", namespace), (None, None))
            if space is None:
                raise Refused(404, "NotFound", 'namespaces "{}" not found'.format(namespace))
            metadata["namespace"] = namespace
        metadata["name"] = name
        new["apiVersion"], new["kind"] = (group + "/" if group else "") + version, kind
        for key_of_server in ("uid", "creationTimestamp", "managedFields"):
            metadata.pop(key_of_server, None)
        self.check(group, version, kind, new, old)
        if plural == "namespaces":
            new["status"] = {"phase": "Active"}
        before = copy.deepcopy(old)
        for server_s in ("uid", "creationTimestamp", "resourceVersion"):
            if before:
                before["metadata"].pop(server_s)
        if new != before:
            self.number += 1
            metadata["resourceVersion"] = str(self.number)
        else:
            metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
        metadata["uid"] = old["metadata"]["uid"] if old else str(uuid.uuid4())
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
        if not dry_run:
            self.objects[key] = (new, owners)
        return new

    def apply(self, key, version, kind, patch, manager, force, dry_run):
        """Server-side apply."""
        old, owners = self.objects.get(key, ({}, {}))
        owners = {name: set(fields) for name, fields in owners.items()}
        wanted = {path: value for path, value in leaves(patch) if path not in NAMING}
        revision = wanted.pop(("metadata", "resourceVersion"), None)
        have = dict(leaves(old))
        causes = []
        for other, fields in owners.items():
            for path in fields if other != manager else ():
                if path in wanted and have.get(path) != wanted[path]:
                    message = 'conflict with "{}"'.format(other)
                    field = "." + ".".join(path)
                    causes.append({"reason": "FieldManagerConflict", "message": message, "field": field})
        if causes and not force:
            count = "1 conflict" if len(causes) == 1 else "{} conflicts".format(len(causes))
            fields = ", ".join(sorted(cause["message"] + ": " + cause["field"] for cause in causes))
            raise Refused(409, "Conflict", "Apply failed with {}: {}".format(count, fields), causes)
        new = copy.deepcopy(old)
        for path in owners.get(manager, set()) - set(wanted):
            if not any(path in fields for other, fields in owners.items() if other != manager):
                remove(new, path)
        for path, value in wanted.items():
            put(new, path, value)
            for other, fields in owners.items():
                if other != manager and have.get(path) != value:
                    fields.discard(path)
        owners[manager] = set(wanted)
        if revision is not None:
            new.setdefault("metadata", {})["resourceVersion"] = revision
        return self.write(key, version, kind, new, owners, dry_run)

    def update(self, key, version, kind, new, manager, dry_run):
        """A write of a whole object: whoever changes a field manages it."""
        old, owners = self.objects.get(key, ({}, {}))
        before, after = (
            {path: value for path, value in leaves(one) if path and path not in NAMING and path[0] != "status"}
            for one in (old, new)
        )
        changed = {path for path, value in after.items() if before.get(path, ...) != value}
        owners = {name: {path for path in fields - changed if path in after} for name, fields in owners.items()}
        owners.setdefault(manager, set()).update(changed)
        return self.write(key, version, kind, new, owners, dry_run)

    def delete(self, key):
        self.objects.pop(key)
        if key[:2] == ("", "namespaces"):
            for other in [other for other in self.objects if other[2] == key[3]]:
                self.objects.pop(other)


def at(value, path):
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def leaves(value, path=()):
    """The fields of an object: each path with its value. An empty object is a value."""
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves(one, path + (key,))
    else:
        yield path, value


def put(value, path, new):
    for key in path[:-1]:
        if not isinstance(value.get(key), dict):
            value[key] = {}
        value = value[key]
    if new != {} or not isinstance(value.get(path[-1]), dict):
        value[path[-1]] = copy.deepcopy(new)


def remove(value, path):
    parents = []
    for key in path[:-1]:
        if not isinstance(value.get(key), dict):
            return
        parents.append((value, key))
        value = value[key]
    value.pop(path[-1], None)
    for parent, key in reversed(parents):
        if parent[key] == {}:
            del parent[key]


def merged(old, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merged(new.get(key), value)
    return new


def is_selected(value, query):
    """Whether an object is wanted by `labelSelector` and `fieldSelector`."""
    labels = value["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, wanted = term.partition("=")
        if key not in labels or equals and labels[key] != wanted.lstrip("="):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, wanted = term.partition("=")
        if at(value, key.split(".")) != wanted.lstrip("="):
            return False
    return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *arguments):
        pass

    def reply(self, code, value):
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        kind = "application/octet-stream" if isinstance(value, bytes) else "application/json"
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        try:
            self.wfile.write(raw)
        except OSError:
            self.close_connection = True

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        with self.cluster.changed:
            try:
                if parts[0] == "stand-in":
                    code, value = self.of_tests(parts[1], body)
                else:
                    code, value = self.of_clients(parts, query, body)
            except Refused as refused:
                code, value = refused.status["code"], refused.status
        self.reply(code, value)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def of_tests(self, what, body):
        cluster = self.cluster
        if what == "state" and self.command == "GET":
            state = [
                {"key": key, "object": value, "managers": {name: sorted(fields) for name, fields in owners.items()}}
                for key, (value, owners) in sorted(cluster.objects.items())
            ]
            return 200, state
        if what == "state":
            cluster.objects = {
                tuple(one["key"]): (
                    one["object"],
                    {name: {tuple(path) for path in fields} for name, fields in one["managers"].items()},
                )
                for one in json.loads(body)
            }
        elif what == "hold" and self.command == "GET":
            return 200, {"held": cluster.held > 0}
        elif what == "hold":
            cluster.left, cluster.held = json.loads(body)["after"], 0
        elif what == "release":
            cluster.left, cluster.held, cluster.round = None, 0, cluster.round + 1
            cluster.changed.notify_all()
        return 200, {}

    def of_clients(self, parts, query, body):
        cluster = self.cluster
        if parts == ["version"]:
            return 200, {"major": "1", "minor": "25", "gitVersion": "v1.25.0"}
        if parts == ["openapi", "v2"]:
            return 200, OPEN_API
        if parts == ["api"]:
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if parts == ["apis"]:
            groups = {}
            for group, version, *_ in cluster.kinds():
                if group and version not in groups.setdefault(group, []):
                    groups[group].append(version)
            named = [
                {
                    "name": group,
                    "versions": [{"groupVersion": group + "/" + one, "version": one} for one in versions],
                    "preferredVersion": {"groupVersion": group + "/" + versions[0], "version": versions[0]},
                }
                for group, versions in groups.items()
            ]
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
        if parts[0] == "api" and len(parts) > 1:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 2:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        api_version = (group + "/" if group else "") + version
        known = [kind for kind in cluster.kinds() if kind[:2] == (group, version)]
        if not rest:
            resources = [
                {
                    "name": plural,
                    "singularName": kind.lower(),
                    "shortNames": SHORT.get(plural, []),
                    "namespaced": namespaced,
                    "kind": kind,
                    "verbs": VERBS,
                }
                for _, _, plural, kind, namespaced in known
            ]
            return 200, {"kind": "APIResourceList", "groupVersion": api_version, "resources": resources}
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kinds = [kind for kind in known if kind[2] == rest[0]]
        if not kinds:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return self.of_objects(kinds[0], namespace, rest[1] if len(rest) > 1 else None, query, body)

    def of_objects(self, known, namespace, name, query, body):
        cluster = self.cluster
        group, version, plural, kind, _ = known
        if self.command == "GET" and not name:
            items = [
                {field: one for field, one in value.items() if field not in ("apiVersion", "kind")}
                for key, (value, _) in sorted(cluster.objects.items())
                if key[:2] == (group, plural) and namespace in ("", key[2]) and is_selected(value, query)
            ]
            api_version = (group + "/" if group else "") + version
            return 200, {"kind": kind + "List", "apiVersion": api_version, "metadata": {}, "items": items}
        form = self.headers.get("Content-Type", "")
        if self.command in ("POST", "PUT") and not form.startswith("application/json"):
            raise Refused(415, "UnsupportedMediaType", "expected application/json, found " + form)
        if self.command == "POST":
            name = json.loads(body)["metadata"]["name"]
        key = (group, plural, namespace, name)
        old, _ = cluster.objects.get(key, (None, None))
        if old is None and self.command != "POST" and form != "application/apply-patch+yaml":
            resource = plural + ("." + group if group else "")
            raise Refused(404, "NotFound", '{} "{}" not found'.format(resource, name))
        if self.command == "GET":
            return 200, old
        if self.command == "POST" and old is not None:
            raise Refused(409, "AlreadyExists", '{} "{}" already exists'.format(plural, name))
        dry_run = query.get("dryRun") == "All"
        if not dry_run:
            cluster.wait_for_turn()
            old, _ = cluster.objects.get(key, (None, None))
        manager = query.get("fieldManager") or self.headers.get("User-Agent", "").split("/")[0]
        if self.command == "DELETE":
            if not dry_run:
                cluster.delete(key)
            details = {"name": name, "kind": plural, "uid": old["metadata"]["uid"]}
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details}
        sent = json.loads(body)
        if form == "application/apply-patch+yaml":
            force = query.get("force") == "true"
            new = cluster.apply(key, version, kind, sent, manager, force, dry_run)
        elif form in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            # The tests change no list, so both are the same.
            new = cluster.update(key, version, kind, merged(old, sent), manager, dry_run)
        elif self.command in ("POST", "PUT"):
            new = cluster.update(key, version, kind, sent, manager, dry_run)
        else:
            raise Refused(415, "UnsupportedMediaType", form)
        return 201 if old is None else 200, new


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


Handler.cluster = Cluster(sys.argv[2])
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
