"""Services of a system in the folder SYSTEM, which runs no systemd: what its units say is done by hand."""

import os
import shlex
import signal
import subprocess
import time

__virtualname__ = "service"

SYSTEM = "{{ system }}"
UNITS = SYSTEM + "/usr/lib/systemd/system/"


def __virtual__():
    return __virtualname__


def offline():
    # Where systemd does not run Salt would do nothing at all.
    return False


def available(name):
    return os.path.exists(UNITS + name + ".service")


def status(name, sig=None):
    try:
        with open(_pid_file(name)) as file:
            state = open("/proc/{}/stat".format(file.read())).read()
    except OSError:
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"


def enabled(name, **kwargs):
    return os.path.islink(_link(name))


def enable(name, **kwargs):
    os.makedirs(os.path.dirname(_link(name)), exist_ok=True)
    os.symlink("/usr/lib/systemd/system/" + name + ".service", _link(name))
    return True


def start(name):
    with open(UNITS + name + ".service") as file:
        unit = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line and line[0] != "#")
    with open(SYSTEM + unit["EnvironmentFile"]) as file:
        environment = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line and line[0] != "#")
    words = []
    for word in unit["ExecStart"].split():
        if word.startswith("${"):
            words.append(environment[word[2:-1]])
        elif word.startswith("$"):
            words += shlex.split(environment[word[1:]])
        else:
            words.append(word)
    with open(SYSTEM + "/service.log", "a") as log:
        process = subprocess.Popen(
            [SYSTEM + words[0]] + words[1:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    with open(_pid_file(name), "w") as file:
        file.write(str(process.pid))
    return True


def stop(name):
    # Salt stops what does not run, too.
    if status(name):
        with open(_pid_file(name)) as file:
            os.kill(int(file.read()), signal.SIGTERM)
    while status(name):
        time.sleep(0.05)
    return True


def restart(name, **kwargs):
    return stop(name) and start(name)


def _pid_file(name):
    return SYSTEM + "/" + name + ".pid"


def _link(name):
    return SYSTEM + "/etc/systemd/system/multi-user.target.wants/" + name + ".service"
