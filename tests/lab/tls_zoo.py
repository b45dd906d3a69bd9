#!/usr/bin/python3
"""Certificates, keys and zones for the lab's TLS cases (tls_cases.py, sts_cases.py).

    tls_zoo.py DIRECTORY ZONES    write them, before the lab's hosts start

DIRECTORY gets NAME.ZONE.pem (key and chain) for each mail host, NAME.ZONE.sni.pem for clients without the right SNI,
sts-KIND.pem for the host of all policies, submission.pem for the relay submission.postfix.example, ca.pem (the lab's web CA), and cases.json: what tests want to know of each
mail host. ZONES gets the zone files.
"""
import datetime
import hashlib
import json
import os
import re
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import sts_cases
import tls_cases

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
DATES = {"valid": (NOW - DAY, NOW + 30 * DAY), "expired": (NOW - 400 * DAY, NOW - 30 * DAY)}
MATCHING = {"0": lambda data: data, "1": lambda data: hashlib.sha256(data).digest(), "2": lambda data: hashlib.sha512(data).digest()}


class Identity:
    """A key with a certificate for it: self-signed, or by another Identity."""

    def __init__(self, common_name, names=(), issuer=None, dates="valid", is_ca=False):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])] if common_name else [])
        signer = issuer or self
        builder = x509.CertificateBuilder(
            issuer.certificate.subject if issuer else subject, subject, self.key.public_key(), x509.random_serial_number(),
            *DATES[dates])
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        if issuer:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        if not is_ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]),
                                            critical=not common_name)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(PEM)

    def key_pem(self):
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def association(self, selector, mtype):
        data = self.certificate.public_bytes(DER) if selector == "0" else self.key.public_key().public_bytes(
            DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return MATCHING.get(mtype, MATCHING["1"])(data).hex()


class Zoo:
    def __init__(self):
        self.web = Identity("Lab Web CA", is_ca=True)
        self.other = Identity("nobody.example", ["nobody.example"])

    def make(self, cert, host, domain):
        """(leaf, list of the Identities to send, who signed the leaf or None)"""
        names = {"host": [host], "wrong": ["wrong.name.example"], "domain": [domain], "wildcard": ["*." + host.split(".", 1)[1]],
                 "none": []}.get(cert.name, [cert.name])
        upper = []
        if cert.issuer == "web":
            signer = self.web
        elif cert.issuer == "self":
            signer = None
        else:
            signer = Identity(f"CA of {host}", dates=cert.ca_dates, is_ca=True)
            upper = [signer]
            if cert.issuer == "intermediate":
                signer = Identity(f"Intermediate of {host}", issuer=signer, is_ca=True)
                upper = [signer]
        leaf = Identity((names or [""])[0], names, signer, cert.dates)
        return leaf, [leaf] + (upper if cert.send == "all" else []), signer

    def write(self, path, cert, host, domain):
        leaf, sent, signer = self.make(cert, host, domain)
        with open(path, "wb") as file:
            file.write(leaf.key_pem() + b"".join(identity.pem() for identity in sent))
        return {"leaf": leaf, "ca": signer, "web": self.web, "other": self.other}

    def data(self, record, known):
        """"3 1 1 leaf" with the data in place of the word."""
        usage, selector, mtype, what = record.split()
        identity = known.get(what)
        return f"{usage} {selector} {mtype} {identity.association(selector, mtype) if identity else what}"


def records(case, tlsa):
    """Records of a case with absolute names, and what else is to be in which zone: {zone: directive}."""
    names = {"domain": case.domain, "host": case.host, "alias": case.alias, "insecure": case.insecure}
    words = {name: value + "." for name, value in names.items()}
    for name, value in names.items():
        words[f"at_{name}"] = "\n".join(f"{value}. {'AAAA' if ':' in address else 'A'} {address}" for address in case.addresses)
        words[f"tlsa_{name}"] = "\n".join(f"_25._tcp.{value}. TLSA {record}" for record in tlsa)
    words["other"] = "00" * 32
    lines = (case.records or tls_cases.USUAL).format(**words).splitlines()
    zones = dict(re.fullmatch(r"zone (.*)\.: (.*)", line).groups() for line in lines if line.startswith("zone "))
    return [line for line in lines if line and not line.startswith("zone ")], zones


class Zones:
    """Zone files: lines go to the closest zone by their owner's name."""

    def __init__(self, directives):
        self.text = {name: f"; lab: {directive}\n" if directive else "; Not signed.\n" for name, directive in directives.items()}

    def add(self, line):
        words = line.split()
        owner = words[3] if line.startswith("; lab:") else words[0]
        fitting = [name for name in self.text if owner == name + "." or owner.endswith(f".{name}.")]
        self.text[max(fitting, key=len)] += line + "\n"

    def write(self, directory):
        for name, text in self.text.items():
            with open(os.path.join(directory, name + ".zone"), "w", encoding="ascii") as file:
                file.write(text)


def write_sts_certificates(zoo, directory):
    """One certificate of each kind, for the names of all policy hosts."""
    names = sts_cases.names()
    kinds = {"good": Identity("", names, zoo.web), "expired": Identity("", names, zoo.web, "expired"),
             "wrong": Identity("", ["mta-sts.wrong.example"], zoo.web), "self": Identity("", names),
             "unknown": Identity("", names, Identity("Unknown CA", is_ca=True))}
    for kind, identity in kinds.items():
        with open(os.path.join(directory, f"sts-{kind}.pem"), "wb") as file:
            file.write(identity.key_pem() + identity.pem())


def sts_records(case):
    for number, domain in enumerate(case.mx, 1):
        yield f"{case.domain}. MX {number} {tls_cases.find(domain).host}."
    for text in case.txt:
        yield f'_mta-sts.{case.domain}. TXT "{text}"'
    addresses = [case.address] if case.address else sts_cases.ADDRESSES
    for address in addresses if case.address != "none" else []:
        yield f"{case.policy_host}. {'AAAA' if ':' in address else 'A'} {address}"


def main():
    directory, zone_directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    zoo, zones, about = Zoo(), Zones({**tls_cases.ZONES, sts_cases.ZONE: "signed"}), {}
    for case in tls_cases.CASES:
        base = os.path.join(directory, case.domain)
        known = zoo.write(base + ".pem", case.cert or tls_cases.Cert(), case.host, case.domain)
        if case.sni:
            zoo.write(base + ".sni.pem", case.sni, case.host, case.domain)
        tlsa = [zoo.data(record, known) for record in case.tlsa]
        lines, own_zones = records(case, tlsa)
        for line in lines:
            zones.add(line)
        zones.text.update({name: f"; lab: {directive}\n" for name, directive in own_zones.items()})
        leaf = known["leaf"]
        about[case.domain] = {"tlsa": tlsa, "addresses": case.addresses, "host": case.host,
                              "sha256": leaf.certificate.fingerprint(hashes.SHA256()).hex(":"),
                              "spki_sha256": bytes.fromhex(leaf.association("1", "1")).hex(":")}
    write_sts_certificates(zoo, directory)
    zoo.write(os.path.join(directory, "submission.pem"), tls_cases.Cert(issuer="web"), "submission.postfix.example", "postfix.example")
    for case in sts_cases.CASES:
        for line in sts_records(case):
            zones.add(line)
    zones.write(zone_directory)
    for name, content in (("ca.pem", zoo.web.pem()), ("cases.json", json.dumps(about, indent=1).encode())):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)


if __name__ == "__main__":
    main()
