"""A small `make failover`: 180 messages, one of three edges killed, then the two others."""
import math

from failover import SOON_S, Failover
from harness import Case


class FailoverOfThree(Case):
    ALONE = True    # measures time

    def test_one_and_then_all_but_one(self):
        with Failover(180, 30, [(1, "kill", ["us"]), (3, "start", ["us"]), (4, "kill", ["de", "fr"])]) as failover:
            failover.run()
            self.assertEqual(failover.lost(), [])
            inside, outside = failover.doubled()
            self.assertEqual(outside, [])
            under_way = sum(delay is None for _, delay in failover.first_attempts())
            self.assertLessEqual(len(inside), under_way)
            self.assertLess(under_way, 150)
            # How soon is measured by `make failover`; here, that what comes after a kill is not deferred.
            for names, seconds in failover.goes_on_after(soon_s=math.inf):
                self.assertLess(seconds, SOON_S, names)
