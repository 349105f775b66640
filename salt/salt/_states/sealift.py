"""Archives and Solutions of this node and the configuration of clients, through ``sealift``.

Works with Salt 3002 (Python 3.6) and later.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "sealift"


def __virtual__():
    return __virtualname__


def imported(name, mount="auto", unverified=False):
    """The archive ``name`` (an ISO file or a folder) is imported: verified, mounted, in the configuration.

    mount
        ``auto`` (by the kernel where it can), ``kernel`` or ``never``.
    unverified
        Whether an archive with neither SHA256SUMS nor an implanted MD5 is imported too.
    """
    return _done(name, "import", ["--mount", mount] + (["--unverified"] if unverified else []))


def deleted(name):
    """The archive ``name`` (name and version, or its path) is not imported. The archive itself stays."""
    return _done(name, "delete", [])


def configured(name, arguments):
    """The files that the command ``name`` of ``sealift`` generates are up to date: ``registry containerd-config``,
    ``repository dnf-config`` and others.

    arguments
        The arguments of the command.
    """

    def steps(test):
        files = __salt__["metalk8s.configure"](name, arguments, test=test)
        return [{"step": "write", "file": file} for file in files]

    return _applied(name, lambda: steps(True), lambda: steps(False))


def allowed(name, address, port):
    """firewalld lets clients through to the service ``name``, which listens at ``address`` and ``port``, in the zone of the interface
    with that address. Where firewalld does not run, there is nothing to do.
    """

    def steps(test):
        return __salt__["metalk8s.allow"](name, address, port, test=test)

    return _applied(name, lambda: steps(True), lambda: steps(False))


def activated(name, version="latest"):
    """The version ``version`` of the Solution ``name`` is active, and the cluster, if there is one, has its custom resource
    definitions.
    """
    return _solution(name, "activate", ["--name", name, "--version", version])


def deployed(name, environment, namespace, version, webhook=False):
    """The operator of version ``version`` of the Solution ``name`` is deployed in the namespace ``namespace`` of ``environment``.

    webhook
        Whether the operator has a webhook.
    """
    place = ["--name", environment, "--namespace", namespace]
    options = ["--webhook"] if webhook else []
    return _solution(name, "add", place + ["--solution", name, "--version", version] + options)


def published(name, available):
    """The ConfigMap ``metalk8s-solutions`` of the cluster has the Solutions ``available``."""

    def steps(test):
        return __salt__["metalk8s.publish_solutions"](available, test=test)

    return _applied(name, lambda: steps(True), lambda: steps(False))


def _solution(name, command, arguments):
    def steps(options):
        return __salt__["metalk8s.solution"](command, *(arguments + options))

    return _applied(name, lambda: steps(["--dry-run"]), lambda: steps([]))


def _done(name, action, options):
    def planned():
        if action == "delete" and not __salt__["metalk8s.is_archive"](name):
            return []
        return _steps(action, options + ["--dry-run", "--", name])

    return _applied(name, planned, lambda: _steps(action, options + ["--", name]))


def _applied(name, planned, done):
    """Return the result of a state that calls ``done`` if ``planned`` lists any step."""
    answer = {"name": name, "changes": {}, "result": True, "comment": "nothing to do"}
    try:
        # Planning is cheap; an import that has nothing to do need not verify gigabytes.
        steps = planned()
        if not steps:
            return answer
        if __opts__["test"]:
            answer.update(result=None, comment="would be done", changes={"steps": steps})
            return answer
        answer.update(changes={"steps": done()}, comment="done")
    except CommandExecutionError as error:
        answer.update(result=False, comment=str(error))
    return answer


def _steps(action, arguments):
    changes = __salt__["metalk8s.sealift"](action, *arguments)
    return [step for change in changes for step in change["steps"]]
