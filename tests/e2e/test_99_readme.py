"""The set-up of README.md, and that of doc/SETUP.md, command by command as they are written, on two hosts that know nothing of postern
yet. Last: it replaces the lab's own."""
import os
import re
import smtplib

from clean_vps import clean_vps
from harness import Case, lab

PROJECT = os.environ["PROJECT"]
TWO_MINUTES_OF_TYPING = 400     # characters, of somebody who is slow; the invite is pasted
MESSAGE = b"From: anna@home.example\r\nSubject: by the book\r\n\r\nhello\r\n"


def text_of(path):
    with open(os.path.join(PROJECT, path), encoding="utf-8") as file:
        return file.read()


def section(title):
    return re.search(rf"## {title}\n(.*?)\n## ", text_of("README.md"), re.S).group(1)


def steps(text):
    """{number: commands} of numbered paragraphs."""
    found = {}
    for number, paragraph in re.findall(r"\*\*(\d)\. (.*?)(?=\n\*\*\d|\Z)", text, re.S):
        found[int(number)] = "\n".join(line[4:] for line in paragraph.splitlines() if line.startswith("    "))
    return found


class Readme(Case):
    def forget(self):
        """Take away what the lab has set up, except the installed programs."""
        clean_vps(self)
        lab.home.run("sh", "-c", "postfix stop")
        lab.home.end_transports()
        lab.home.run("sh", "-c", "rm -rf /etc/postern/* /var/lib/postern; userdel _postern; "
                     "postconf -X default_transport postern-spawn_time_limit postern_destination_concurrency_limit postern_initial_destination_concurrency; "
                     "postconf -MX postern-spawn/unix postern/unix; postfix start")

    def follow(self, host, commands, **replacements):
        for name, value in replacements.items():
            commands = commands.replace(name, value)
        return host.run("sh", "-ec", f"cd /srv/project\n{commands}").stdout

    def test_milter_by_the_book(self):
        """The section "Who may send as whom": first only the log speaks, then the rule."""
        commands = "\n".join(line[4:] for line in section("Who may send as whom").splitlines() if line.startswith("    "))
        start = re.search(r" && systemctl enable --now postern-milter", commands).group(0)
        lab.home.run("sh", "-c", "rm -rf /etc/postern/milter.conf /etc/postern/senders /etc/postern/limits")
        checked = self.follow(lab.home, commands.replace(start, ""), **{"example.com": "home.example"})
        self.assertIn("2 lines in /etc/postern/senders", checked)
        lab.milter.start()
        self.addCleanup(lab.milter.stop)
        self.addCleanup(lab.home.filter_by, lab.home.OPENDKIM)
        lab.home.reload()
        forged = MESSAGE.replace(b"anna@", b"ceo@")
        with lab.home.submit("alice@home.example") as client:
            client.sendmail("alice@home.example", ["you@postfix.example"], forged)
        self.assertRegex(lab.home.wait_log(r"postern/milter.*log: who=login:alice")[0], "rule=from_address")
        lab.home.run("sh", "-ec", "sed -i /mode/d /etc/postern/milter.conf; postern-milter --check")
        mark = lab.home.log_mark()
        lab.milter.reload()
        lab.home.wait_log(r"postern/milter.*milter\.conf was read again", since=mark)
        with lab.home.submit("alice@home.example") as client, self.assertRaises(smtplib.SMTPDataError) as refused:
            client.sendmail("alice@home.example", ["you@postfix.example"], forged)
        self.assertIn(b"5.7.1 alice@home.example may not send as <ceo@home.example> in From", refused.exception.smtp_error)
        answer = lab.home.run("postern", "senders-check", "alice@home.example", "ceo@home.example", check=False)
        self.assertEqual(answer.returncode, 77)
        self.assertIn("decided by /etc/postern/senders:1", answer.stdout)

    def test_set_up_in_two_commands(self):
        """As somebody at two terminals would; invite, join, test, doctor, status, and leave."""
        book = steps(section("Set it up"))
        self.assertEqual(sorted(book), [1, 2, 3, 4])
        self.forget()
        invited = lab.vps.run("sh", "-ec", book[2].replace("invite", "invite --try postfix.example"))
        typed = invited.stdout.splitlines()[-1]
        self.assertTrue(typed.startswith("postern-invite:"), invited.stdout)
        self.addCleanup(lab.home.run, "postern", "leave", "--purge", check=False)
        joined = lab.home.run("script", "-qec", book[3], "/dev/null", input=f"{typed}\nyes\n").stdout
        self.assertIn("by the edge \"edge\" from now on", joined)
        tried, looked = book[4].splitlines()
        self.assertIn("delivered: 250 2.0.0 edge.vps.example: ", lab.home.run("sh", "-c", tried.replace("example.net", "postfix.example")).stdout)
        self.assertLess(len(book[2] + book[3] + "yes" + tried), TWO_MINUTES_OF_TYPING)
        self.assertIn(" 0 FAIL, ", lab.home.run("sh", "-c", looked).stdout)
        for command in section("Afterwards").splitlines():
            if command.startswith("    ") and "QUEUEID" not in command:
                lab.home.run("sh", "-ec", command)
        lab.home.run("postern", "leave")

    def test_set_up_by_hand(self):
        book = steps(text_of("doc/SETUP.md"))
        self.assertEqual(sorted(book), [1, 2, 3, 4, 5, 6])
        self.forget()
        edge_key = self.follow(lab.vps, book[1]).split()[-1]
        home_key = self.follow(lab.home, book[2]).split()[-1]
        self.assertRegex(edge_key, r"^\S{43}=$")
        start = re.search(r"systemctl .*", book[3]).group(0)
        self.follow(lab.vps, book[3].replace(start, "postern-edge --check"), MAIL_HOSTS_PUBLIC_KEY=home_key,
                    **{"relay.example.com": "edge.vps.example", "--check-host": "--check-host postfix.example"})
        lab.edge.start()
        checked = self.follow(lab.home, book[4], EDGES_PUBLIC_KEY=edge_key, **{"relay.example.com": "198.51.100.20"})
        self.assertIn("1 edges", checked)
        self.follow(lab.home, book[5])
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertRegex(lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0], r"status=sent .*edge\.vps\.example")
        self.and_back()

    def and_back(self):
        """`postconf -X default_transport && postfix reload`, as doc/SETUP.md ends."""
        lab.home.reload("postconf -X default_transport && postfix reload")
        lab.home.run("postconf", "-e", "smtp_connect_timeout = 1s")
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertRegex(lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0], r"deferred .*timed out")
