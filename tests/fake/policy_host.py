#!/usr/bin/python3
"""An MTA-STS policy host that misbehaves by name: policy_host.py DIRECTORY.

Writes ca.pem into the directory, listens on three ports of 127.0.0.1 and prints them on one line:
TLS 1.2 and 1.3; TLS 1.1 at most; one that never says a word.  mta-sts.NAME.example gets the
certificate and the answer that NAME stands for (see CERTIFICATES and answer()); what is not there
is in order.  Ends when stdin does.

Files in the directory change answers while it runs: NAME.policy (the text that is served) and
NAME.status (the HTTP status, "hang", or "hold" for as long as it says that).  Every request adds its host to the file requests.
"""
import datetime
import os
import socket
import ssl
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

POLICY = b"version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n"
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
directory = sys.argv[1]
ca_key = ec.generate_private_key(ec.SECP256R1())
key = ec.generate_private_key(ec.SECP256R1())
contexts = {}
lock = threading.Lock()

# What is not as it should be: DNS-IDs, begin, end, issuer.
CERTIFICATES = {
    "wrong-name": {"names": ["mta-sts.other.example"]},
    "name-without-prefix": {"names": ["name-without-prefix.example"]},
    "wildcard": {"names": ["*.wildcard.example"]},
    "partial-wildcard": {"names": ["mta-*.partial-wildcard.example"]},
    "cn-only": {"names": []},
    "expired": {"begin": NOW - 9 * DAY, "end": NOW - DAY},
    "not-yet": {"begin": NOW + DAY, "end": NOW + 9 * DAY},
    "self-signed": {"issuer": "self"},
    "other-authority": {"issuer": "other"},
}


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def sign(subject, subject_key, issuer, issuer_key, begin, end, names=(), is_ca=False):
    builder = (x509.CertificateBuilder().subject_name(name_of(subject)).issuer_name(name_of(issuer))
               .public_key(subject_key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(begin).not_valid_after(end)
               .add_extension(x509.BasicConstraints(is_ca, None), critical=True))
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


def write(name, content):
    with open(os.path.join(directory, name), "wb") as file:
        file.write(content)


def context_for(host):
    """host: mta-sts.NAME.example"""
    label = host.split(".")[1] if host.count(".") >= 2 else host
    with lock:
        if host not in contexts:
            fault = CERTIFICATES.get(label, {})
            issuer, issuer_key = "Test authority", ca_key
            if fault.get("issuer") == "self":
                issuer, issuer_key = host, key
            elif fault.get("issuer") == "other":
                issuer, issuer_key = "Other authority", ec.generate_private_key(ec.SECP256R1())
            pem = sign(host, key, issuer, issuer_key, fault.get("begin", NOW - DAY),
                       fault.get("end", NOW + 9 * DAY), fault.get("names", [host]))
            write(host + ".pem", pem)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(directory, host + ".pem"),
                                    os.path.join(directory, "key.pem"))
            contexts[host] = context
        return contexts[host]


def choose(connection, host, _context):
    if host is None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    connection.context = context_for(host)
    return None


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data and len(data) < 10000:
        got = connection.recv(4096)
        if not got:
            break
        data += got
    head = data.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return head[0], {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip()
                     for line in head[1:] if ":" in line}


def wrong_request(line, fields, host):
    """RFC 8461 3.2, 3.3, and nothing that says who we are."""
    if line != "GET /.well-known/mta-sts.txt HTTP/1.1":
        return line
    if fields.get("host", "").split(":")[0] != host:
        return "host " + fields.get("host", "")
    extra = set(fields) - {"host", "user-agent", "accept"}
    if fields.get("user-agent") != "postern" or extra:
        return "fields %s" % fields
    return None


def policy_of(label):
    try:
        with open(os.path.join(directory, label + ".policy"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return POLICY


def status_of(label):
    try:
        with open(os.path.join(directory, label + ".status"), encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return label[6:] if label.startswith("status") else "200"


def head(status, *fields):
    return ("HTTP/1.1 %s Words\r\n%s\r\n" % (status, "".join(f + "\r\n" for f in fields))).encode()


def plain(body, *fields, status="200"):
    return head(status, "Content-Type: text/plain", "Content-Length: %d" % len(body), *fields) + body


def endless(connection, start, again):
    connection.sendall(start)
    while True:
        connection.sendall(again)


def answer(connection, label):
    while status_of(label) == "hold":
        time.sleep(0.02)
    body = policy_of(label)
    status = status_of(label)
    if status == "hang":
        time.sleep(600)
    elif status != "200":
        connection.sendall(plain(body, "Location: https://mta-sts.good.example/", status=status))
    elif label == "parameters":
        connection.sendall(head(200, "content-type: Text/PLAIN;charset=utf-8") + body)
    elif label == "identity":
        connection.sendall(plain(body, "Content-Encoding: identity"))
    elif label == "chunked":
        connection.sendall(head(200, "Content-Type: text/plain", "Transfer-Encoding: chunked"))
        for byte in body:
            connection.sendall(b"1\r\n%c\r\n" % byte)
        connection.sendall(b"0\r\n\r\n")
    elif label == "empty":
        connection.sendall(plain(b""))
    elif label == "empty-html":
        connection.sendall(head(200, "Content-Type: text/html", "Content-Length: 0"))
    elif label == "just-fits":
        connection.sendall(plain(b"x" * 65536))
    elif label == "one-too-many":
        connection.sendall(plain(b"x" * 65537))
    elif label == "endless-chunks":
        endless(connection, head(200, "Content-Type: text/plain", "Transfer-Encoding: chunked"),
                b"1000\r\n" + b"x" * 4096 + b"\r\n")
    elif label == "endless-body":
        endless(connection, head(200, "Content-Type: text/plain"), b"x" * 4096)
    elif label == "endless-header":
        endless(connection, b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n")
    elif label == "endless-100":
        endless(connection, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
    elif label == "html":
        connection.sendall(head(200, "Content-Type: text/html") + body)
    elif label == "text-other":
        connection.sendall(head(200, "Content-Type: text/plainer") + body)
    elif label == "no-type":
        connection.sendall(head(200) + body)
    elif label == "gzip":
        connection.sendall(plain(body, "Content-Encoding: gzip"))
    elif label == "cut":
        connection.sendall(head(200, "Content-Type: text/plain", "Content-Length: 1000") + body)
    elif label == "trickle":
        for byte in body:
            connection.sendall(b"%c" % byte)
            time.sleep(1)
    elif label == "garbage":
        connection.sendall(b"220 mx.example ESMTP\r\n")
    elif label == "control":
        connection.sendall(head(200, "Content-Type: text/\x1b[31mred") + body)
    else:
        connection.sendall(plain(body))


def serve(plain_socket, context):
    host = None
    try:
        plain_socket.settimeout(30)
        with context.wrap_socket(plain_socket, server_side=True) as connection:
            line, fields = read_request(connection)
            host = fields.get("host", "").split(":")[0]
            with lock, open(os.path.join(directory, "requests"), "a", encoding="ascii") as file:
                file.write(host + "\n")
            wrong = wrong_request(line, fields, host)
            if wrong is not None:
                print("policy_host:", wrong, file=sys.stderr)
                connection.sendall(head(599))
            else:
                answer(connection, host.split(".")[1])
    except (OSError, IndexError):
        pass
    finally:
        plain_socket.close()


def listen(run):
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    write("ca.pem", sign("Test authority", ca_key, "Test authority", ca_key, NOW - DAY,
                         NOW + 99 * DAY, is_ca=True))
    write("key.pem", key.private_bytes(serialization.Encoding.PEM,
                                       serialization.PrivateFormat.TraditionalOpenSSL,
                                       serialization.NoEncryption()))
    now = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now.sni_callback = choose
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    context_for("mta-sts.old.example")
    old.load_cert_chain(os.path.join(directory, "mta-sts.old.example.pem"),
                        os.path.join(directory, "key.pem"))
    print(listen(lambda c: serve(c, now)), listen(lambda c: serve(c, old)),
          listen(lambda c: c.recv(1 << 20) and time.sleep(600)), flush=True)
    sys.stdin.read()
    os._exit(0)


main()
