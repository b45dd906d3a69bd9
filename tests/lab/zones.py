#!/usr/bin/python3
"""Build the lab's DNS from zone files.

    zones.py SOURCE TARGET

SOURCE holds NAME.zone, each with just the zone's own records; TARGET gets
complete, where asked for signed, zone files and nsd's list of zones.  This
script adds SOA and NS, the delegations in the parent (the closest zone above,
or the root), and DNSSEC.  Comment lines direct it:

    ; lab: signed             signed, with DS in the parent
    ; lab: bogus              signed, but the DS in the parent does not match
    ; lab: expired            signed, but all signatures ended years ago
    ; lab: future             signed, but no signature holds yet
    ; lab: break NAME TYPE    signed; the signature of these records is wrong, all else is right
    ; lab: strip NAME TYPE    signed; the signature of these records is missing
    ; lab: lame               delegated to our server, which has no data: SERVFAIL
    ; lab: delegate ADDRESS   delegated to a server at ADDRESS

A zone without any of them is not signed: below a signed one, such as example, that is
an insecure delegation. Records of a signed zone that fail to come at all: a zone of
their own name, lame or delegated to 203.0.113.66. NAME as in the zone; TYPE NSEC breaks
the proof that something is not there.

Keys are made once and kept in TARGET, so that the root's key stays the same.
"""
import glob
import os
import shutil
import subprocess
import sys

SERVER = "ns.example."
SERVER_ADDRESSES = [("A", "203.0.113.53"), ("AAAA", "2001:db8:25::53")]
ALGORITHM = "ECDSAP256SHA256"
SIGNED = ("signed", "bogus", "expired", "future", "break", "strip")
# Inception and expiration, for ldns-signzone.
DATES = {"expired": ("20200101", "20200201"), "future": ("20900101", "20910101")}


class Zone:
    def __init__(self, name, text=""):
        self.name = name
        self.text = text
        self.children = []
        self.directives = [line.split()[2:] for line in text.splitlines() if line.startswith("; lab: ")]

    def __contains__(self, directive):
        return any(words[0] == directive for words in self.directives)

    def arguments(self, directive):
        """One list for each time it is there."""
        return [words[1:] for words in self.directives if words[0] == directive]

    @property
    def fqdn(self):
        return self.name + "." if self.name else "."

    @property
    def is_served(self):
        return "delegate" not in self

    @property
    def is_signed(self):
        return not self.name or any(word in self for word in SIGNED)

    def absolute(self, name):
        return self.fqdn if name == "@" else name if name.endswith(".") else f"{name}.{self.fqdn}"


def read_zones(source):
    zones = {"": Zone("")}
    for path in glob.glob(os.path.join(source, "*.zone")):
        name = os.path.basename(path)[:-len(".zone")].lower()
        with open(path, encoding="ascii") as file:
            zones[name] = Zone(name, file.read())
    for zone in zones.values():
        if zone.name:
            parent(zone, zones).children.append(zone)
    return zones


def parent(zone, zones):
    labels = zone.name.split(".")
    above = (".".join(labels[i:]) for i in range(1, len(labels) + 1))
    return next(zones[name] for name in above if name in zones)


def key_base(zone, target):
    """The zone's key: path without suffix; made at the first call."""
    link = os.path.join(target, "keys", (zone.name or "root") + ".base")
    if not os.path.exists(link):
        made = subprocess.run(
            ["ldns-keygen", "-k", "-a", ALGORITHM, "-r", "/dev/urandom", zone.fqdn],
            cwd=os.path.join(target, "keys"), check=True, capture_output=True, text=True)
        with open(link, "w", encoding="ascii") as file:
            file.write(os.path.join(target, "keys", made.stdout.strip()))
    with open(link, encoding="ascii") as file:
        return file.read()


def ds_record(zone, target):
    made = subprocess.run(["ldns-key2ds", "-n", "-2", key_base(zone, target) + ".key"],
                          check=True, capture_output=True, text=True)
    record = made.stdout.strip()
    if "bogus" in zone:
        record = record[:-1] + ("0" if record[-1] != "0" else "1")
    return record


def delegation(child, target):
    if "delegate" in child:
        address = child.arguments("delegate")[0][0]
        kind = "AAAA" if ":" in address else "A"
        return [f"{child.fqdn} NS ns.{child.fqdn}", f"ns.{child.fqdn} {kind} {address}"]
    lines = [f"{child.fqdn} NS {SERVER}"]
    if child.is_signed:
        lines.append(ds_record(child, target))
    return lines


def complete(zone, serial, target):
    lines = [f"$ORIGIN {zone.fqdn}", "$TTL 60",
             f"@ SOA {SERVER} hostmaster.example. {serial} 3600 600 86400 5",
             f"@ NS {SERVER}"]
    for child in zone.children:
        lines += delegation(child, target)
    if not zone.name:
        lines += [f"{SERVER} {kind} {address}" for kind, address in SERVER_ADDRESSES]
        lines.append(f'lab-serial TXT "{serial}"')
    return "\n".join(lines) + f"\n$ORIGIN {zone.fqdn}\n" + zone.text + "\n"


def sign(zone, plain, output, target):
    dates = next((dates for word, dates in DATES.items() if word in zone), ())
    options = [word for pair in zip(("-i", "-e"), dates) for word in pair]
    subprocess.run(["ldns-signzone", *options, "-o", zone.fqdn, "-f", output, plain, key_base(zone, target)],
                   check=True)
    spoil_signatures(zone, output)


def spoil_signatures(zone, path):
    """Do what "break" and "strip" say; a directive that fits no record is an error."""
    wanted = {(zone.absolute(name), kind): word for word in ("break", "strip") for name, kind in zone.arguments(word)}
    if not wanted:
        return
    lines = []
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            key = (words[0], words[4]) if words[3:4] == ["RRSIG"] else None
            action = wanted.pop(key, None)
            if action == "break":
                words[12] = ("B" if words[12][0] == "A" else "A") + words[12][1:]
                line = " ".join(words) + "\n"
            if action != "strip":
                lines.append(line)
    if wanted:
        sys.exit(f"zones.py: {zone.name}: nothing to spoil: {wanted}")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(lines)


def write_zone(zone, serial, target):
    """Write the zone if it changed; the serial number alone is no change, but in the
    root, where the TXT record lab-serial shows that the server has loaded it all."""
    base = os.path.join(target, zone.name or "root")
    text = complete(zone, 1 if zone.name else serial, target)
    try:
        with open(base + ".seen", encoding="ascii") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(base + ".plain", "w", encoding="ascii") as file:
        file.write(complete(zone, serial, target))
    if zone.is_signed:
        sign(zone, base + ".plain", base + ".new", target)
    else:
        shutil.copyfile(base + ".plain", base + ".new")
    os.replace(base + ".new", base + ".served")
    with open(base + ".seen", "w", encoding="ascii") as file:
        file.write(text)


def main():
    source, target = sys.argv[1:]
    os.makedirs(os.path.join(target, "keys"), exist_ok=True)
    zones = read_zones(source)
    counter = os.path.join(target, "serial")
    try:
        with open(counter, encoding="ascii") as file:
            serial = int(file.read()) + 1
    except FileNotFoundError:
        serial = 1
    with open(counter, "w", encoding="ascii") as file:
        file.write(str(serial))
    served = [zone for zone in zones.values() if zone.is_served]
    for zone in served:
        if "lame" in zone:
            continue
        write_zone(zone, serial, target)
    with open(os.path.join(target, "zones.conf"), "w", encoding="ascii") as file:
        for zone in served:
            file.write(f'zone:\n\tname: "{zone.fqdn}"\n'
                       f'\tzonefile: "{zone.name or "root"}.served"\n')
    with open(os.path.join(target, "root.key"), "w", encoding="ascii") as file:
        with open(key_base(zones[""], target) + ".key", encoding="ascii") as key:
            file.write(key.read())


if __name__ == "__main__":
    main()
