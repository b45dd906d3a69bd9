"""What the copies, Postfix's log and the calls of a program say about a point: verdicts, and their sums by target."""
import collections
import statistics

from mail import DOMAIN_OF_ADDRESS
import strace

BROKEN = ("lost", "doubled outside", "told early", "other faults")
COUNTED = ("not reached", *BROKEN, "doubled inside", "in doubt")


def describe(point):
    return f"{point.scenario:6} {point.target:15} {point.what:16} {point.number:3}"


class Judge:
    """tally: {target: {word: points}}; unsynced are points that promise nothing, and must show that."""

    def __init__(self):
        self.points = self.passed = self.failed = 0
        self.tally = {}
        self.rows = collections.Counter()
        self.widths, self.answers = [], []      # microseconds

    def count(self, target, words):
        tally = self.tally.setdefault(target, dict.fromkeys(("points", *COUNTED), 0))
        for word in ("points", *words):
            tally[word] += 1

    def words(self, strike, copies, in_doubt, sent):
        """The words for one point."""
        words = []
        if strace.told_early(strike.calls) and not strike.mail.home_lines("to=.*still in progress"):
            words.append("told early")
        if any(copies[recipient] == 0 or recipient not in sent for recipient in copies):
            words.append("lost")
        doubled = {recipient for recipient, count in copies.items() if count > 1}
        if doubled:
            is_open = strike.is_open or (lambda window: window.is_open)
            room = [DOMAIN_OF_ADDRESS.get(window.address) for window in strace.windows(strike.calls)
                    if strike.has_struck and is_open(window)]
            is_inside = doubled <= in_doubt and max(copies.values()) == 2 and all(
                sum(recipient.endswith("@" + domain) for recipient in doubled) <= room.count(domain)
                for domain in {recipient.split("@")[1] for recipient in doubled})
            words.append("doubled inside" if is_inside else "doubled outside")
        if in_doubt:
            words.append("in doubt")
        if strike.faults:
            words.append("other faults")
        if not strike.has_struck:
            words.append("not reached")
        return words

    def fail(self, point, why):
        self.points += 1
        self.failed += 1
        self.count(point.target, ["other faults"])
        print(f"FAILED  {describe(point)}  {why}", flush=True)

    def judge(self, point, strike, copies, seconds):
        words = self.words(strike, copies, strike.mail.in_doubt(), strike.mail.sent())
        is_failure = bool(set(BROKEN) & set(words))
        if point.target == "unsynced":
            is_failure = "lost" in words
        self.points += 1
        self.passed += not is_failure
        self.failed += is_failure
        self.count(point.target, words)
        self.rows[strike.row] += strike.has_struck
        said = ", ".join([*words, *strike.faults]) or "once"
        row = f"row {strike.row}" if strike.row and strike.has_struck else "-"
        print(f"{'FAILED' if is_failure else 'ok':6} {seconds:5.2f} s  {describe(point)}  {row:7}  {strike.where or '-'}; "
              f"copies {' '.join(map(str, copies.values()))}; {said}", flush=True)
        return is_failure

    def came_later(self, point, copies):
        self.failed += 1
        self.tally[point.target]["doubled outside"] += 1
        print(f"FAILED  {describe(point)}: later on: copies {' '.join(map(str, copies.values()))}")

    def measure(self, scenario, calls, recipients):
        """An undisturbed delivery: the width of its windows."""
        whole = [window for window in strace.windows(calls) if window.durable and window.answer]
        self.widths += [(window.durable - window.dot.began) * 1e6 for window in whole]
        self.answers += [(window.answer.ended - window.dot.began) * 1e6 for window in whole]
        if len(whole) != recipients:
            self.failed += 1
            print(f"FAILED  {scenario}: undisturbed: intent, dot, answer and outcome on disk "
                  f"only for {len(whole)} of {recipients} recipients", flush=True)

    def prove(self):
        """Without fdatasync(2) a power cut doubles; if it does not, nobody has cut the power."""
        unsynced = self.tally.get("unsynced")
        if unsynced and not unsynced["doubled outside"]:
            self.failed += 1
            print('FAILED  with journal_sync = "none" no point doubled: the power cut is none', flush=True)

    def sums(self):
        """Of all points that promise something."""
        promised = [tally for target, tally in self.tally.items() if target != "unsynced"]
        return {word: sum(tally[word] for tally in promised) for word in ("points", *COUNTED)}

    def report(self):
        """For programs: what summary() says."""
        return {
            "sums": self.sums(), "targets": self.tally, "rows": dict(sorted(self.rows.items())),
            "window_us": {"median": statistics.median(self.widths), "max": max(self.widths),
                          "answer_median": statistics.median(self.answers), "deliveries": len(self.widths)} if self.widths else None,
            "passed": self.passed, "failed": self.failed,
        }

    def summary(self):
        for target, tally in self.tally.items():
            print(f"{target}: " + ", ".join(f"{word} {count}" for word, count in tally.items()))
        print("points by row of the catalogue: " + ", ".join(f"{row or 'none'}: {count}" for row, count in sorted(self.rows.items())))
        print(", ".join(f"{word} {count}" for word, count in self.sums().items()))
        if self.widths:
            print(f"window, from the dot to the outcome on disk: median {statistics.median(self.widths):.0f} us, "
                  f"max {max(self.widths):.0f} us; until the server's answer: median {statistics.median(self.answers):.0f} us "
                  f"({len(self.widths)} undisturbed, under strace)")
        print(f"{self.passed} passed, {self.failed} failed")
