#!/usr/bin/python3
"""Runs Noise test vectors (25519_ChaChaPoly_BLAKE2b) through the Python implementation.

    check_vectors.py FILE.json ...
"""

import json
import sys

from postern_noise import Handshake, KeyPair, mac1


def check(vector, name):
    value = {key: bytes.fromhex(text) for key, text in vector.items()
             if isinstance(text, str) and key.startswith(("init_", "resp_", "handshake_", "mac1"))}
    psk = bytes.fromhex(vector["init_psks"][0]) if "psk2" in name else None
    static = KeyPair(value["resp_static"])
    initiator = Handshake(initiator=True, static=KeyPair(value["init_static"]), psk=psk,
                          remote_static=value.get("init_remote_static", static.public),
                          prologue=value["init_prologue"],
                          ephemeral=KeyPair(value["init_ephemeral"]))
    responder = Handshake(initiator=False, static=static, psk=psk,
                          prologue=value["resp_prologue"],
                          ephemeral=KeyPair(value["resp_ephemeral"]))
    messages = [(bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
                for message in vector["messages"]]
    assert initiator.write_initiation(messages[0][0]) == messages[0][1]
    assert responder.read_initiation(messages[0][1]) == messages[0][0]
    assert responder.write_response(messages[1][0]) == messages[1][1]
    assert initiator.read_response(messages[1][1]) == messages[1][0]
    ends = [initiator.finish(), responder.finish()]
    for number, (payload, sealed) in enumerate(messages[2:]):
        assert ends[number % 2][0].encrypt(b"", payload) == sealed
        assert ends[1 - number % 2][1].decrypt(b"", sealed) == payload
    for end in ends:
        assert end[2] == value.get("handshake_hash", end[2])
    if "mac1" in value:
        assert mac1(static.public, messages[0][1]) == value["mac1"]


def main():
    count = 0
    for path in sys.argv[1:]:
        with open(path, encoding="ascii") as file:
            vectors = json.load(file)["vectors"]
        for vector in vectors:
            name = vector.get("protocol_name") or vector["name"]
            if name.endswith("_25519_ChaChaPoly_BLAKE2b"):
                check(vector, name)
                count += 1
    print("%d vectors agree" % count)
    return 0 if count > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
