"""What the parts of doc/FIGURES.md share: each is a program that prints one section of Markdown, tells on stderr how far it is,
and ends with a status other than 0 if a promise did not hold. Those that need the lab start it themselves."""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))


def into_the_lab(program):
    """Goes on inside a lab of its own."""
    if not os.environ.get("LAB_INSIDE"):
        lab = os.path.join(PROJECT, "tests", "lab", "lab")
        os.execv(lab, [lab, "run", os.path.realpath(program), *sys.argv[1:]])
    sys.path.insert(0, os.path.join(PROJECT, "tests", "e2e"))


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(*rows, head=("", "")):
    """Markdown; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


class Promises:
    """Those that did not hold; end() says so."""

    def __init__(self):
        self.broken = []

    def keep(self, holds, what):
        if not holds:
            self.broken.append(what)

    def end(self):
        for what in self.broken:
            say(f"FAILED: {what}")
        sys.exit(1 if self.broken else 0)
