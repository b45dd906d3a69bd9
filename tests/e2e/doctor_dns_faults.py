"""Faults in the DNS of sending domains, and the check of `postern doctor` that must find each of them.

FAULTS is a table of (label, directive for zones.py or "", changed records, id, result, pattern). Each row is a domain of its own, whose
zone is that of a healthy one with these records in the place of those that have the same name and type; None takes them away.
All of them are looked at in one run: `postern doctor --domain DOMAIN...`.
"""
ADDRESSES = {"v4": "198.51.100.20", "v6": "2001:db8:2::20"}
# "@KEY@" is the key that signs for all of them.
HEALTHY = {
    ("@", "TXT"): ["v=spf1 ip4:198.51.100.20 ip6:2001:db8:2::20 -all"],
    ("@", "MX"): ["10 mx"],
    ("mx", "A"): ["203.0.113.11"],
    ("lab._domainkey", "TXT"): ["v=DKIM1; k=rsa; p=@KEY@"],
    ("_dmarc", "TXT"): ["v=DMARC1; p=reject"],
}
OWN = "ip4:198.51.100.20 ip6:2001:db8:2::20"
# Another key than the one that signs.
OTHER_KEY = ("MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALRiMLAhXjDYRGdOhX4C3l3sQzFN8Q1RvF3zN8Cq8pHnn3nS3mHHsMZLOq1pNmBvKwqGmXJ2BhVbAmNvyVbQKRUCAwEAAQ==")

FAULTS = [
    ("healthy", "", {}, None, None, None),
    ("healthy-signed", "signed", {("_25._tcp.mx", "TLSA"): ["3 1 1 " + "01" * 32], ("_mta-sts", "TXT"): ["v=STSv1; id=1;"],
                                  ("mta-sts", "A"): ["203.0.113.67"], ("_smtp._tls", "TXT"): ["v=TLSRPTv1; rua=mailto:a@example.com"]},
     "domain-sts", "FAIL", "policy cannot be had"),
    ("no-spf", "", {("@", "TXT"): None}, "domain-spf", "FAIL", "no SPF record"),
    ("two-spf", "", {("@", "TXT"): [f"v=spf1 {OWN} -all", "v=spf1 mx -all"]}, "domain-spf", "FAIL", "more than one"),
    ("bad-spf", "", {("@", "TXT"): [f"v=spf1 {OWN} ipv4:192.0.2.1 -all"]}, "domain-spf", "FAIL", "ipv4:192.0.2.1"),
    ("all-spf", "", {("@", "TXT"): ["v=spf1 +all"]}, "domain-spf", "FAIL", "everybody"),
    ("no-ipv6-spf", "", {("@", "TXT"): ["v=spf1 ip4:198.51.100.20 -all"]}, "domain-spf-covers", "FAIL", r"2001:db8:2::20: fail by \"-all\""),
    ("apex-spf", "", {("@", "TXT"): ["v=spf1 a:vps.example -all"]}, "domain-spf-covers", "FAIL", "198.51.100.20"),
    ("deep-spf", "", {("@", "TXT"): [f"v=spf1 {OWN} include:one include:two -all".replace("one", "one.deep-spf.example").replace("two", "two.deep-spf.example")],
                      ("one", "TXT"): ["v=spf1 " + "a:mx.deep-spf.example " * 5 + "-all"],
                      ("two", "TXT"): ["v=spf1 " + "a:mx.deep-spf.example " * 5 + "-all"]}, "domain-spf-lookups", "FAIL", "12 DNS look-ups"),
    ("void-spf", "", {("@", "TXT"): [f"v=spf1 {OWN} a:a.void-spf.example a:b.void-spf.example mx:c.void-spf.example -all"]},
     "domain-spf-lookups", "FAIL", "do not exist"),
    ("no-dkim", "", {("lab._domainkey", "TXT"): None}, "domain-dkim", "FAIL", "no record"),
    ("other-dkim", "", {("lab._domainkey", "TXT"): [f"v=DKIM1; k=rsa; p={OTHER_KEY}"]}, "domain-dkim", "FAIL", "another key"),
    ("revoked-dkim", "", {("lab._domainkey", "TXT"): ["v=DKIM1; p="]}, "domain-dkim", "FAIL", "revoked"),
    ("foreign-dkim", "", {("@", "TXT"): ["v=spf1 -all"]}, "domain-alignment", "FAIL", "DKIM is for foreign.example"),
    ("no-dmarc", "", {("_dmarc", "TXT"): None}, "domain-dmarc", "FAIL", "no DMARC record"),
    ("two-dmarc", "", {("_dmarc", "TXT"): ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "domain-dmarc", "FAIL", "more than one"),
    ("bad-dmarc", "", {("_dmarc", "TXT"): ["v=DMARC1; p=block"]}, "domain-dmarc", "FAIL", "block"),
    ("no-mx", "", {("@", "MX"): None}, "domain-mx", "FAIL", "neither an MX record nor an address"),
    ("lost-mx", "", {("mx", "A"): None}, "domain-mx", "FAIL", "has no address"),
    ("null-mx", "", {("@", "MX"): ["0 ."]}, "domain-mx", "warn", "null MX"),
    ("unsigned-tlsa", "", {("_25._tcp.mx", "TLSA"): ["3 1 1 " + "01" * 32]}, "domain-dane", "FAIL", "not signed"),
    ("broken-tlsa", "break _25._tcp.mx TLSA", {("_25._tcp.mx", "TLSA"): ["3 1 1 " + "01" * 32]}, "domain-dane", "FAIL", "DNSSEC"),
    ("bogus-zone", "bogus", {}, "domain-dnssec", "FAIL", "DNSSEC"),
    ("bad-sts", "", {("_mta-sts", "TXT"): ["v=STSv1;"]}, "domain-sts", "FAIL", "record"),
    ("lost-sts", "", {("_mta-sts", "TXT"): ["v=STSv1; id=1;"]}, "domain-sts", "FAIL", "has no address"),
    ("bad-tlsrpt", "", {("_smtp._tls", "TXT"): ["v=TLSRPTv1;"]}, "domain-tlsrpt", "FAIL", "record"),
    ("lame", "lame", {}, "domain-spf", "unknown", "SERVFAIL"),
]


def domain_of(label):
    return f"{label}.example"


def quote(kind, data):
    """A TXT record's strings have at most 255 bytes."""
    return data if kind != "TXT" else " ".join(f'"{data[at:at + 255]}"' for at in range(0, len(data), 255))


def zone_of(directive, changes, key):
    records = HEALTHY | changes
    lines = [f"; lab: {directive}"] if directive else []
    lines += [f"{name} {kind} " + quote(kind, data.replace("@KEY@", key))
              for (name, kind), rows in records.items() for data in rows or ()]
    return "\n".join(lines) + "\n"
