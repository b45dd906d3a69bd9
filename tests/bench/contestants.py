"""Three ways from a mail host's queue to the mail exchangers, side by side on the lab's mail host:

    postern     through the tunnel to the edge
    direct      Postfix's smtp(8), straight to the mail exchangers: what a VPN with address translation gives
    relay       Postfix's smtp(8) to a second Postfix on the VPS, through stunnel: what people build today

The recipient's domain says which: dNNN.p.bench.example, dNNN.d., dNNN.r. All are configured alike where they have the same setting.
"""
import glob
import os
import subprocess
import time

from field import PROJECT, Load, lab, on_disk, to_smtp

WAYS = {"postern": "p", "direct": "d", "relay": "r"}
SUBMISSION, HELD = "127.0.0.1:25", "127.0.0.1:2627"
STUNNEL_HOME, STUNNEL_VPS, RELAY = "127.0.0.1:2626", "198.51.100.20:4465", "127.0.0.1:2525"

MASTER = """
postern-spawn{n} unix - n n - 0 spawn
  user=_postern argv=/usr/libexec/postern/postern-transport
postern{n} unix - - n - {n} lmtp
  -o lmtp_send_xforward_command=yes -o lmtp_data_done_timeout=1020s
direct{n} unix - - n - {n} smtp
relay{n} unix - - n - {n} smtp
"""
# Postfix's own TLS cache is what Debian's main.cf has.
CLIENT = ("smtp_tls_security_level = may", "smtp_tls_session_cache_database = btree:/var/lib/postfix/smtp_scache")


def prepare_home(concurrencies):
    master = "".join(MASTER.format(n=number) for number in concurrencies)
    held = "2627 inet n - n - 100 smtpd\n  -o smtpd_recipient_restrictions=check_client_access,static:HOLD,permit\n"
    lab.home.write("/etc/postfix/master.cf", lab.home.read("/etc/postfix/master.cf") + master + held)
    limits = [f"{way}{number}_{setting} = {number}" for way in WAYS for number in concurrencies
              for setting in ("destination_concurrency_limit", "initial_destination_concurrency")]
    limits += [f"postern-spawn{number}_time_limit = 86400" for number in concurrencies]
    lab.home.run("postconf", "-e", *CLIENT, *limits, "smtpd_milters =", "non_smtpd_milters =", "smtpd_client_connection_rate_limit = 0",
                 "transport_maps = texthash:/etc/postfix/ways", "maximal_backoff_time = 1h", "minimal_backoff_time = 1h", "queue_run_delay = 1h")
    set_concurrency(concurrencies[0], reload=False)
    lab.home.run("postfix", "stop")
    on_disk(lab.home, "/var/spool/postfix", "queue-home")
    lab.home.run("postfix", "start")


def set_concurrency(number, reload=True):
    """How many deliveries at a time, in all and to one destination."""
    lab.home.write("/etc/postfix/ways", f".p.bench.example postern{number}:unix:private/postern-spawn{number}\n"
                                        f".d.bench.example direct{number}:\n.r.bench.example relay{number}:[127.0.0.1]:2626\n")
    if reload:
        lab.home.reload()


def prepare_relay():
    """The VPS of those who have no postern; its Postfix takes mail from home by stunnel alone."""
    certificate = "/run/stunnel.pem"
    lab.vps.run("sh", "-c", f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=edge.vps.example "
                            f"-keyout {certificate} -out {certificate}.crt && cat {certificate}.crt >>{certificate}")
    stunnel(lab.vps, f"cert = {certificate}\n[smtp]\naccept = {STUNNEL_VPS}\nconnect = {RELAY}\n")
    stunnel(lab.home, f"client = yes\n[smtp]\naccept = {STUNNEL_HOME}\nconnect = {STUNNEL_VPS}\n")
    start_relay()


def start_relay(listen="127.0.0.1:2525"):
    lab.vps.run("postconf", "-e", *CLIENT, "inet_interfaces = all", "mynetworks = 127.0.0.0/8 192.0.2.0/24", "smtp_dns_support_level = enabled",
                "smtp_tls_loglevel = 0", "smtpd_client_connection_count_limit = 0", "default_process_limit = 200",
                "smtpd_relay_restrictions = permit_mynetworks, reject")
    lab.vps.run("postconf", "-M", f"relay/inet={listen} inet n - n - - smtpd")
    on_disk(lab.vps, "/var/spool/postfix", "queue-vps")
    lab.vps.run("postfix", "start")


def stunnel(host, configuration):
    layer = subprocess.run([os.path.join(PROJECT, "tests", "lab", "lab"), "layer", "bench"], capture_output=True, text=True, check=True)
    # Hosts see the project there, wherever it is.
    layer = layer.stdout.strip().replace(PROJECT, "/srv/project", 1)
    libraries = os.path.dirname(glob.glob(layer.replace("/srv/project", PROJECT, 1) + "/**/libwrap.so.0", recursive=True)[0])
    host.write("/run/stunnel.conf", f"foreground = no\npid = /run/stunnel.pid\nsyslog = no\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
                                    f"{configuration}")
    host.run("env", f"LD_LIBRARY_PATH={libraries.replace(PROJECT, '/srv/project', 1)}", f"{layer}/usr/bin/stunnel4", "/run/stunnel.conf")


def submit(way, count, domains, *options, endpoint=SUBMISSION, parallel=20, kind="d"):
    """Into home's queue, for one contestant."""
    done = Load.run(to_smtp(endpoint), "-p", parallel, "-d", domains, "-k", kind, "-D", f"{WAYS[way]}.bench.example", *options, messages=count)
    assert done["relayed"] == count, done


def drain(sink, way, count, domains):
    """Messages a second from the release of a full queue to the last one's arrival."""
    sink.reset()
    submit(way, 40, min(domains, 20))              # processes start, tables are read
    assert sink.wait(40, 60)["messages"] == 40
    submit(way, count, domains, endpoint=HELD)
    sink.reset()
    lab.home.run("postsuper", "-H", "ALL")
    began = time.monotonic()
    lab.home.run("postqueue", "-f")
    arrived = sink.wait(count, 120)
    assert arrived["messages"] == count and arrived["duplicates"] == 0, (way, arrived)
    lab.home.wait_queue_empty()
    return count / (arrived["last_us"] / 1e6 - began), arrived


