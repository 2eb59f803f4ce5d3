"""A disk in between, whose syncs are slow or fail when it is told so: slow_disk.c, preloaded."""

from processes import BUILD, with_environment


class DiskBetween:
    def __init__(self, folder):
        self._orders = folder / "disk-orders"
        self.order("")

    def order(self, order):
        """As slow_disk.c reads it: `sleep MS`, `fail`, or nothing."""
        new = self._orders.with_suffix(".new")
        new.write_text(order)
        new.rename(self._orders)

    def in_between(self):
        """Who starts in here does its fdatasync through it."""
        return with_environment(LD_PRELOAD=str(BUILD / "tests" / "chaos" / "slow_disk.so"),
                           CHAOS_DISK_ORDERS=str(self._orders))
