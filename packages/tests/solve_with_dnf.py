"""Solves requests with dnf: reads cases as JSON from a file, prints the packages of each, or "error"."""

import json
import logging
import sys

import dnf

logging.disable(logging.CRITICAL)
folder, cases = sys.argv[1], json.load(open(sys.argv[2]))
answers = []
base = None
repository = None
for case in cases:
    if case["repository"] != repository:
        repository = case["repository"]
        base = dnf.Base()
        for key in ("installroot", "cachedir", "logdir", "persistdir"):
            setattr(base.conf, key, "%s/dnf/%s" % (folder, key))
        base.conf.reposdir = ["/none"]
        base.conf.substitutions.update({"arch": "x86_64", "basearch": "x86_64", "releasever": "8"})
        base.conf.module_platform_id = "platform:el8"
        base.repos.add_new_repo("r%s" % repository, base.conf, baseurl=["file://%s/%s" % (folder, repository)])
        base.fill_sack(load_system_repo=False)
    base.reset(goal=True)
    base.conf.install_weak_deps = case["weak"]
    base.conf.best = case["best"]
    try:
        for request in case["requests"]:
            base.install(request)
        base.resolve()
        answers.append(sorted("%s-%s.%s" % (one.name, one.evr, one.arch) for one in base.transaction.install_set))
    except dnf.exceptions.Error:
        answers.append(["error"])
print(json.dumps(answers))
