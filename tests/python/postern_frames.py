#!/usr/bin/python3
"""Frames of the postern tunnel, after doc/PROTOCOL.md: bytes <-> type, transaction, fields.

Deliberately thin: a tester must be able to build wrong frames, too.
"""

import struct

ENVELOPE, RECIPIENT, CONTENT, END, ABORT = 0x01, 0x02, 0x03, 0x04, 0x05
STATUS, DONE, INFO = 0x11, 0x12, 0x13
PING, PONG, CLOSE = 0x21, 0x22, 0x23
ASK, ANSWER = 0x31, 0x32
CRITICAL = 0x01
CONTENT_MAX = 32768

# type -> tag -> (name, how): how is a number's width in bytes, "text", "bytes" or "status" (class,
# subject, detail)
FIELDS = {
    ENVELOPE: {
        1: ("reverse_path", "text"), 2: ("queue_id", "text"), 3: ("body_type", 1),
        4: ("smtputf8", 1), 5: ("ret", 1), 6: ("envid", "text"), 7: ("declared_size", 8),
        8: ("budget_ms", 4), 9: ("requiretls", 1),
    },
    RECIPIENT: {
        1: ("index", 4), 2: ("forward_path", "text"), 3: ("notify", 1), 4: ("orcpt", "text"),
    },
    CONTENT: {},
    END: {1: ("digest", "bytes"), 2: ("length", 8)},
    ABORT: {},
    STATUS: {
        1: ("index", 4), 2: ("action", 1), 3: ("status", "status"), 4: ("stage", 1),
        5: ("reply_code", 2), 6: ("reply_status", "status"), 7: ("reply_text", "text"),
        8: ("reason", "text"), 9: ("remote_mta", "text"), 10: ("remote_address", "text"),
        11: ("remote_port", 2), 12: ("tls", "text"), 13: ("maybe_duplicate", 1),
        14: ("dsn_offered", 1), 15: ("from_journal", 1), 16: ("in_progress", 1),
    },
    DONE: {},
    INFO: {1: ("edge_name", "text"), 2: ("size_max", 8), 3: ("recipients_max", 4)},
    PING: {},
    PONG: {},
    CLOSE: {1: ("reason", 1), 2: ("text", "text")},
    ASK: {1: ("question", "text"), 2: ("argument", "text")},
    ANSWER: {1: ("last", 1), 2: ("data", "bytes")},
}
ACTIONS = ["relayed", "delayed", "failed"]
STAGES = ["tunnel", "edge", "dns", "connect", "greeting", "ehlo", "tls", "mail", "rcpt", "data",
          "content", "after-final-dot"]


class FrameError(Exception):
    pass


class Frame:
    def __init__(self, kind, transaction, fields, content=b"", flags=CRITICAL):
        self.kind = kind
        self.flags = flags
        self.transaction = transaction
        self.fields = fields
        self.content = content

    def __repr__(self):
        return "Frame(0x%02x, %d, %r)" % (self.kind, self.transaction, self.fields)


def header(kind, transaction, flags=CRITICAL):
    return struct.pack(">BBI", kind, flags, transaction)


def field(tag, value):
    """One field of raw bytes."""
    return struct.pack(">BH", tag, len(value)) + value


def _to_bytes(how, value):
    if how == "text":
        return value.encode("utf-8")
    if how == "bytes":
        return value
    if how == "status":
        return struct.pack(">BHH", *value)
    return int(value).to_bytes(how, "big")


def _from_bytes(name, how, value):
    if how == "text":
        return value.decode("utf-8")
    if how == "bytes":
        return value
    if len(value) != (5 if how == "status" else how):
        raise FrameError("%s: wrong width" % name)
    return struct.unpack(">BHH", value) if how == "status" else int.from_bytes(value, "big")


def encode(kind, transaction=0, **values):
    """Fields whose value is None are left out; order is that of the tags."""
    body = b""
    for tag, (name, how) in sorted(FIELDS[kind].items()):
        value = values.pop(name, None)
        if value is not None:
            body += field(tag, _to_bytes(how, value))
    if values:
        raise FrameError("no such fields: %s" % ", ".join(values))
    return header(kind, transaction) + body


def encode_content(transaction, content):
    return header(CONTENT, transaction) + content


def decode(data):
    """None for an unknown frame that may be skipped."""
    if len(data) < 6:
        raise FrameError("header cut off")
    kind, flags, transaction = struct.unpack(">BBI", data[:6])
    body = data[6:]
    if kind not in FIELDS:
        if flags & CRITICAL:
            raise FrameError("unknown critical type 0x%02x" % kind)
        return None
    if kind == CONTENT:
        return Frame(kind, transaction, {}, body, flags)
    fields = {}
    while body:
        if len(body) < 3:
            raise FrameError("field header cut off")
        tag, length = struct.unpack(">BH", body[:3])
        value, body = body[3:3 + length], body[3 + length:]
        if len(value) != length:
            raise FrameError("field longer than the frame")
        if tag not in FIELDS[kind]:
            if tag & 0x80:
                continue
            raise FrameError("unknown field %d" % tag)
        name, how = FIELDS[kind][tag]
        if name in fields:
            raise FrameError("%s: there twice" % name)
        fields[name] = _from_bytes(name, how, value)
    return Frame(kind, transaction, fields, b"", flags)
