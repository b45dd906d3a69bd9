"""postern join and leave on a disk that takes no new file: wherever that is found out, the host is as before, or the next leave makes it so."""
import test_91_join
from harness import lab

KEY = "/var/lib/postern/transport.key"


class DiskFull(test_91_join.JoinCase):
    def struck(self, number, *command, **options):
        """(done, whether there was a rename(2) of this number, which failed); the leak sanitizer does not work under strace(1)."""
        inject = ("env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-o", "/tmp/trace", "-e", "trace=rename", "-e", f"inject=rename:error=ENOSPC:when={number}")
        done = lab.home.run(*inject, *command, check=False, **options)
        return done, "(INJECTED)" in lab.home.read("/tmp/trace")

    def test_join(self):
        self.leave_at_the_end()
        number, is_struck = 0, True
        while is_struck:
            number += 1
            done, is_struck = self.struck(number, "postern", "join", "--stdin", "--yes", input=self.invite() + "\n")
            with self.subTest(rename=number):
                self.assertEqual(done.returncode == 0, not is_struck, done.stderr)
                if is_struck:
                    self.assertRegex(done.stderr, "No space left on device\npostern: nothing was changed")
                    self.assertEqual("but the key" in done.stderr, lab.home.run("test", "-e", KEY, check=False).returncode == 0)
                    lab.home.run("rm", "-f", KEY)
                    self.assert_unchanged()
        self.assertGreater(number, 10)

    def test_leave(self):
        self.leave_at_the_end()
        number, is_struck = 0, True
        while is_struck:
            number += 1
            self.join(self.invite(), "--yes")
            done, is_struck = self.struck(number, "postern", "leave", "--purge")
            with self.subTest(rename=number):
                self.assertEqual(done.returncode == 0, not is_struck, done.stderr)
                if is_struck:
                    self.assertRegex(done.stderr, "No space left on device; run `postern leave' again")
                lab.home.run("postern", "leave", "--purge")
                self.assert_unchanged()
        self.assertGreater(number, 5)
