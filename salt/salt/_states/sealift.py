"""Archives of this node, and what clients know of them: through ``sealift``, which looks first what is done already.

Works with Salt 3002 (Python 3.6) and later.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "sealift"


def __virtual__():
    return __virtualname__


def imported(name, mount="auto", unverified=False):
    """The archive ``name`` (an ISO file or a folder) is one of this node's: verified, mounted, in the configuration.

    mount
        ``auto`` (by the kernel where it can), ``kernel`` or ``never``.
    unverified
        Whether an archive without SHA256SUMS and implanted MD5 is imported too.
    """
    return _done(name, "import", ["--mount", mount] + (["--unverified"] if unverified else []))


def deleted(name):
    """The archive ``name`` (name and version, or its path) is none of this node's. The archive itself stays."""
    return _done(name, "delete", [])


def configured(name, arguments):
    """The files that the command ``name`` of ``sealift`` makes are as it makes them: ``registry containerd-config``,
    ``repository dnf-config`` and the like.

    arguments
        The further words of the command.
    """

    def steps(test):
        files = __salt__["metalk8s.configure"](name, arguments, test=test)
        return [{"step": "write", "file": file} for file in files]

    return _applied(name, lambda: steps(True), lambda: steps(False))


def _done(name, action, options):
    def planned():
        if action == "delete" and not __salt__["metalk8s.is_archive"](name):
            return []
        return _steps(action, options + ["--dry-run", "--", name])

    return _applied(name, planned, lambda: _steps(action, options + ["--", name]))


def _applied(name, planned, done):
    """The answer of a state that does what ``done`` does, if ``planned`` says that there is something to do."""
    answer = {"name": name, "changes": {}, "result": True, "comment": "nothing to do"}
    try:
        # Looking costs little; an import that has nothing to do need not verify gigabytes.
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
