"""The cases of the host mx-tls: what each mail host serves, what the DNS says about it, what must come of it.

A case has an IPv4 and an IPv6 address of its own, the domain NAME.ZONE and the mail host mx.NAME.HOST_ZONE.

cert        the certificate, see Cert; None: none at all (anonymous cipher suites)
tlsa        TLSA records of the mail host: "USAGE SELECTOR MTYPE WHAT"; WHAT is leaf, ca (who signed it), web (the lab's
            web CA), other (a certificate nobody has) or the data in hexadecimal
records     the DNS, in place of the usual MX, A, AAAA and TLSA; in it {domain}, {host}, {alias} (a name beside the domain),
            {insecure} (a name in a zone that is not signed), {at_X} (A and AAAA for X), {tlsa_X} (TLSA at _25._tcp.X);
            "; lab:" lines as in zones.py; "zone NAME: directive" makes a zone of its own for that name
starttls    offer, absent, refuse (454), break (says 220, then alerts)
versions    lowest and highest TLS version; ciphers: OpenSSL's list
sni         a Cert for clients that do not name the case's `sni_name` ({host} unless told otherwise)
requiretls  offers REQUIRETLS (RFC 8689)
verdict     of a client that does DANE where it can, and else opportunistic TLS; one of VERDICTS
at          the case whose host gets the message, if it is another one
number      the catalogue's
"""
import dataclasses
import ipaddress

SECURE, INSECURE, EXPIRED, STS = "tls.example", "insecure-tls.example", "expired-tls.example", "sts.example"
ZONES = {SECURE: "signed", INSECURE: None, EXPIRED: "expired", STS: None}

VERDICTS = {
    "dane": "delivered, the certificate matches a TLSA record",
    "trusted": "delivered, likewise, but the MX record is insecure",
    "unusable": "delivered over TLS, no TLSA record is usable: nothing is verified",
    "may": "delivered over unauthenticated TLS",
    "none": "delivered in plaintext",
    "mismatch": "deferred: the certificate matches no TLSA record",
    "no-tls": "deferred: no TLS to be had",
    "handshake": "deferred: no TLS handshake",
    "dns": "deferred: a DNS lookup failed",
}
DELIVERED = ("dane", "trusted", "unusable", "may", "none")


@dataclasses.dataclass
class Cert:
    """issuer: self, ca (one of its own), intermediate (below such a one), web (the lab's web CA).
    name: host, wrong, domain, wildcard, none, or a name. dates: valid, expired. send: leaf, or all with the CAs.
    ca_dates: of the CA."""
    issuer: str = "self"
    name: str = "host"
    dates: str = "valid"
    send: str = "all"
    ca_dates: str = "valid"


@dataclasses.dataclass
class Case:
    number: int
    name: str
    verdict: str
    tlsa: tuple = ("3 1 1 leaf",)
    cert: Cert = dataclasses.field(default_factory=Cert)
    zone: str = SECURE
    host_zone: str = ""
    records: str = ""
    starttls: str = "offer"
    versions: tuple = ("1.2", "1.3")
    ciphers: str = ""
    sni: Cert = None
    sni_name: str = "{host}"
    requiretls: bool = False
    at: str = ""
    addresses: tuple = ()

    @property
    def domain(self):
        return f"{self.name}.{self.zone}"

    @property
    def host(self):
        return f"mx.{self.name}.{self.host_zone or self.zone}"

    @property
    def alias(self):
        return f"alias.{self.domain}"

    @property
    def insecure(self):
        return f"{self.name}.{INSECURE}"

    @property
    def label(self):
        return f"case {self.number} {self.name}"


USUAL = "{domain} MX 10 {host}\n{at_host}\n{tlsa_host}\n"
ALIAS = "{domain} MX 10 {alias}\n{alias} CNAME {host}\n{at_host}\n"
TO_INSECURE = "{domain} MX 10 {alias}\n{alias} CNAME {insecure}\n{at_insecure}\n_25._tcp.{insecure} TLSA 3 1 1 {other}\n"
THEN_EE = "{domain} MX 20 mx.ee.tls.example.\n"
CA, CA_UNSENT = Cert("ca"), Cert("ca", send="leaf")
GARBAGE, SHORT = "00112233445566778899aabbccddeeff" * 2, "00112233445566778899aabbccddeeff01234567"

CASES = [
    # Lookups that fail, or cannot be believed.
    Case(60, "mx-bogus", "dns", records=USUAL + "; lab: break {domain} MX"),
    Case(60, "a-bogus", "dns", records=USUAL + "; lab: break {host} A\n; lab: break {host} AAAA"),
    Case(60, "tlsa-bogus", "dns", records=USUAL + "; lab: break _25._tcp.{host} TLSA"),
    Case(60, "tlsa-stripped", "dns", records=USUAL + "; lab: strip _25._tcp.{host} TLSA"),
    Case(60, "denial-bogus", "dns", (), records=USUAL + "; lab: break {host} NSEC"),
    Case(60, "tlsa-servfail", "dns", (), records=USUAL + "zone _25._tcp.{host}: lame"),
    Case(60, "tlsa-timeout", "dns", (), records=USUAL + "zone _25._tcp.{host}: delegate 203.0.113.66"),
    Case(60, "expired-zone", "dns", zone=EXPIRED),
    Case(60, "tlsa-bogus-next", "dane", records=USUAL + THEN_EE + "; lab: break _25._tcp.{host} TLSA", at="ee"),
    Case(60, "no-tlsa", "may", ()),
    Case(60, "no-tlsa-nodata", "may", (), records=USUAL + "_25._tcp.{host} TXT nothing"),
    # The MX record, or the address, is insecure.
    Case(61, "mx-insecure", "trusted", zone=INSECURE, host_zone=SECURE),
    Case(61, "mx-insecure-bad", "mismatch", ("3 1 1 other",), zone=INSECURE, host_zone=SECURE),
    Case(61, "mx-insecure-unusable", "unusable", ("3 9 1 leaf",), zone=INSECURE, host_zone=SECURE),
    Case(62, "a-insecure", "may", ("3 1 1 other",), host_zone=INSECURE),
    Case(62, "all-insecure", "may", ("3 1 1 other",), zone=INSECURE),
    # No TLS although TLSA records say that there is.
    Case(63, "no-starttls", "no-tls", starttls="absent"),
    Case(63, "no-starttls-unusable", "no-tls", ("3 9 1 leaf",), starttls="absent"),
    Case(63, "no-starttls-next", "dane", records=USUAL + THEN_EE, starttls="absent", at="ee"),
    Case(63, "starttls-refused", "no-tls", starttls="refuse"),
    Case(63, "starttls-breaks", "handshake", starttls="break"),
    Case(63, "no-starttls-no-tlsa", "none", (), starttls="absent"),
    # Records that cannot be used, alone and beside others.
    Case(64, "unusable-usage", "unusable", ("4 1 1 leaf", "255 1 1 leaf")),
    Case(64, "unusable-selector", "unusable", ("3 9 1 leaf",)),
    Case(64, "unusable-mtype", "unusable", ("3 1 9 leaf",)),
    Case(64, "unusable-length", "unusable", ("3 1 1 " + SHORT, "3 1 2 " + GARBAGE)),
    Case(64, "unusable-spki", "unusable", ("3 1 0 " + GARBAGE,)),
    Case(64, "unusable-certificate", "unusable", ("2 0 0 " + GARBAGE,)),
    Case(64, "unusable-all", "unusable", ("0 0 1 leaf", "1 0 1 leaf", "255 1 1 leaf", "3 9 1 leaf", "3 1 9 leaf", "3 1 1 " + SHORT)),
    Case(65, "mixed-match", "dane", ("0 0 1 other", "3 9 1 other", "3 1 1 leaf")),
    Case(65, "mixed-bad", "mismatch", ("0 0 1 leaf", "1 1 1 leaf", "3 9 1 leaf", "3 1 1 other")),
    # Aliases.
    Case(66, "cname", "dane", records=ALIAS + "{tlsa_host}"),
    Case(66, "cname-original", "dane", records=ALIAS + "{tlsa_alias}"),
    Case(66, "cname-both", "dane", records=ALIAS + "{tlsa_host}\n_25._tcp.{alias} TLSA 3 1 1 {other}"),
    Case(66, "cname-both-bad", "mismatch", ("3 1 1 leaf",), records=ALIAS + "_25._tcp.{host} TLSA 3 1 1 {other}\n{tlsa_alias}"),
    Case(66, "cname-error", "dns", records=ALIAS + "{tlsa_alias}\nzone _25._tcp.{host}: lame"),
    Case(66, "cname-to-insecure", "dane", records=TO_INSECURE + "{tlsa_alias}"),
    Case(66, "cname-to-insecure-bad", "mismatch", ("3 1 1 other",), records=TO_INSECURE + "{tlsa_alias}"),
    Case(66, "cname-to-insecure-none", "may", records=TO_INSECURE),
    Case(66, "cname-insecure", "may", ("3 1 1 other",),
         records="{domain} MX 10 {insecure}\n{insecure} CNAME {host}\n{at_host}\n{tlsa_host}\n"),
    Case(66, "tlsa-cname", "dane", records="{domain} MX 10 {host}\n{at_host}\n_25._tcp.{host} CNAME _25._tcp.{alias}\n{tlsa_alias}"),
    Case(66, "tlsa-cname-insecure", "may", ("3 1 1 other",),
         records="{domain} MX 10 {host}\n{at_host}\n_25._tcp.{host} CNAME _25._tcp.{insecure}\n{tlsa_insecure}"),
    # DANE-EE(3): nothing but the key counts.
    Case(67, "ee", "dane"),
    Case(67, "ee-expired", "dane", cert=Cert(dates="expired")),
    Case(67, "ee-wrong-name", "dane", cert=Cert(name="wrong")),
    Case(67, "ee-no-name", "dane", cert=Cert(name="none")),
    Case(67, "ee-bad", "mismatch", ("3 1 1 other",)),
    Case(68, "ee-301", "dane", ("3 0 1 leaf",)),
    Case(68, "ee-312", "dane", ("3 1 2 leaf",)),
    Case(68, "ee-310", "dane", ("3 1 0 leaf",)),
    Case(68, "ee-300", "dane", ("3 0 0 leaf",)),
    Case(68, "ee-301-bad", "mismatch", ("3 0 1 other",)),
    Case(68, "ee-312-bad", "mismatch", ("3 1 2 other",)),
    Case(68, "ee-310-bad", "mismatch", ("3 1 0 other",)),
    # DANE-TA(2): a chain, dates and a name.
    Case(69, "ta-201", "dane", ("2 0 1 ca",), CA),
    Case(69, "ta-211", "dane", ("2 1 1 ca",), CA),
    Case(69, "ta-intermediate", "dane", ("2 0 1 ca",), Cert("intermediate")),
    Case(69, "ta-next-hop-name", "dane", ("2 1 1 ca",), Cert("ca", name="domain")),
    Case(69, "ta-wildcard", "dane", ("2 1 1 ca",), Cert("ca", name="wildcard")),
    Case(69, "ta-not-sent", "mismatch", ("2 0 1 ca",), CA_UNSENT),
    Case(69, "ta-wrong-name", "mismatch", ("2 0 1 ca",), Cert("ca", name="wrong")),
    Case(69, "ta-expired", "mismatch", ("2 0 1 ca",), Cert("ca", dates="expired")),
    Case(69, "ta-ca-expired", "mismatch", ("2 0 1 ca",), Cert("ca", ca_dates="expired")),
    Case(69, "ta-bad", "mismatch", ("2 0 1 other",), CA),
    Case(70, "ta-is-leaf", "mismatch", ("2 0 1 leaf",)),
    Case(70, "ta-is-leaf-key", "mismatch", ("2 1 1 leaf",), CA),
    Case(70, "ta-200", "dane", ("2 0 0 ca",), CA),
    Case(70, "ta-200-not-sent", "dane", ("2 0 0 ca",), CA_UNSENT),
    Case(70, "ta-210-not-sent", "dane", ("2 1 0 ca",), CA_UNSENT),
    # PKIX-TA(0), PKIX-EE(1): unusable in SMTP.
    Case(71, "pkix-ta", "unusable", ("0 0 1 web",), Cert("web")),
    Case(71, "pkix-ee", "unusable", ("1 1 1 leaf",), Cert("web")),
    Case(71, "pkix-bad", "unusable", ("0 1 1 other", "1 1 1 other"), Cert("web", name="wrong")),
    # Digest algorithm agility: the strongest of one usage and selector decides; Full is no digest.
    Case(72, "agility-bad", "mismatch", ("3 1 2 other", "3 1 1 leaf")),
    Case(72, "agility-good", "dane", ("3 1 2 leaf", "3 1 1 other")),
    Case(72, "agility-full", "dane", ("3 1 2 other", "3 1 0 leaf")),
    Case(72, "agility-selector", "dane", ("3 0 2 other", "3 1 1 leaf")),
    Case(73, "roll-over", "dane", ("3 1 1 other", "3 1 1 leaf")),
    Case(73, "hundred", "dane", tuple(f"3 1 1 {number:064x}" for number in range(99)) + ("3 1 1 leaf",)),
    # SNI is the name that has the TLSA records.
    Case(74, "sni", "dane", sni=Cert(name="wrong")),
    Case(74, "sni-cname", "dane", records=ALIAS + "{tlsa_host}", sni=Cert(name="wrong")),
    Case(74, "sni-original", "dane", records=ALIAS + "{tlsa_alias}", sni=Cert(name="wrong"), sni_name="{alias}"),
    # Weak servers.
    Case(75, "anonymous", "handshake", ("3 1 1 other",), None, versions=("1.2", "1.2"), ciphers="aNULL:@SECLEVEL=0"),
    Case(75, "tls10", "handshake", versions=("1.0", "1.0"), ciphers="ALL:@SECLEVEL=0"),
    Case(75, "tls11", "handshake", versions=("1.1", "1.1"), ciphers="ALL:@SECLEVEL=0"),
    Case(75, "tls12", "dane", versions=("1.2", "1.2")),
    Case(77, "change", "dane"),
    # REQUIRETLS, for the cases about policies.
    Case(0, "requiretls", "dane", requiretls=True),
    Case(0, "requiretls-may", "may", (), requiretls=True),
    # Hosts of MTA-STS domains: what the web's CAs say counts.
    Case(0, "good", "may", (), Cert("web"), zone=STS),
    Case(0, "wrong-name", "may", (), Cert("web", name="wrong"), zone=STS),
    Case(0, "expired", "may", (), Cert("web", dates="expired"), zone=STS),
    Case(0, "self-signed", "may", (), Cert(), zone=STS),
    Case(0, "unknown-ca", "may", (), CA, zone=STS),
    Case(0, "wildcard", "may", (), Cert("web", name="wildcard"), zone=STS),
    Case(0, "no-starttls", "none", (), Cert("web"), zone=STS, starttls="absent"),
    Case(0, "tls11", "none", (), Cert("web"), zone=STS, versions=("1.1", "1.1"), ciphers="ALL:@SECLEVEL=0"),
    Case(0, "sni-web", "may", (), Cert("web"), zone=STS, sni=Cert(name="wrong")),
    Case(0, "web", "mismatch", ("3 1 1 other",), Cert("web")),
    Case(0, "web-dane", "dane", ("3 1 1 leaf",), Cert("web", name="wrong")),
]

# .66 and .67 belong to others: no answer, and refused.
NETWORKS4 = ipaddress.ip_network("203.0.113.64/26"), ipaddress.ip_network("198.51.100.128/25")
FIRST4 = 6
NETWORK6 = ipaddress.ip_network("2001:db8:25:0:fe::/80")
for _index, _case in enumerate(CASES):
    _free = [str(address) for network in NETWORKS4 for address in network][FIRST4:]
    _case.addresses = (_free[_index], str(NETWORK6[_index + 1]))


def find(domain):
    """The case with this domain, or name in tls.example."""
    return next(case for case in CASES if domain in (case.domain, case.name))
