"""Of the bench, what needs neither peers nor a clock: `python3 -m unittest discover bench`."""

import unittest
from xml.etree import ElementTree

import picture
import record
import report
import run
import streams
from measure import Result


def result(kind: str, cell: str, h: int, seconds: dict[str, float], b: int = 8) -> Result:
    made = Result(f"{kind} B{b} T2 I4 H{h}", {"kind": kind, "cell": cell, "b": b, "t": 2, "i": 4, "h": h}, 1e9, None, 400)
    made.seconds = {peer: [time, 3 * time, time] for peer, time in seconds.items()}
    return made


MACHINE = record.Machine("AMD (R) Test 9", ["avx2"], 2, "avx2", 100.0, 90.0, 100.0, (95.0, 100.0), [1.0, None, 2.0])


class Ratios(unittest.TestCase):
    def test_the_best_peer_is_the_fastest_of_the_others(self) -> None:
        found = result("train", "lstm", 32, {"gimbap": 0.01, "PyTorch": 0.03, "TensorFlow": 0.02})
        self.assertEqual(found.best_peer(), "TensorFlow")
        self.assertAlmostEqual(found.ratio() or 0, 2.0)
        self.assertIsNone(result("train", "lstm", 32, {"gimbap": 0.01}).ratio())

    def test_a_target_is_as_good_as_its_worst_workload(self) -> None:
        two = [
            result("train", "lstm", 128, {"gimbap": 0.01, "PyTorch": 0.03}),
            result("train", "gru", 256, {"gimbap": 0.02, "PyTorch": 0.022}),
        ]
        targets = {target.text: target for target in report.targets(two, 100.0)}
        ratio = targets["training: ratio at least 1.25"]
        self.assertFalse(ratio.met)
        self.assertIn("1.10 (gru", ratio.found)
        self.assertIn("1 of 2", ratio.found)
        self.assertTrue(targets["training: median ratio at least 2.00"].met)
        self.assertFalse(any("inference" in text for text in targets))

    def test_a_stream_has_its_limit(self) -> None:
        met = streams.targets([result("stream", "lstm", 8, {"gimbap": 7e-8}, b=1)])
        self.assertEqual([target.met for target in met], [True])


class Words(unittest.TestCase):
    def test_a_table_names_every_peer_that_was_there(self) -> None:
        two = [
            result("infer", "lstm", 8, {"gimbap": 0.01, "ONNX Runtime": 0.02}),
            result("infer", "rnn", 8, {"gimbap": 0.01, "PyTorch": 5e-5}),
        ]
        title, header, first, second = report.table("infer", two, 200.0, ["PyTorch", "ONNX Runtime", "candle"]).splitlines()
        self.assertIn("Inference", title)
        self.assertNotIn("candle", header)
        self.assertIn("50 %", first)
        self.assertIn("50.000 us", second)

    def test_filters(self) -> None:
        workloads = [{"name": "train B32 H8", "work": {"cell": "gru"}}, {"name": "ptb-small", "work": {"recipe": "x"}}]
        self.assertEqual(len(run.chosen(workloads, [])), 2)
        self.assertEqual(run.chosen(workloads, ["train,infer", "GRU"]), workloads[:1])
        self.assertEqual(run.chosen(workloads, ["steps"]), workloads[1:])

    def test_a_machine_names_its_folder(self) -> None:
        self.assertTrue(MACHINE.folder.startswith("amd-test-9-"), MACHINE.folder)
        self.assertFalse(MACHINE.is_uneven())


class Picture(unittest.TestCase):
    def test_it_is_xml_with_a_bar_for_each(self) -> None:
        results = [
            result("train", "lstm", 8, {"gimbap": 0.01, "PyTorch": 0.02}),
            result("stream", "lstm", 8, {"gimbap": 1e-7, "PyTorch": 1e-4}, b=1),
        ]
        tree = ElementTree.fromstring(picture.draw(results, MACHINE, ["PyTorch"]))
        space = "{http://www.w3.org/2000/svg}"
        # The background, two of the legend, two bars.
        self.assertEqual(len(tree.findall(f"{space}rect")), 5)
        self.assertEqual(len(tree.findall(f"{space}circle")), 2)


if __name__ == "__main__":
    unittest.main()
