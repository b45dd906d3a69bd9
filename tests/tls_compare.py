#!/usr/bin/python3
"""Ask four programs about every DANE case of the lab, and compare: lab run tests/tls_compare.py [--without NAME] [PATTERN...]

postern-edge (a message sent through the lab's mail host), Postfix's smtp(8) and posttls-finger on the VPS, and GnuTLS's
danetool, which knows nothing of MX records and is asked only about certificates.  A verdict is one of
tls_cases.VERDICTS.  Whoever differs from what the case expects must do so as EXPLAINED says.

Prints a Markdown table; a run over all cases with all programs writes it into doc/TLS.md too.  Exit status 1 when a
disagreement is not explained.
"""
import concurrent.futures
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "e2e"), os.path.join(HERE, "lab")]
import tls_cases  # noqa: E402
from harness import lab, wait_for  # noqa: E402

DOCUMENT = os.path.join(os.environ["PROJECT"], "doc", "TLS.md")
BEGIN, END = "<!-- make tls-compare: begin -->", "<!-- make tls-compare: end -->"
SENDER = "anna@home.example"
MESSAGE = "From: anna@home.example\nSubject: who are you\n\nhello\n"
TIMEOUT = 240
UNKNOWN = "?"

NO_PROOF = "a failed lookup is to it as if there were no records"
CHAIN_ONLY = "wants the CA in the chain"
# {program: {case: (its verdict, why)}}
EXPLAINED = {
    "postern-edge": {},
    "smtp(8)": {},
    "posttls-finger": {"no-starttls-next": ("no-tls", "ends with the first host that it can talk to")},
    "danetool": {
        "denial-bogus": ("may", NO_PROOF), "tlsa-servfail": ("may", NO_PROOF), "tlsa-timeout": ("may", NO_PROOF),
        "mixed-bad": ("dane", "usages 0 and 1 count"),
        "ta-wrong-name": ("dane", "does not compare names"),
        "ta-200-not-sent": ("mismatch", CHAIN_ONLY), "ta-210-not-sent": ("mismatch", CHAIN_ONLY),
        "agility-bad": ("dane", "any matching record will do"),
    },
}


def first(text, *rules):
    """The verdict of the first rule (pattern, verdict) that is found in the text."""
    return next((verdict for pattern, verdict in rules if re.search(pattern, text)), UNKNOWN)


def ask_edge(cases):
    """{domain: verdict}; the log of the VPS says how it was delivered, Postfix's log why not."""
    ids = {case.domain: lab.home.inject(SENDER, [f"you@{case.domain}"], MESSAGE.replace("\n", "\r\n").encode()) for case in cases}
    outcomes = wait_status(lab.home, "lmtp", ids)
    verdicts = {}
    for domain, line in outcomes.items():
        level = "".join(lab.vps.grep_log(rf" {ids[domain]}: .*status=sent"))
        verdicts[domain] = first(
            level or line,
            (r"tls=dane .*unauthenticated", "unusable"), (r"tls=dane .*trusted, not verified", "trusted"), (r"tls=dane ", "dane"),
            (r"tls=may ", "may"), (r"tls=none", "none"), (r"tls=TLSv\S+ \S+ \(unauthenticated\)", "may"), *DEFERRED)
    return verdicts


DEFERRED = (
    (r"dsn=4\.[47]\.\d, status=deferred.*(TLSA lookup|DNS lookup|SERVFAIL|[Nn]ame service|DNSSEC)", "dns"),
    (r"dsn=4\.7\.\d, status=deferred.*([Cc]annot start TLS|handshake)", "handshake"),
    (r"dsn=4\.7\.4, status=deferred", "no-tls"), (r"dsn=4\.7\.0, status=deferred .*refused to talk", "no-tls"),
    (r"dsn=4\.7\.\d, status=deferred.*454", "no-tls"),
    (r"dsn=4\.7\.5, status=deferred", "mismatch"))


def wait_status(host, program, ids):
    """{domain: the first line about its recipient}"""
    found = {}

    def all_there():
        for line in host.grep_log(rf"postfix/{program}\[.*: to=<you@.*status="):
            found.setdefault(re.search(r"to=<you@(.*?)>", line).group(1), line)
        return set(ids) <= set(found)
    wait_for(f"outcomes by {program}", all_there, TIMEOUT, 0.5)
    return {domain: found[domain] for domain in ids}


def ask_smtp(cases):
    """Postfix on the VPS, with smtp_tls_security_level = dane."""
    lab.vps.run("postfix", "start")
    try:
        for case in cases:
            lab.vps.run("sendmail", "-i", "-f", SENDER, "--", f"you@{case.domain}", input=MESSAGE)
        outcomes = wait_status(lab.vps, "smtp", [case.domain for case in cases])
    finally:
        lab.vps.run("postfix", "stop")
        lab.vps.run("postsuper", "-d", "ALL")
    return {domain: smtp_verdict(line) for domain, line in outcomes.items()}


def smtp_verdict(line):
    if "status=sent" not in line:
        return first(line, *DEFERRED)
    relay = re.search(r"relay=(.*?), ", line).group(1)
    process = re.search(r"smtp\[\d+\]", line).group(0)
    about = "\n".join(lab.vps.grep_log(re.escape(process) + ".*" + re.escape(relay.split("[")[0])))
    return first(about, (r"(?m)^.*Verified TLS connection established to " + re.escape(relay), "dane"),
                 (r"Trusted TLS connection established to " + re.escape(relay), "trusted"),
                 (r"unusable|unsupported TLSA", "unusable"),
                 (r"(Untrusted|Anonymous) TLS connection established to " + re.escape(relay), "may"), ("", "none"))


def output(*command):
    done = lab.vps.run(*command, check=False, timeout=TIMEOUT)
    return done.stdout + done.stderr


def ask_finger(cases):
    def one(case):
        text = output("posttls-finger", "-c", "-l", "dane", "-L", "summary,verbose", case.domain)
        has_records = "TLSA record" in text or "unsupported TLSA" in text
        return first(
            text, (r"Verified TLS connection established", "dane"), (r"Trusted TLS connection established", "trusted"),
            (r"verify error:num=65|num=65:", "mismatch"), (r"all TLSA records unusable", "unusable"),
            (r"unsupported TLSA(?s:.*)Untrusted TLS", "unusable"),
            (r"SSL_connect error", "handshake"),
            (r"certificate verification failed.*TLSA|verification failed", "mismatch" if "DNSSEC-signed TLSA" in text else "may"),
            (r"Untrusted TLS connection", "mismatch" if "DNSSEC-signed TLSA" in text else "may"),
            (r"STARTTLS rejected", "no-tls"), (r"lookup error|lookup failed", "dns"), ("", "no-tls" if has_records else "none"))
    return side_by_side(one, cases)


# Not danetool's question: MX and alias records, hosts beside the first, what follows from records it cannot use.
DANETOOL_ANSWERS = ("dane", "trusted", "mismatch", "dns")
NOT_DANETOOL = ("mx-bogus", "a-bogus", "expired-zone")


def ask_danetool(cases):
    def one(case):
        if case.verdict not in DANETOOL_ANSWERS or case.at or case.name in NOT_DANETOOL or case.records.startswith(
                (tls_cases.ALIAS, tls_cases.TO_INSECURE)):
            return None
        text = output("danetool", "--local-dns", f"--check={case.host}", "--port=25", "--starttls-proto=smtp")
        return first(text, (r"signature is invalid", "dns"),
                     (r"No DANE data", "may"), (r"Certificate matches", case.verdict if case.verdict == "trusted" else "dane"),
                     (r"Verification failed|data are not available", "mismatch"))
    return side_by_side(one, cases)


def side_by_side(function, cases):
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        return dict(zip([case.domain for case in cases], pool.map(function, cases)))


PROGRAMS = {"postern-edge": ask_edge, "smtp(8)": ask_smtp, "posttls-finger": ask_finger, "danetool": ask_danetool}


def table(cases, verdicts):
    """(lines of the table, number of disagreements explained, of others)"""
    lines = ["| case | | expected | " + " | ".join(verdicts) + " | disagreements |",
             "| --- | --- | --- |" + " --- |" * (len(verdicts) + 1)]
    explained = unexplained = 0
    for case in cases:
        cells, notes = [], []
        for program, found in verdicts.items():
            verdict = found[case.domain]
            known, reason = EXPLAINED[program].get(case.name, (None, ""))
            if verdict is None or verdict == case.verdict:
                cells.append(verdict or "")
            elif verdict == known:
                explained += 1
                cells.append(f"*{verdict}*")
                notes.append(f"{program}: {reason}")
            else:
                unexplained += 1
                cells.append(f"**{verdict}**")
                notes.append(f"{program}: NOT EXPLAINED")
        lines.append(f"| {case.number} | {case.name} | {case.verdict} | " + " | ".join(cells) + f" | {'; '.join(notes)} |")
    return lines, explained, unexplained


def write_document(lines):
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)


def main():
    arguments = sys.argv[1:]
    programs = dict(PROGRAMS)
    while "--without" in arguments:
        at = arguments.index("--without")
        del programs[arguments[at + 1]], arguments[at:at + 2]
    every = [case for case in tls_cases.CASES if case.number]
    cases = [case for case in every if not arguments or any(pattern in case.domain for pattern in arguments)]
    lab.reset()
    verdicts = {}
    for program, ask in programs.items():
        began = time.monotonic()
        verdicts[program] = ask(cases)
        print(f"{program}: {len(cases)} cases in {time.monotonic() - began:.0f} s", file=sys.stderr)
    lines, explained, unexplained = table(cases, verdicts)
    print("\n".join(lines))
    if cases == every and programs == PROGRAMS and os.path.exists(DOCUMENT):
        write_document(lines)
    print(f"\n{len(cases)} cases, {len(programs)} programs: {explained} disagreements explained, {unexplained} unexplained")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
