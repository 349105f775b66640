"""Archives of this node, through ``sealift``, which looks at each step whether it is done already.

Works with Salt 3002 (Python 3.6) and later.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "sealift"


def __virtual__():
    return __virtualname__


def imported(name, mount="auto"):
    """The archive ``name`` (an ISO file or a folder) is one of this node's: verified, mounted, in the configuration.

    mount
        ``auto`` (by the kernel where it can), ``kernel`` or ``never``.
    """
    return _done(name, "import", ["--mount", mount])


def deleted(name):
    """The archive ``name`` (name and version, or its path) is none of this node's. The archive itself stays."""
    return _done(name, "delete", [])


def _done(name, action, options):
    answer = {"name": name, "changes": {}, "result": True, "comment": "nothing to do"}
    try:
        if action == "delete" and not __salt__["metalk8s.is_archive"](name):
            return answer
        # Looking costs little; an import that has nothing to do need not verify gigabytes.
        steps = _steps(action, options + ["--dry-run", "--", name])
        if not steps:
            return answer
        if __opts__["test"]:
            answer.update(result=None, comment="would be done", changes={"steps": steps})
            return answer
        answer.update(changes={"steps": _steps(action, options + ["--", name])}, comment="done")
    except CommandExecutionError as error:
        answer.update(result=False, comment=str(error))
    return answer


def _steps(action, arguments):
    report = __salt__["metalk8s.sealift"](action, *arguments)
    reports = report if isinstance(report, list) else [report]
    return [step for one in reports for step in one["steps"]]
