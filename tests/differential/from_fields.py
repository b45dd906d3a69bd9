#!/usr/bin/python3
"""From fields as milter/address_list.c and as others read them: from_fields.py FROM-PARSER [COUNT]

The collected fields (from_fields.txt) and COUNT generated from them are read by ours and by

    getaddresses  Python: email.message_from_bytes(), then email.utils.getaddresses()
    lenient       Python: the same with strict=False, as all did before 2024
    registry      Python: the same by the header registry of email.policy.default (or SMTPUTF8), .addresses
    js            nodemailer's addressparser (addressparser.js)

all of which get the field as a receiver does. Checked is:

    collected     Fields of real programs are accepted; those that deceive are refused, or their names found to mislead.
    visible       No reader sees an address in an accepted field that ours does not report. Since the sender must be allowed each
                  address that ours reports, nobody can show an address that is not in the sender's list.
    strict        Where the readers disagree, ours refuses or agrees with the strict reading: what `registry` says if it finds
                  nothing to complain about but the inside of a name: an obsolete dot, encoded words that are in quotes, undecodable, or not
                  followed by white space. If it complains about more, there is no strict reading: ours refuses.
    decoded       A reader that decodes encoded words before it parses sees no other address either, unless display_name complains.
    readers       The readers are awake: each sees what ours reports in nearly all fields of real programs.
    share         Ours accepts a sensible share of what was generated: refusing everything is no solution.
"""
import base64
import email
import email.errors
import email.header
import email.policy
import email.utils
import json
import os
import random
import re
import subprocess
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 517845
ACCEPTED_SHARE = 0.1
ASLEEP_SHARE = 0.05
READERS = ("getaddresses", "lenient", "registry", "js")
ADDRESS = re.compile(r"[^\s<>(),:;\"@]+@[^\s<>(),:;\"@]+\.[^\s<>(),:;\"@]+")
HARMLESS = (email.errors.NonASCIILocalPartDefect, email.errors.UndecodableBytesDefect, email.errors.CharsetError,
            email.errors.InvalidBase64CharactersDefect, email.errors.InvalidBase64LengthDefect, email.errors.InvalidBase64PaddingDefect)
HARMLESS_TEXTS = ("period in 'phrase'", "comment found without atom", "whitespace after encoded-word", "encoded word inside quoted string")
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
PIECES = [
    "ceo@bank.example", "me@example.com", "<ceo@bank.example>", "<me@example.com>", "<", ">", ",", ";", ":", "@", '"', "\\", "(", ")",
    "[", "]", ".", " ", "\t", "\r\n ", "\r\n\t", "\r\n \r\n ", "\n ", "\r", "\n", "\0", '\\"', "\\\\", '" "', "()", "(x)", '"x"',
    "Me", "Me ", " Me", "Us:", ";,", ", ", ">,<", "> <", "><", "=?utf-8?q?ceo=40bank.example?=", "=?utf-8?q?=3E?=", "=?utf-8?q?=2C?=",
    "=?utf-8?b?PGNlb0BiYW5rLmV4YW1wbGU+?=", "=?utf-8?q?=22?=", "=?", "?=", "ü", "＠", "\u200b", "@bank.example:", "%", "!", "'", "=", "-",
]
WRAPS = [('"', '"'), ("(", ")"), ("<", ">"), ("Us: ", ";"), ("Me ", ""), ("", " (x)"), ("", ", me@example.com"), ("me@example.com, ", ""),
         ('"Me" ', ""), ("\r\n ", ""), ("[", "]"), ("", " <me@example.com>"), ('"', '" <me@example.com>'), ("(", ") me@example.com")]


def unescape(text):
    """The notation of from_fields.txt to bytes."""
    def one(match):
        if match[1].startswith("x"):
            return chr(int(match[1][1:], 16))
        return ESCAPES[match[1]]
    # Latin-1 holds the octets while \xNN are put in.
    octets = text.encode().decode("latin-1")
    return re.sub(r"\\(x[0-9a-f]{2}|[rnt0\\])", one, octets).encode("latin-1")


def collected():
    fields = []
    with open(os.path.join(HERE, "from_fields.txt"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            kind, space, value = line.rstrip("\n").partition(" ")
            if not kind or kind.startswith("#"):
                continue
            if kind not in ("good", "refused", "misleads", "open") or not space:
                sys.exit(f"from_fields.txt:{number}: what is \"{kind}\"?")
            fields.append((kind, unescape(value)))
    return fields


def mutate(rng, text, others):
    """One change."""
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + rng.randrange(1, 8))
    other = rng.choice(others)
    choice = rng.randrange(8)
    if choice < 3:
        return text[:at] + rng.choice(PIECES) + text[at:]
    if choice == 3:
        return text[:at] + text[end:]
    if choice == 4:
        return text[:at] + rng.choice(PIECES) + text[end:]
    if choice == 5:
        return text[:at] + other[rng.randrange(len(other) + 1):]
    if choice == 6:
        before, after = rng.choice(WRAPS)
        return before + text + after
    return text.replace("me@example.com", "ceo@bank.example", 1) if rng.random() < 0.5 else text + ", " + other


def generate(fields, count):
    rng = random.Random(SEED)
    texts = [value.decode("utf-8", "surrogateescape") for _, value in fields]
    good = [text for text, (kind, _) in zip(texts, fields) if kind == "good"]
    seen, made = set(texts), []
    while len(made) < count:
        text = rng.choice(good if rng.random() < 0.5 else texts)
        for _ in range(rng.choice((1, 1, 2, 3))):
            text = mutate(rng, text, texts)
        if text not in seen:
            seen.add(text)
            made.append(text.encode("utf-8", "surrogateescape"))
    return made


def fold_domain(domain):
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return domain.lower()


def fold(address):
    """The form of milter/sender_address.h; what is no address stays what it is."""
    local, at, domain = address.strip().rpartition("@")
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', local, re.S)
    if quoted:
        local = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.S)
        if not re.fullmatch(r"[^\s\"(),:;<>@\[\\\].]+(\.[^\s\"(),:;<>@\[\\\].]+)*", local):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    local = "".join(c.lower() if c < "\x80" else c for c in local)
    return local + at + fold_domain(domain)


def as_message(value):
    return b"Subject: x\r\nFrom: " + value + b"\r\nTo: you@example.org\r\n\r\nHello\r\n"


def text_of(header):
    """A field of the old API, whose octets may be hidden in surrogates or in a Header."""
    return str(header).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def field_text(value):
    message = email.message_from_bytes(as_message(value))
    # raw_items() has the octets; get_all() makes unknown-8bit of them.
    return [re.sub(r"\r?\n(?=[ \t])", "", text_of(text)) for name, text in message.raw_items() if name.lower() == "from"]


def getaddresses_lenient(texts):
    if getattr(email.utils, "supports_strict_parsing", False):
        return email.utils.getaddresses(texts, strict=False)
    return email.utils.getaddresses(texts)


def read_getaddresses(value):
    return [address for _, address in email.utils.getaddresses(field_text(value)) if address]


def read_lenient(value):
    return [address for _, address in getaddresses_lenient(field_text(value)) if address]


def read_registry(value):
    """The addresses, and is there nothing to complain about?"""
    try:
        message = email.message_from_string(as_message(value).decode(), policy=email.policy.SMTPUTF8)
    except UnicodeDecodeError:
        message = email.message_from_bytes(as_message(value), policy=email.policy.default)
    try:
        fields = message.get_all("From", [])
        addresses = [address.addr_spec for field in fields for address in field.addresses]
        defects = [defect for field in fields for defect in field.defects] + message.defects
    except Exception:                       # the registry of Python 3.11 raises IndexError and others on some fields
        return [], False
    addresses = [address.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for address in addresses]
    # <> is the address of nobody.
    return [address for address in addresses if address not in ("", "<>")], \
        not [defect for defect in defects if not is_harmless(defect)]


def is_harmless(defect):
    """About what a name says, not about where it ends."""
    return isinstance(defect, HARMLESS) or any(text in str(defect) for text in HARMLESS_TEXTS)


def read_decoded(value):
    """A careless reader: decodes, then parses; and nobody sees a zero-width space."""
    found = []
    for text in field_text(value):
        try:
            text = str(email.header.make_header(email.header.decode_header(text)))
            # decode_header() escapes what is not Latin-1 between encoded words.
            text = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
        except (UnicodeError, LookupError, ValueError, email.errors.MessageError):
            pass
        found += [address.replace("\u200b", "") for _, address in getaddresses_lenient([text])]
    return found


def run_lines(command, values, prefix=lambda value: b""):
    lines = b"".join(prefix(value) + base64.b64encode(value) + b"\n" for value in values)
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    if len(answers) != len(values):
        sys.exit(f"{command[0]}: {len(answers)} answers to {len(values)} fields")
    return answers


def read_ours(tool, values):
    return run_lines([tool], values, lambda value: b"" if value.isascii() else b"8:")


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, wrong, total):
        if not total or wrong:
            self.failed += 1
            print(f"{name}: FAILED, {len(wrong)} of {total}")
            for line in wrong[:10]:
                print(f"    {line}")
        else:
            self.passed += 1
            print(f"{name}: {total} fields")


def check_collected(tally, fields, ours):
    wrong = {"good": [], "refused": [], "misleads": []}
    total = dict.fromkeys(wrong, 0)
    for (kind, value), answer in zip(fields, ours):
        if kind == "open":
            continue
        total[kind] += 1
        accepted = "addresses" in answer
        complaint = accepted and any(answer["misleads"])
        is_right = {"good": accepted and not complaint, "refused": not accepted, "misleads": complaint}[kind]
        if not is_right:
            wrong[kind].append(f"{value!r}: {answer}")
    tally.check("collected: what real programs write is accepted", wrong["good"], total["good"])
    tally.check("collected: what deceives is refused", wrong["refused"], total["refused"])
    tally.check("collected: names that pretend are found", wrong["misleads"], total["misleads"])


def read_all(value, js_found):
    """Reader: its addresses; and has `registry` nothing to complain about?"""
    registry, is_clean = read_registry(value)
    found = {"getaddresses": read_getaddresses(value), "lenient": read_lenient(value), "registry": registry, "js": js_found}
    return {reader: [fold(address) for address in found[reader] if address] for reader in READERS}, is_clean


def check_readers(tally, fields, ours, js):
    good = [(value, answer.get("addresses"), js_found) for (kind, value), answer, js_found in zip(fields, ours, js) if kind == "good"]
    for reader in READERS:
        differing = [f"{value!r}" for value, mine, js_found in good if read_all(value, js_found)[0][reader] != mine]
        tally.check(f"readers: {reader} reads all but {len(differing)} of the fields of real programs as ours does",
                    differing if len(differing) > len(good) * ASLEEP_SHARE else [], len(good))


def compare(tally, values, ours, js):
    visible, strict, decoded = [], [], []
    accepted = disagreements = shown = 0
    for value, answer, js_found in zip(values, ours, js):
        folded, is_clean = read_all(value, js_found)
        mine = answer.get("addresses")
        disagree = len({tuple(folded[reader]) for reader in READERS}) > 1
        disagreements += disagree
        if mine is None:
            continue
        accepted += 1
        for reader in READERS:
            if not set(folded[reader]) <= set(mine):
                visible.append(f"{value!r}: {reader} sees {folded[reader]}, ours {mine}")
        if disagree and not (is_clean and folded["registry"] == mine):
            strict.append(f"{value!r}: ours {mine}, {folded}, {'clean' if is_clean else 'defects'}")
        if not any(answer["misleads"]):
            shown += 1
            careless = [fold(address) for address in read_decoded(value)]
            pieces = {piece.rstrip(".'") for text in careless if text not in mine for piece in ADDRESS.findall(text)}
            # Without an address, From is refused by the rule from_syntax.
            if mine and not pieces <= set(mine):
                decoded.append(f"{value!r}: decoded first {careless}, ours {mine}")
    print(f"the readers disagree about {disagreements} of {len(values)} fields; ours accepts {accepted}")
    tally.check("visible: no reader sees an address that ours does not report", visible, accepted)
    tally.check("strict: where readers disagree, ours refuses or has the strict reading", strict, disagreements)
    tally.check("decoded: nor does one that decodes first", decoded, shown)


def main():
    tool = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    node = os.environ.get("NODE", "node")
    warnings.simplefilter("ignore")
    fields = collected()
    generated = generate(fields, count)
    values = [value for _, value in fields] + generated
    ours = read_ours(tool, values)
    js = run_lines([node, os.path.join(HERE, "addressparser.js")], values)
    tally = Tally()
    check_collected(tally, fields, ours)
    check_readers(tally, fields, ours, js)
    compare(tally, values, ours, js)
    accepted = sum("addresses" in answer for answer in ours[len(fields):])
    too_few = [] if accepted >= ACCEPTED_SHARE * count else [f"only {accepted} are accepted"]
    tally.check(f"share: of the generated fields {accepted} are accepted", too_few, count)
    print(f"differential: {tally.passed} passed, {tally.failed} failed")
    return tally.failed > 0


if __name__ == "__main__":
    sys.exit(main())
