"""Who does not read the log holds nobody up: a line is lost, and that is told."""

import time

from house import Story
from processes import SLOW, until


class Log(Story):
    def test_a_log_that_nobody_reads_keeps_no_delivery_waiting(self):
        self.house.start()
        serve = self.house.serve
        with serve.unread():
            started = time.monotonic()
            for _ in range(100):
                self.house.post_event()
            self.assertLess(time.monotonic() - started, 8 * SLOW)
            lost = serve.value("log_lines_lost_total")
        self.assertGreater(lost, 0)
        until(lambda: self.house.post_event() and serve.logged("log lines lost, nobody read stderr"),
              "what was lost is told")
        told = serve.logged("log lines lost, nobody read stderr")[0]
        self.assertGreaterEqual(told["count"], lost)
        self.house.settle()
