"""bench_compare on results written here; run by ctest with the script's path."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_compare")


def line(name, value, unit="ms", **more):
    return json.dumps({"name": name, "value": value, "unit": unit, **more})


class BenchCompare(unittest.TestCase):
    def compare(self, before, after, *options):
        with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:
            paths = []
            for name, lines in (("before", before), ("after", after)):
                paths.append(os.path.join(folder, name))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    file.write("\n".join(lines))
            return subprocess.run([sys.executable, SCRIPT, *paths, *options], check=False,
                                  capture_output=True, text=True)  # fmt: skip

    def test_a_rate_that_falls_and_a_time_that_falls(self):
        done = self.compare([line("crc", 10, "GB/s"), line("load", 10)],
                            [line("crc", 5, "GB/s"), line("load", 5)])  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("-50.0%  worse   crc: 10 -> 5 GB/s", done.stdout)
        self.assertIn("-50.0%  better  load: 10 -> 5 ms", done.stdout)

    def test_the_ratio_counts_not_the_value(self):
        done = self.compare([line("restore", 100, ratio=1.2)], [line("restore", 300, ratio=1.2)])
        self.assertEqual(done.stdout, "nothing changed by 5 % or more\n")

    def test_parameters_tell_results_apart_and_measurements_do_not(self):
        before = [line("capture", 1, pages="text", peak=1), line("capture", 2, pages="noise")]
        after = [line("capture", 2, pages="noise"), line("capture", 2, pages="text", peak=9)]
        done = self.compare(before, after)
        self.assertEqual(done.stdout, "  +100.0%  worse   capture pages=text: 1 -> 2 ms\n")

    def test_lines_of_ctest_and_several_runs(self):
        before = ["UpdateCTestConfiguration", "12: " + line("list", 4), "12: {not json}"]
        after = ["7: " + line("list", value) for value in (400, 8, 1)]
        done = self.compare(before, after)
        self.assertEqual(done.stdout, "  +100.0%  worse   list: 4 -> 8 ms\n")

    def test_new_gone_and_from_nothing(self):
        done = self.compare([line("old", 1), line("zero", 0)], [line("fresh", 1), line("zero", 2)])
        self.assertIn("new  fresh", done.stdout)
        self.assertIn("gone  old", done.stdout)
        self.assertIn("from 0  zero: 0 -> 2 ms", done.stdout)

    def test_exit_status(self):
        before, after = [line("load", 10)], [line("load", 12)]
        self.assertEqual(self.compare(before, after, "--fail-above", "25").returncode, 0)
        self.assertEqual(self.compare(before, after, "--fail-above", "15").returncode, 1)
        self.assertEqual(self.compare(after, before, "--fail-above", "15").returncode, 0)
        nothing = self.compare(["nothing here"], after)
        self.assertEqual(nothing.returncode, 2)
        self.assertIn("no results in it", nothing.stderr)


if __name__ == "__main__":
    unittest.main()
