"""What is broken, ambiguous or smuggled is answered as tests/data/http_cases.txt says, however it is cut."""

import unittest

from case_house import CaseHouse
from house import end_story
from processes import SLOW

LONG = 1500  # of those, not every place of a cut is tried


class HttpCases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.house = CaseHouse()
        cls.addClassCleanup(cls.house.close)
        cls.house.listen_tls()
        cls.house.start()

    @classmethod
    def tearDownClass(cls):
        end_story(cls.house)

    def assert_as_the_table_says(self, cuts, url=None):
        house = self.house
        wrong = house.send(url or house.serve.url, cuts)
        self.assertFalse(wrong, f"{len(wrong)} of {len(cuts)}:\n" + "\n".join(wrong[:20]))
        house.drain()
        self.assertEqual(set(house.ledger.event_ids()), house.told)
        self.assertEqual(len(house.ledger.event_ids()), len(house.told))
        self.assertEqual(house.ledger.penned(), [])

    def test_each_case_whole(self):
        self.assert_as_the_table_says([(sent, []) for sent in self.house.sent])

    def test_each_case_over_tls(self):
        self.assert_as_the_table_says([(sent, []) for sent in self.house.sent],
                                      self.house.serve.tls_url)

    def test_each_case_byte_by_byte(self):
        # The unit test judges the long ones so; here that would take longer than a request may.
        self.assert_as_the_table_says([
            (sent, list(range(1, size)) if size < LONG else list(range(1, size, size // 200)))
            for sent in self.house.sent for size in [len(sent.bytes)]])

    def test_each_case_in_two_pieces_at_each_place(self):
        cuts = []
        for number, sent in enumerate(self.house.sent):
            size = len(sent.bytes)
            # Under a sanitizer or valgrind, a share of them that is another one for each case.
            step = int(SLOW * SLOW) if size < LONG else size // 20
            cuts += [(sent, [at]) for at in range(1 + number % step, size, step)]
        self.assert_as_the_table_says(cuts)


if __name__ == "__main__":
    unittest.main()
