"""The commands of doc/*.md, as they are written, on the lab's mail host and edge: each block that begins with `sh HOST run`.

Blocks that cannot run here say `sh HOST syntax: REASON`; tests/check_docs_lines.py reads those, and the names of commands and options in all.
"""
import glob
import os
import re

from harness import Case, lab

PROJECT = os.environ["PROJECT"]
FENCE = re.compile(r"^```sh (home|vps) run\n(.*?)^```$", re.M | re.S)
MAIN_CF = ("main.cf", "master.cf")


def blocks(name):
    """[(line, host, commands)]"""
    with open(name, encoding="utf-8") as file:
        text = file.read()
    return [(text[:match.start()].count("\n") + 1, *match.groups()) for match in FENCE.finditer(text)]


class Documents(Case):
    def setUp(self):
        super().setUp()
        # Of cases before this one; the milter is off here, and the doctor would say so.
        lab.home.run("rm", "-f", "/etc/postern/milter.conf")
        self.saved = {name: lab.home.read(f"/etc/postfix/{name}") for name in MAIN_CF}

    def restore(self):
        """What a block did to Postfix; none depends on the one before it."""
        for name, text in self.saved.items():
            lab.home.write(f"/etc/postfix/{name}", text)

    def tearDown(self):
        self.restore()
        lab.home.reload()
        for host in (lab.home, lab.vps):
            host.run("sh", "-c", "rm -f /var/lib/postern/*.key.next")
        lab.edge.restart()

    def test_every_command(self):
        lab.home.inject("anna@home.example", ["you@postfix.example"], b"Subject: x\r\n\r\nto be found in the log\r\n")
        lab.home.wait_log("postfix/lmtp.*status=sent")
        count = 0
        for name in sorted(glob.glob(os.path.join(PROJECT, "doc", "*.md"))):
            for line, host, commands in blocks(name):
                with self.subTest(f"{os.path.basename(name)}:{line}"):
                    done = getattr(lab, host).run("bash", "-ec", f"cd /srv/project\n{commands}", check=False)
                    self.assertEqual(done.returncode, 0, f"{commands}{done.stdout}{done.stderr}")
                    count += 1
                self.restore()
        self.assertGreater(count, 20)
