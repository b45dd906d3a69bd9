#!/usr/bin/python3
"""Goal of this test: the units are as tight as promised, and no tighter than what the programs need.

systemd-analyze(1) rates each unit at 1.5 or less (0 is best, 10 worst), and the milter's at 1.0. The filter of postern-edge.service lets every
call pass that edge/sandbox_calls.c allows, and those by which the program confines itself. What is started again after a failure is left alone
after EX_CONFIG.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(HERE)
UNITS = os.path.join(PROJECT, "conf.examples", "systemd")
EXPOSURE_MAX = 1.5
EXPOSURE_MAX_OF = {"postern-milter.service": 1.0}
# How the programs confine themselves; by libseccomp and landlock(7).
OWN_CONFINEMENT = {"seccomp", "prctl", "prlimit64", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False)


def exposure(unit):
    output = analyze("security", "--offline=true", os.path.join(UNITS, unit)).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", output)
    return float(found[1]) if found else None


def lines_of(unit, setting):
    with open(os.path.join(UNITS, unit), encoding="utf-8") as file:
        return re.findall(rf"^{setting}=(.*)$", file.read(), re.M)


def groups():
    """{"@group": its calls and groups}"""
    found, name = {}, None
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = set()
        elif name and re.match(r"\s+[a-z0-9_@-]+$", line):
            found[name].add(line.strip())
    return found


def expand(names, known):
    calls = set()
    for name in names:
        calls |= expand(known[name], known) if name.startswith("@") else {name}
    return calls


def allowed_by(unit):
    """The calls that pass systemd's filter: the first line says whether lists allow or deny (systemd.exec(5))."""
    known = groups()
    calls = expand({"@default"}, known)
    for line in lines_of(unit, "SystemCallFilter"):
        names = expand(line.removeprefix("~").split(), known)
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def of_our_filter():
    """The calls that the worker or the keeper may make."""
    with open(os.path.join(PROJECT, "edge", "sandbox_calls.c"), encoding="utf-8") as file:
        text = file.read()
    calls = {"socket", "ioctl", "clone"}
    for name in ("common", "of_the_worker"):
        calls |= set(re.findall(r'"(\w+)"', re.search(rf"\b{name}\[\] = {{(.*?)\n}};", text, re.S)[1]))
    return calls


def main():
    mistakes = []
    units = sorted(name for name in os.listdir(UNITS) if name.endswith(".service"))
    for unit in units:
        found, most = exposure(unit), EXPOSURE_MAX_OF.get(unit, EXPOSURE_MAX)
        if found is None or found > most:
            mistakes.append(f"{unit}: exposure {found}, not at most {most}")
        if lines_of(unit, "Restart") and lines_of(unit, "RestartPreventExitStatus") != [str(os.EX_CONFIG)]:
            mistakes.append(f"{unit}: a wrong configuration, which only a person mends, would be tried again and again")
    for call in sorted((of_our_filter() | OWN_CONFINEMENT) - allowed_by("postern-edge.service")):
        mistakes.append(f"postern-edge.service: its SystemCallFilter does not let {call} pass")
    for mistake in mistakes:
        print(f"check_units: {mistake}")
    if mistakes:
        sys.exit(1)
    print(f"check_units: {len(units)} units are rated as promised or better, and let pass what is needed")


main()
