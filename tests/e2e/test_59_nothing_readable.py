"""The edge keeps nothing readable: what is left of mail on its disk, in its log and in its memory. `make figures ONLY=canaries` does the
same with 1,000 messages."""
import os
import unittest

import canaries
from harness import Case, lab, wait_for

MESSAGES, KILL_EVERY = 100, 30
EDGE_CONF = "/etc/postern/edge.conf"
STUCK = "case26a-silent-after-dot.hostile.example"


class NothingReadable(Case):
    conf = ""

    def setUp(self):
        super().setUp()
        before = lab.vps.read(EDGE_CONF)
        canaries.serve_domain()
        self.addCleanup(self.put_back, before)
        lab.vps.write(EDGE_CONF, before + self.conf)
        lab.edge.restart()

    def put_back(self, conf):
        lab.vps.write(EDGE_CONF, conf)
        lab.edge.restart()
        lab.unzone(f"{canaries.DOMAIN_TOKEN}.example")

    def nothing_is_found(self, found):
        self.assertEqual(found, [], canaries.describe(found))

    def test_disk_and_log(self):
        self.assertEqual(canaries.deliver(MESSAGES, KILL_EVERY), MESSAGES // KILL_EVERY)
        found, files, size = canaries.search_disk(lab.vps, canaries.TOKEN)
        self.nothing_is_found(found)
        # The search sees the journal, and finds what is there.
        self.assertGreater(size, os.path.getsize(lab.vps.path("/var/lib/postern/edge/journal")))
        lab.vps.write("/tmp/there", "".join(chr(byte) for byte in canaries.encodings(canaries.TOKEN)["base64 at 1"]))
        self.addCleanup(os.unlink, lab.vps.path("/tmp/there"))
        found, more_files, _ = canaries.search_disk(lab.vps, canaries.TOKEN)
        self.assertEqual((len(found), more_files), (1, files + 1))
        # Domains are in the log, as is said of log_recipients, and nowhere else.
        found = canaries.search_disk(lab.vps, canaries.DOMAIN_TOKEN)[0]
        self.assertEqual({os.path.basename(hit[1]) for hit in found}, {"mail.log"}, canaries.describe(found))

    def test_memory_forgets(self):
        """A core dump while a message is being delivered is full of it; one afterwards, with the tunnels still open, has nothing."""
        if lab.edge.sanitizer():
            raise unittest.SkipTest("a sanitizer's memory is not the product's")
        lab.home.inject(canaries.SENDER, [f"{canaries.TOKEN}@{STUCK}"], canaries.message(0))
        wait_for("the final dot", lambda: any(event["event"] == "dot" for event in lab.hostile("case26a_silent_after_dot")))
        found = canaries.search_memory(lab.vps, canaries.TOKEN)[0]
        self.assertLessEqual({"raw", "base64 at 0"}, {hit[0] for hit in found}, canaries.describe(found))
        lab.home.empty_queue()
        canaries.deliver(MESSAGES // 2, KILL_EVERY)     # a kill ends the one that is stuck, too
        canaries.deliver(MESSAGES // 2)
        self.nothing_is_found(canaries.search_memory(lab.vps, canaries.TOKEN)[0])


class NoDomains(NothingReadable):
    conf = 'log_recipients = "none";\n'

    def test_disk_and_log(self):
        """With log_recipients = none the domains of recipients are not in the log either."""
        canaries.deliver(MESSAGES // 4)
        for token in (canaries.TOKEN, canaries.DOMAIN_TOKEN):
            self.nothing_is_found(canaries.search_disk(lab.vps, token)[0])

    test_memory_forgets = None
