"""Of `language.py`, what needs neither peers nor a clock: `python3 -m unittest discover bench`."""

import array
import json
import pathlib
import tempfile
import unittest

import language
from language import SIZES, Measured, Size

SMALL = Size("small", "word", 8, 3, 2, 4, 2, (10, 5))


class Texts(unittest.TestCase):
    def test_the_text_to_train_on_has_the_whole_vocabulary(self) -> None:
        for size in SIZES:
            sentences = language.made_up(size, 200)
            text = language.every_token(size, sentences)
            found = set(text.split()) if size.unit == "word" else set(text) - {"\n"}
            self.assertEqual(len(found), size.vocabulary - 2, size.name)
            self.assertEqual(sentences, language.made_up(size, 200))

    def test_the_rarest_give_way_where_there_is_no_room(self) -> None:
        text = language.every_token(SMALL, ["a b c d e f g", "a b c d e f <unk>"])
        self.assertEqual(text.split(), ["a", "b", "c", "d", "e", "f"])
        self.assertEqual(language.every_token(SMALL, ["a <unk>"]).split()[:2], ["a", "filler0"])

    def test_lines_of_a_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "lines.txt"
            path.write_text(" one \n\n  \ntwo\nthree\n", encoding="utf-8")
            self.assertEqual(language.real(path, 2), ["one", "two"])


class Data(unittest.TestCase):
    def test_sentences_become_numbers_with_their_closing_mark(self) -> None:
        ids = language.encode(SMALL, ["<unk>", "<eos>", "a", "b"], ["b a", "a never"])
        self.assertEqual(ids, [[3, 2, 1], [2, 0, 1]])
        data = language.for_peer(ids, b"weights!")
        self.assertEqual(list(array.array("f", data[: 4 * 8])), [3, 3, 3, 2, 1, 2, 0, 1])
        self.assertEqual(data[4 * 8 :], b"weights!")
        self.assertEqual(language.encode(SIZES[0], ["<unk>", "\n", "x"], ["xy"]), [[2, 0, 1]])

    def test_a_model_file_in_the_order_of_layers(self) -> None:
        names = ["dense.b", "dense.w", "lstm.b", "lstm.w_h", "lstm.w_x", "lstm_1.b", "lstm_1.w_h", "lstm_1.w_x"]
        places = {name: {"data_offsets": [number, number + 1]} for number, name in enumerate(names)}
        document = json.dumps({"task": {"vocabulary": {"tokens": ["<unk>", "\n"]}}})
        header = json.dumps({"__metadata__": {"gimbap": document}, **places}).encode()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.safetensors"
            path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(range(8)))
            tokens, weights = language.read_model(path)
        self.assertEqual((tokens, list(weights)), (["<unk>", "\n"], [4, 3, 2, 7, 6, 5, 1, 0]))

    def test_differences_are_shares_of_the_largest(self) -> None:
        self.assertAlmostEqual(language.apart([-1.0, -4.0], [-1.0, -4.4]), 0.1)
        self.assertEqual(language.apart([-1.0], []), float("inf"))


class Words(unittest.TestCase):
    def test_targets_and_table(self) -> None:
        measured = [
            Measured("char-rnn", "generation", [1e-5, 3e-5, 2e-5], [1e-4, 3.4e-4]),
            Measured("ptb-small", "one at a time", [1e-3], [2e-3]),
        ]
        (target,) = language.targets(measured)
        self.assertTrue(target.met)
        self.assertIn("11.00", target.found)
        header, first, second = language.table(measured).splitlines()
        self.assertIn("20.0 us", first)
        self.assertIn("2.00", second)
        self.assertEqual(header.split()[-3:], ["gimbap", "PyTorch", "ratio"])


if __name__ == "__main__":
    unittest.main()
