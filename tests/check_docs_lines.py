#!/usr/bin/python3
"""Goal of this test: what the documents quote is true. Each line in a block `log WHO` of doc/*.md and SECURITY.md is said by the
source (`log postfix` is Postfix's own), each command of a block `sh HOST run` or `sh HOST syntax: REASON` is sound shell, and each
`postern COMMAND --option` in it exists.

In a quoted line `[...]` stands for anything. tests/e2e/test_89_docs.py runs the blocks that say `run`.
"""
import glob
import os
import re
import subprocess
import sys

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')
CONVERSION = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?:hh|h|ll|l|z|j|t)?([a-zA-Z%])")
MACROS = {"POSTERN_SYSCONFDIR": "/etc/postern", "PRId64": "lld", "PRIu64": "llu"}
BUILD = os.environ.get("BUILD", "build/normal")
WHO = ("edge", "transport", "milter", "policy", "postfix")
ELLIPSIS = "[...]"
WORD = re.compile(r"(?<![\w./@=-])[A-Za-z']{2,}(?![\w/@=]|[.-]\w)")
SYSTEM = [os.strerror(number) for number in range(1, 134)] + ["Name or service not known", "Segmentation fault"]


def texts():
    """The string literals of the source, those that stand together as one."""
    found = set()
    for name in glob.glob("[a-z]*/*.c") + glob.glob("edge/*/*.c"):
        with open(name, encoding="utf-8") as file:
            source = file.read()
        pieces, end = [], None
        for match in re.finditer(LITERAL.pattern + r"|\b(?:" + "|".join(MACROS) + r")\b|//[^\n]*|/\*.*?\*/", source, re.S):
            word = match.group(0)
            if word.startswith("/"):
                continue
            if end is not None and source[end:match.start()].strip():
                found.add("".join(pieces))
                pieces = []
            pieces.append(MACROS.get(word) or word[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
            end = match.end()
        found.add("".join(pieces))
    return found


def pattern_of(text):
    """What a text of printf(3) matches, its own words in groups; None if it has too few. `[...]' stands for any value."""
    pieces, conversions = [], []
    at = 0
    for match in CONVERSION.finditer(text):
        pieces.append(text[at:match.start()])
        conversions.append(match.group(1))
        at = match.end()
    pieces.append(text[at:])
    if sum(len(WORD.findall(piece)) for piece in pieces) < 2:
        return None
    values = [r"%" if kind == "%" else rf"(?:-?[0-9a-f]+|{re.escape(ELLIPSIS)})" if kind in "diuzx" else ".*?" for kind in conversions] + [""]
    return re.compile("".join(f"({re.escape(piece)}){value}" for piece, value in zip(pieces, values)))


def unsaid(line, patterns):
    """The words of the line that no text of the source says, nor the C library; values among them."""
    said = set()
    for pattern in patterns:
        for match in pattern.finditer(line):
            for group in range(1, pattern.groups + 1):
                said.update(range(*match.span(group)))
    for error in SYSTEM:
        at = line.find(error)
        if at >= 0:
            said.update(range(at, at + len(error)))
    return [match.group(0) for match in WORD.finditer(line) if match.start() not in said]


def is_said(line, patterns):
    """All but the names that stand for values: at most one word in six, or one in all."""
    return len(unsaid(line, patterns)) <= max(1, len(WORD.findall(line)) // 6)


def blocks():
    for name in sorted(glob.glob("doc/*.md") + glob.glob("SECURITY.md")):
        with open(name, encoding="utf-8") as file:
            text = file.read()
        for match in FENCE.finditer(text):
            yield name, text[:match.start()].count("\n") + 1, match.group(1).strip(), match.group(2)


def options_of(words):
    """What is wrong with a `postern COMMAND --option'."""
    done = subprocess.run([f"{BUILD}/postern", words[1], "--help"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"there is no command `postern {words[1]}'"
    for word in words[2:]:
        option = re.match(r"--[a-z-]+", word)
        if option and option.group(0) not in done.stdout:
            return f"`postern {words[1]}' has no option {option.group(0)}"
    return None


def shell(kind, text):
    """What is wrong with a block of commands."""
    if not re.fullmatch(r"sh (home|vps) (run|syntax: .{10,})", kind):
        return f"`{kind}' is not `sh home|vps run', nor `sh home|vps syntax: REASON'"
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        return done.stderr.strip()
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1 and words[0] == "postern" and words[1] != "--help":
            wrong = options_of(words)
            if wrong:
                return wrong
    return None


def main():
    patterns = [pattern for pattern in map(pattern_of, texts()) if pattern]
    mistakes, lines, commands = [], 0, 0
    for name, number, kind, text in blocks():
        place = f"{name}:{number}"
        if kind.split()[:1] == ["log"]:
            if kind.split()[1:] not in [[who] for who in WHO]:
                mistakes.append(f"{place}: `{kind}': log {'|'.join(WHO)}")
            for line in text.splitlines():
                lines += 1
                if kind != "log postfix" and not is_said(line, patterns):
                    mistakes.append(f"{place}: nothing says: {line}")
        elif kind.split()[:1] == ["sh"]:
            commands += 1
            wrong = shell(kind, text)
            if wrong:
                mistakes.append(f"{place}: {wrong}")
    for mistake in mistakes:
        print(f"check_docs_lines: {mistake}")
    if mistakes or lines < 20 or commands < 20:
        print(f"check_docs_lines: {len(mistakes)} mistakes in {lines} lines and {commands} blocks of commands")
        return 1
    print(f"check_docs_lines: {lines} quoted lines are in the source, {commands} blocks of commands are sound")
    return 0


if __name__ == "__main__":
    sys.exit(main())
