#!/usr/bin/python3
"""MX host with aiosmtpd, for every domain.

203.0.113.15 (::15)   TLS, 8BITMIME, SMTPUTF8
203.0.113.16 (::16)   no TLS, neither 8BITMIME nor SMTPUTF8
203.0.113.17 (::17)   TLS, 8BITMIME

Each message becomes NUMBER.eml (the bytes, CRLF) and NUMBER.json (envelope) in
/var/mail/aiosmtpd.  refused@ gets 550, later@ gets 450.
"""
import asyncio
import itertools
import json
import os
import ssl

from aiosmtpd.smtp import SMTP

DIRECTORY = "/var/mail/aiosmtpd"
SIZE_LIMIT = 52428800
REPLIES = {"refused": "550 5.1.1 User unknown here", "later": "450 4.7.1 Come back later"}
number = itertools.count(1)


class Store:
    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = REPLIES.get(address.partition("@")[0])
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        base = os.path.join(DIRECTORY, f"{next(number):06}")
        with open(base + ".eml", "wb") as file:
            file.write(envelope.original_content)
        about = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos,
                 "mail_options": envelope.mail_options, "helo": session.host_name,
                 "tls": session.ssl is not None, "peer": session.peer[0]}
        with open(base + ".new", "w", encoding="utf-8") as file:
            json.dump(about, file)
        os.rename(base + ".new", base + ".json")
        return "250 2.0.0 OK"


class Plain(SMTP):
    """Seven bits only, as of old: 8BITMIME is not offered and not understood."""

    async def push(self, status):
        lines = status if isinstance(status, bytes) else status.encode()
        if lines.startswith(b"250-8BITMIME"):
            return
        await super().push(status)


def listeners():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/etc/mx.pem")
    for last, kind, options in (
            (15, SMTP, {"tls_context": context, "enable_SMTPUTF8": True}),
            (16, Plain, {}),
            (17, SMTP, {"tls_context": context})):
        for address in (f"203.0.113.{last}", f"2001:db8:25::{last}"):
            yield address, kind, options


async def main():
    loop = asyncio.get_running_loop()
    for address, kind, options in listeners():
        await loop.create_server(
            lambda kind=kind, options=options: kind(
                Store(), hostname="mx.aiosmtpd.example", ident="aiosmtpd",
                data_size_limit=SIZE_LIMIT, loop=loop, **options),
            address, 25)
    with open("/run/aiosmtpd.ready", "w", encoding="ascii"):
        pass
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
