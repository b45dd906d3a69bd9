"""What was promised, what was measured, and whether it holds. A target that is missed fails nothing: it stands in the document."""
import statistics
import sys

from part import table

WORD = {True: "met", False: "**missed**"}


class Targets:
    def __init__(self):
        self.rows = []

    def at_least(self, what, target, measured, form="{:.2f}"):
        self.rows.append((what, "≥ " + form.format(target), form.format(measured), WORD[measured >= target]))

    def at_most(self, what, target, measured, form="{:.2f}"):
        self.rows.append((what, "≤ " + form.format(target), form.format(measured), WORD[measured <= target]))

    def print(self):
        for row in self.rows:
            print(" | ".join(row), file=sys.stderr, flush=True)
        return table(*self.rows, head=("", "target", "measured", ""))


def ratio(mine, others):
    """Of contestants that took turns: the median of the quotients within a round."""
    return statistics.median(a / b for a, b in zip(mine, others))


def spread(values, form="{:.0f}"):
    """Median, and the least and most if there are several."""
    text = form.format(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({form.format(min(values))}–{form.format(max(values))})"
