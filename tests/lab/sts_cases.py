"""MTA-STS domains (RFC 8461): NAME.policy.example, a signed zone, each with its TXT record, policy host and mail host.

txt         the strings of the TXT records at _mta-sts, as in a zone file
policy      text of the policy; {mx} is the mail host; None: the usual one with `mode`
host        what the policy host does, see BEHAVIOUR
address     of the policy host, in place of the one that serves
mx          the mail hosts in order: domains of tls_cases.py (hosts of sts.example are insecure: DANE has no say)
verdict     one of tls_cases.VERDICTS or of VERDICTS here, of a client with DANE and MTA-STS
at          the mail host that gets the message, if not the first

The policy host looks at every connection for a file NAME.json (NAME: the whole name, mta-sts.NAME.policy.example) with
keys of BEHAVIOUR in /srv/lab/sts; it comes before what is written here, so tests change it at run time. RUNTIME are
domains that only have a certificate; tests make their zones.
"""
import dataclasses

ZONE = "policy.example"
RUNTIME = [f"runtime{number}.example" for number in range(1, 21)]
ADDRESSES = ("203.0.113.22", "2001:db8:25::22")

# What a policy host can do; the first of each is the usual.
BEHAVIOUR = {
    "certificate": "good",      # wrong, expired, self, unknown
    "tls": "good",              # stall: silence in place of a ServerHello; alert; old: TLS 1.1 at most; garbage; http: in plaintext
    "http": "good",             # garbage in place of an answer
    "status": "200 OK",
    "type": "text/plain",       # None: no Content-Type
    "headers": [],              # further lines
    "body": "",
    "padding": 0,               # so many bytes of unknown keys more
    "encoding": None,           # gzip: whether asked for or not
    "chunked": False,           # in chunks; "endless": without an end
    "stall": None,              # "headers": silence in place of them; "body": after half of it; "drip": a byte a second
}

VERDICTS = {
    "sts": "delivered, the certificate holds",
    "testing": "delivered, although a policy in mode testing is not met: logged",
    "testing-met": "delivered, a policy in mode testing is met",
    "not-listed": "deferred: no mail host is listed in the policy",
    "sts-cert": "deferred: the certificate does not hold",
    "sts-no-tls": "deferred: no TLS to be had",
}

TXT = ("v=STSv1; id=20260101000000;",)
USUAL = "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"


@dataclasses.dataclass
class StsCase:
    number: int
    name: str
    verdict: str
    txt: tuple = TXT
    policy: str = None
    mode: str = "enforce"
    host: dict = dataclasses.field(default_factory=dict)
    address: str = ""
    mx: tuple = ("wrong-name.sts.example",)
    at: str = ""

    @property
    def domain(self):
        return f"{self.name}.{ZONE}"

    @property
    def policy_host(self):
        return f"mta-sts.{self.domain}"

    @property
    def label(self):
        return f"case {self.number} {self.name}"

    def text(self, mail_host):
        return (USUAL if self.policy is None else self.policy).replace("{mode}", self.mode).replace("{mx}", mail_host)


def txt_case(name, verdict, *txt):
    return StsCase(80, "txt-" + name, verdict, txt)


def host_case(number, name, verdict="may", **host):
    return StsCase(number, name, verdict, host=host)


def syntax_case(name, verdict, policy):
    return StsCase(84, "syntax-" + name, verdict, policy=policy)


def mx_case(mode, mx, verdict, number=86):
    return StsCase(number, f"{mode}-{mx}", verdict, mode=mode, mx=(f"{mx}.sts.example",))


def other_mx(number, name, verdict, mx, patterns="mx: {mx}\n"):
    return StsCase(number, name, verdict, policy=f"version: STSv1\nmode: enforce\n{patterns}max_age: 86400\n", mx=mx)


GOOD, WRONG = ("good.sts.example",), ("wrong-name.sts.example",)

CASES = [
    # The TXT record. Behind each is a policy that the mail host fails: it is obeyed or it is not known.
    txt_case("good", "sts-cert", *TXT),
    txt_case("none", "may"),
    txt_case("two", "may", "v=STSv1; id=1;", "v=STSv1; id=2;"),
    txt_case("beside-another", "sts-cert", "v=spf1 -all", "v=STSv1; id=1;"),
    txt_case("two-strings", "sts-cert", "v=STSv1;\" \" id=1;"),
    txt_case("extension", "sts-cert", "v=STSv1; id=1; future=yes;"),
    txt_case("no-last-semicolon", "sts-cert", "v=STSv1; id=1"),
    txt_case("version-12", "may", "v=STSv12; id=1;"),
    txt_case("version-lower-case", "may", "v=stsv1; id=1;"),
    txt_case("id-first", "may", "id=1; v=STSv1;"),
    txt_case("no-id", "may", "v=STSv1;"),
    txt_case("empty-id", "may", "v=STSv1; id=;"),
    txt_case("id-32", "sts-cert", f"v=STSv1; id={32 * 'a'};"),
    txt_case("id-33", "may", f"v=STSv1; id={33 * 'a'};"),
    txt_case("id-characters", "may", "v=STSv1; id=2026-01-01;"),
    txt_case("empty", "may", ""),
    # The policy host.
    host_case(81, "https-wrong-name", certificate="wrong"),
    host_case(81, "https-expired", certificate="expired"),
    host_case(81, "https-self-signed", certificate="self"),
    host_case(81, "https-unknown-ca", certificate="unknown"),
    host_case(81, "https-stalls", tls="stall"),
    host_case(81, "https-alert", tls="alert"),
    host_case(81, "https-headers-stall", stall="headers"),
    host_case(81, "https-body-stalls", stall="body"),
    host_case(81, "https-drips", stall="drip"),
    host_case(81, "https-404", status="404 Not Found"),
    host_case(81, "https-500", status="500 Internal Server Error"),
    host_case(81, "https-204", status="204 No Content"),
    host_case(81, "https-301", status="301 Moved Permanently",
              headers=["Location: https://mta-sts.txt-good.policy.example/.well-known/mta-sts.txt"]),
    host_case(81, "https-302", status="302 Found",
              headers=["Location: https://mta-sts.txt-good.policy.example/.well-known/mta-sts.txt"]),
    StsCase(81, "https-refused", "may", address="203.0.113.67"),
    StsCase(81, "https-no-answer", "may", address="203.0.113.66"),
    StsCase(81, "https-no-address", "may", address="none"),
    host_case(82, "body-large", padding=65536),
    host_case(82, "body-rather-large", "sts-cert", padding=30000),
    host_case(82, "body-endless", chunked="endless"),
    host_case(82, "body-chunked", "sts-cert", chunked=True),
    host_case(82, "type-html", type="text/html"),
    host_case(82, "type-none", type=None),
    host_case(82, "type-parameter", "sts-cert", type="text/plain; charset=utf-8"),
    host_case(82, "gzip", encoding="gzip"),
    host_case(82, "gzip-bomb", encoding="gzip", padding=10 << 20),
    StsCase(83, "private", "may", address="10.0.0.1"),
    StsCase(83, "loopback", "may", address="127.0.0.1"),
    StsCase(83, "loopback6", "may", address="::1"),
    StsCase(83, "own", "may", address="198.51.100.20"),
    StsCase(83, "metadata", "may", address="169.254.169.254"),
    # The text.
    syntax_case("lf", "sts-cert", USUAL),
    syntax_case("crlf", "sts-cert", USUAL.replace("\n", "\r\n")),
    syntax_case("no-last-line-end", "sts-cert", USUAL.rstrip("\n")),
    syntax_case("spaces", "sts-cert", "version:STSv1\nmode:    enforce  \nmx:\t{mx}\nmax_age: 86400\n"),
    syntax_case("unknown-keys", "sts-cert", USUAL + "colour: blue\nx-y_z1: {}\n"),
    syntax_case("order", "sts-cert", "max_age: 86400\nmx: {mx}\nmode: enforce\nversion: STSv1\n"),
    syntax_case("doubled-mode", "sts-cert", USUAL + "mode: none\n"),
    syntax_case("doubled-none-first", "may", "version: STSv1\nmode: none\nmode: enforce\nmx: {mx}\nmax_age: 86400\n"),
    syntax_case("no-version", "may", "mode: enforce\nmx: {mx}\nmax_age: 86400\n"),
    syntax_case("version-2", "may", USUAL.replace("STSv1", "STSv2")),
    syntax_case("no-mode", "may", "version: STSv1\nmx: {mx}\nmax_age: 86400\n"),
    syntax_case("mode-doubt", "may", USUAL.replace("{mode}", "doubt")),
    syntax_case("no-max-age", "may", "version: STSv1\nmode: enforce\nmx: {mx}\n"),
    syntax_case("max-age-letters", "may", USUAL.replace("86400", "abc")),
    syntax_case("max-age-negative", "may", USUAL.replace("86400", "-1")),
    syntax_case("max-age-largest", "sts-cert", USUAL.replace("86400", "31557600")),
    syntax_case("max-age-too-large", "may", USUAL.replace("86400", "31557601")),
    syntax_case("max-age-huge", "may", USUAL.replace("86400", "99999999999999999999")),
    syntax_case("no-mx", "may", "version: STSv1\nmode: enforce\nmax_age: 86400\n"),
    syntax_case("nul", "may", USUAL.replace("enforce", "{mode}") + "a: b\0c\n"),
    syntax_case("utf8-in-mode", "may", USUAL.replace("{mode}", "enf\u00f6rce")),
    syntax_case("not-a-policy", "may", "<html>hello</html>\n"),
    syntax_case("empty", "may", ""),
    # Which mail hosts are listed.
    other_mx(85, "listed", "sts", GOOD),
    other_mx(85, "listed-upper-case", "sts", GOOD, "mx: MX.Good.STS.example\n"),
    other_mx(85, "not-listed", "not-listed", GOOD, "mx: mx.elsewhere.example\n"),
    other_mx(85, "one-of-two-patterns", "sts", GOOD, "mx: mx.elsewhere.example\nmx: {mx}\n"),
    other_mx(85, "wildcard", "sts", GOOD, "mx: *.good.sts.example\n"),
    other_mx(85, "wildcard-two-labels", "not-listed", GOOD, "mx: *.sts.example\n"),
    other_mx(85, "wildcard-apex", "not-listed", GOOD, "mx: *.mx.good.sts.example\n"),
    StsCase(85, "second-is-listed", "sts", policy="version: STSv1\nmode: enforce\nmx: mx.good.sts.example\nmax_age: 86400\n",
            mx=("self-signed.sts.example", "good.sts.example"), at="good.sts.example"),
    StsCase(85, "testing-not-listed", "testing", policy="version: STSv1\nmode: testing\nmx: mx.elsewhere.example\nmax_age: 86400\n",
            mx=GOOD),
    # The mail host's TLS.
    mx_case("enforce", "good", "sts"),
    mx_case("enforce", "wildcard", "sts"),
    mx_case("enforce", "sni-web", "sts"),
    mx_case("enforce", "wrong-name", "sts-cert"),
    mx_case("enforce", "expired", "sts-cert"),
    mx_case("enforce", "self-signed", "sts-cert"),
    mx_case("enforce", "unknown-ca", "sts-cert"),
    mx_case("enforce", "no-starttls", "sts-no-tls"),
    mx_case("enforce", "tls11", "sts-no-tls"),
    StsCase(86, "enforce-second-is-good", "sts", policy="version: STSv1\nmode: enforce\nmx: *.expired.sts.example\nmx: *.good.sts.example\n"
            "max_age: 86400\n", mx=("expired.sts.example", "good.sts.example"), at="good.sts.example"),
    mx_case("testing", "good", "testing-met"),
    mx_case("testing", "wrong-name", "testing"),
    mx_case("testing", "self-signed", "testing"),
    mx_case("testing", "no-starttls", "none"),
    mx_case("none", "self-signed", "may"),
    mx_case("none", "no-starttls", "none"),
    # With TLSA records: DANE decides, unless none of them is usable.
    other_mx(88, "dane-and-sts", "dane", ("ee.tls.example",)),
    other_mx(88, "dane-not-sts-certificate", "dane", ("web-dane.tls.example",)),
    other_mx(88, "dane-not-listed", "dane", ("ee.tls.example",), "mx: mx.elsewhere.example\n"),
    other_mx(88, "sts-not-dane", "mismatch", ("web.tls.example",)),
    other_mx(88, "tlsa-bogus", "dns", ("tlsa-bogus.tls.example",)),
    other_mx(88, "tlsa-unusable", "sts", ("pkix-ta.tls.example",)),
    other_mx(88, "tlsa-unusable-wrong-name", "sts-cert", ("pkix-bad.tls.example",)),
]


def find(domain):
    """The case with this domain or name."""
    return next(case for case in CASES if domain in (case.domain, case.name))


def names():
    """All policy hosts, for certificates."""
    return [case.policy_host for case in CASES] + [f"mta-sts.{domain}" for domain in RUNTIME]
