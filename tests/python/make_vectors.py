#!/usr/bin/python3
"""Writes tests/vectors/: Noise handshakes and frames made by the Python implementation.

The C tests read them (tests/unit/test_noise_vectors.c, test_frame.c), so that two implementations
must agree byte for byte. Keys come from labels: running it again writes the same bytes.

    make_vectors.py [DIRECTORY]        default: tests/vectors beside this file's directory
"""

import hashlib
import json
import os
import sys

import postern_frames as frames
from postern_noise import NO_PSK, PROLOGUE, Handshake, KeyPair, blake2b, mac1


def key(label):
    return blake2b(b"postern test vector: " + label.encode("ascii"), 32)


def noise_vector(comment, *, psk=NO_PSK, prologue=PROLOGUE, payloads=(b"", b""), transport=()):
    secrets = {name: key(comment + ": " + name)
               for name in ("init_static", "init_ephemeral", "resp_static", "resp_ephemeral")}
    pairs = {name: KeyPair(secret) for name, secret in secrets.items()}
    initiator = Handshake(initiator=True, static=pairs["init_static"], psk=psk, prologue=prologue,
                          remote_static=pairs["resp_static"].public,
                          ephemeral=pairs["init_ephemeral"])
    responder = Handshake(initiator=False, static=pairs["resp_static"], psk=psk, prologue=prologue,
                          ephemeral=pairs["resp_ephemeral"])
    first = initiator.write_initiation(payloads[0])
    assert responder.read_initiation(first) == payloads[0]
    second = responder.write_response(payloads[1])
    assert initiator.read_response(second) == payloads[1]
    ends = [initiator.finish(), responder.finish()]
    assert ends[0][2] == ends[1][2]
    messages = [(payloads[0], first), (payloads[1], second)]
    for number, payload in enumerate(transport):
        sealed = ends[number % 2][0].encrypt(b"", payload)
        assert ends[1 - number % 2][1].decrypt(b"", sealed) == payload
        messages.append((payload, sealed))
    vector = {
        "comment": comment,
        "protocol_name": "Noise_%s_25519_ChaChaPoly_BLAKE2b" % ("IK" if psk is None else "IKpsk2"),
        "init_prologue": prologue.hex(),
        "resp_prologue": prologue.hex(),
        "init_remote_static": pairs["resp_static"].public.hex(),
        "mac1": mac1(pairs["resp_static"].public, first).hex(),
        "handshake_hash": ends[0][2].hex(),
        "messages": [{"payload": payload.hex(), "ciphertext": sealed.hex()}
                     for payload, sealed in messages],
    }
    vector.update({name: secret.hex() for name, secret in secrets.items()})
    if psk is not None:
        vector["init_psks"] = vector["resp_psks"] = [psk.hex()]
    return vector


def noise_vectors():
    ping, pong = frames.encode(frames.PING), frames.encode(frames.PONG)
    info = frames.encode(frames.INFO, edge_name="relay.example.com", size_max=52428800,
                         recipients_max=1000)
    return [
        noise_vector("as on the wire, no preshared key", transport=(ping, info, ping, pong)),
        noise_vector("as on the wire, with preshared key", psk=key("psk"),
                     transport=(ping, info, ping, pong)),
        noise_vector("payloads and no prologue", psk=key("psk"), prologue=b"",
                     payloads=(b"first", b"second"), transport=(b"", bytes(range(200)), b"x")),
        noise_vector("plain IK", psk=None, prologue=b"another", payloads=(b"", b"response"),
                     transport=(b"a" * 15, b"b" * 16, b"c" * 17)),
    ]


def good_frames():
    content = b"Subject: x\r\n\r\n..\r\n"
    digest = hashlib.blake2b(content, digest_size=32).digest()
    envelope = {"reverse_path": "user@example.com", "budget_ms": 900000}
    status = {"index": 0, "action": 0, "status": (2, 0, 0), "stage": 11}
    return [
        ("envelope-least", frames.encode(frames.ENVELOPE, 1, **envelope)),
        ("envelope-null-sender", frames.encode(frames.ENVELOPE, 2, reverse_path="", budget_ms=0)),
        ("envelope-all", frames.encode(
            frames.ENVELOPE, 4294967295, queue_id="4ZmVXs0CVzz9rxk", body_type=1, smtputf8=1, requiretls=1, ret=2,
            envid="QQ314159+2B", declared_size=2**40, budget_ms=86400000,
            reverse_path="gr\u00fc\u00dfe@b\u00fccher.example")),
        ("envelope-quoted", frames.encode(
            frames.ENVELOPE, 3, reverse_path='"a b\\"c"@[IPv6:2001:db8::1]', budget_ms=1)),
        ("recipient-least", frames.encode(frames.RECIPIENT, 1, index=0,
                                          forward_path="a@example.net")),
        ("recipient-all", frames.encode(frames.RECIPIENT, 1, index=999, notify=14,
                                        forward_path="a@[192.0.2.1]",
                                        orcpt="rfc822;a+2Bb@example.net")),
        ("recipient-never", frames.encode(frames.RECIPIENT, 1, index=1, notify=1,
                                          forward_path="\u00fc@example.net")),
        ("content", frames.encode_content(1, content)),
        ("end", frames.encode(frames.END, 1, digest=digest, length=len(content))),
        ("abort", frames.encode(frames.ABORT, 1)),
        ("status-least", frames.encode(frames.STATUS, 1, **status)),
        ("status-all", frames.encode(
            frames.STATUS, 1, index=999, action=2, status=(5, 1, 1), stage=8, reply_code=550,
            reply_status=(5, 1, 1), reply_text="5.1.1 <a@example.net>: no such user",
            remote_mta="mx1.example.net", remote_address="2001:db8::9", remote_port=25,
            tls="TLSv1.3 TLS_AES_256_GCM_SHA384 (unauthenticated)", maybe_duplicate=1,
            dsn_offered=1, from_journal=1)),
        ("status-from-journal", frames.encode(
            frames.STATUS, 1, **status, reply_code=250, reply_status=(2, 0, 0),
            reply_text="2.0.0 Ok: queued as 4F", from_journal=1)),
        ("status-local", frames.encode(frames.STATUS, 1, index=3, action=1, status=(4, 4, 1),
                                       stage=3, reason="Connection timed out",
                                       remote_mta="mx2.example.net")),
        ("status-in-progress", frames.encode(
            frames.STATUS, 1, index=0, action=1, status=(4, 4, 2), stage=1,
            reason="still in progress", in_progress=1)),
        ("done", frames.encode(frames.DONE, 1)),
        ("info", frames.encode(frames.INFO, edge_name="relay.example.com", size_max=2**64 - 1,
                               recipients_max=1000)),
        ("ping", frames.encode(frames.PING)),
        ("pong", frames.encode(frames.PONG)),
        ("close-least", frames.encode(frames.CLOSE, reason=1)),
        ("close-all", frames.encode(frames.CLOSE, reason=5, text="too many tunnels")),
        ("ask-least", frames.encode(frames.ASK, question="status")),
        ("ask-all", frames.encode(frames.ASK, question="log", argument="4ZmVXs0CVzz9rxk")),
        ("answer-piece", frames.encode(frames.ANSWER, last=0, data='{"name": "gr\u00fc'.encode("utf-8")[:-1])),
        ("answer-last", frames.encode(frames.ANSWER, last=1, data=b"{}")),
    ]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "vectors")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "noise-postern.json"), "w", encoding="ascii") as file:
        json.dump({"vectors": noise_vectors()}, file, indent=1)
        file.write("\n")
    with open(os.path.join(directory, "frames.txt"), "w", encoding="ascii") as file:
        file.write("# name, frame as hex. Made by tests/python/make_vectors.py.\n")
        for name, data in good_frames():
            assert frames.decode(data) is not None
            file.write("%s %s\n" % (name, data.hex()))


if __name__ == "__main__":
    main()
