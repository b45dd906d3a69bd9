"""A document of measured sections: doc/FIGURES.md, doc/BENCH.md.

Each part is a program that prints one section, and ends with a status other than 0 if a promise did not hold. Then the old section stays, and
so does our status. A section begins with its heading and a comment with the part's name, and is replaced in its place, or is the last one if it is new;
sections of parts that do not run stay as they are, and so do those without such a comment.
"""
import datetime
import glob
import os
import re
import subprocess
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def output(*command):
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def first_match(pattern, path, default):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read(), re.M)
    except OSError:
        return default
    return match[1] if match else default


def commit(document):
    """What was measured. The document itself is no part of it."""
    name = output("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = output("git", "status", "--porcelain", "--", ".", f":!{document}")
    return f"commit {name}{' with changes' if changed else ''}"


def postfix_version():
    """Of the lab's layer: the machine may have none."""
    layers = os.path.join(os.environ.get("LAB_DIR", os.path.join(PROJECT, "build", "lab")), "layers")
    for path in glob.glob(os.path.join(layers, "postfix-*/var/lib/dpkg/status")):
        found = first_match(r"^Package: postfix\n(?:.+\n)*?Version: (\S+?)(?:-\S+)?\n", path, None)
        if found:
            return f", Postfix {found}"
    return ""


def machine():
    processor = first_match(r"^model name\s*: (.*)$", "/proc/cpuinfo", os.uname().machine)
    debian = first_match(r"^(.*)$", "/etc/debian_version", "unknown")
    cores = os.cpu_count()
    return (f"{' '.join(processor.split())}, {cores} core{'s' if cores != 1 else ''}, Linux {os.uname().release.partition('-')[0]}, Debian {debian}"
            f"{postfix_version()}")


def sections(text):
    """(what stands above the first section, {name: section}); a section without a name is kept under its heading."""
    above, *found = re.split(r"^(?=## )", text, flags=re.M)
    named = {}
    for section in found:
        match = re.search(r"^<!-- (\w+) -->$", section, re.M)
        named[match[1] if match else section.partition("\n")[0]] = section.rstrip() + "\n"
    return above.rstrip() + "\n", named


class Document:
    """`path` below the project; `parts` in their order, programs in `folder`; `command` is what measures it."""

    def __init__(self, path, folder, parts, command):
        self.path, self.folder, self.parts, self.command = path, folder, parts, command

    def measured(self, part):
        """The part's section with its origin, or None."""
        began, measured_commit = datetime.datetime.now(), commit(self.path)
        print(f"{self.command}: {part}", file=sys.stderr, flush=True)
        done = subprocess.run([os.path.join(self.folder, part)], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
        text = done.stdout.strip()
        if done.returncode != 0 or not text.startswith("## "):
            print(f"{self.command}: {part}: FAILED (exit status {done.returncode}); its section stays as it was", file=sys.stderr)
            if text:
                print(text, file=sys.stderr)
            return None
        heading, _, body = text.partition("\n")
        print(f"{self.command}: {part}: {(datetime.datetime.now() - began).seconds} s", file=sys.stderr)
        return (f"{heading}\n<!-- {part} -->\n`{self.command} ONLY={part}`, {began:%Y-%m-%d}, {measured_commit}; {machine()}.\n\n"
                f"{body.strip()}\n")

    def write(self, above, named):
        path = os.path.join(PROJECT, self.path)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write("\n".join([above, *named.values()]))
        os.rename(path + ".new", path)

    def exists(self, part):
        return part in self.parts and os.path.exists(os.path.join(self.folder, part))

    def measure(self, wanted, keep=True):
        """Some parts, or all; keep=False only prints them."""
        wanted = wanted or [part for part in self.parts if self.exists(part)]
        unknown = [part for part in wanted if not self.exists(part)]
        if unknown:
            sys.exit(f"{self.command}: no such part: {' '.join(unknown)}; there are: {' '.join(self.parts)}")
        failed = []
        for part in [part for part in self.parts if part in wanted]:
            section = self.measured(part)
            if section is None:
                failed.append(part)
                continue
            print(section, flush=True)
            if keep:
                with open(os.path.join(PROJECT, self.path), encoding="utf-8") as file:
                    above, named = sections(file.read())
                self.write(above, named | {part: section})
        if failed:
            sys.exit(f"{self.command}: FAILED: {' '.join(failed)}")
