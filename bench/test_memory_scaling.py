"""Tests of memory.py and scaling.py: `python3 -m unittest discover bench`."""

import sys
import unittest

import memory
import scaling

# Keeps nothing, but takes 40 MiB while it is timed, once the data is there.
GREEDY = """
import json, sys
big = False
for line in sys.stdin:
    request = json.loads(line)
    big = request["op"] == "prepare" and request["work"]["t"] > 100 or big
    if request["op"] == "time" and big:
        sum((b"x" * (40 << 20))[:: 1 << 12])
    print(json.dumps({"name": "greedy", "version": "1", "seconds": [0.5]}), flush=True)
"""


class Memory(unittest.TestCase):
    @unittest.skipUnless(sys.platform == "linux", "memory.py reads /proc")
    def test_growth_is_what_the_peak_rises_by(self) -> None:
        command = [sys.executable, "-c", GREEDY]
        for steps, least, most in [(1000, 39, 42), (1, -1, 1)]:
            grown, seconds = memory.fresh(command, 1, "greedy", {"b": 1, "t": steps, "i": 1, "h": 1}, "")
            self.assertTrue(least <= grown / memory.MIB <= most, grown)
            self.assertEqual(seconds, [0.5])


class Scaling(unittest.TestCase):
    FOUND = {"forward": [(100, 1.0), (1000, 1.2)], "checkpointed": [(100, 3.0), (1000, 4.0)]}

    def test_a_step_costs_the_same_within_a_quarter(self) -> None:
        self.assertEqual([target.met for target in scaling.constant(self.FOUND)], [True, False])

    def test_the_picture_has_a_curve_and_a_name_for_each_schedule(self) -> None:
        drawn = scaling.draw(self.FOUND, "a processor")
        self.assertEqual(drawn.count('fill="none"'), 2)
        self.assertEqual(drawn.count("<circle"), 4)
        self.assertIn("checkpointed", drawn)


if __name__ == "__main__":
    unittest.main()
