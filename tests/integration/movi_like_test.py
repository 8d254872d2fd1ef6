#!/usr/bin/env python3
"""tools/movi_like with the real Blender; exit code 77 (skipped) where it is not installed."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = ["tools/movi_like/render.py", "--size", "24", "--frames", "2", "--samples", "1", "--jobs", "2"]


def render(out, *more):
    return subprocess.run([sys.executable, *TOOL, "--out", out, *more], capture_output=True,
                          text=True, check=False)


def content(folder):
    return {str(file.relative_to(folder)): file.read_bytes()
            for file in sorted(pathlib.Path(folder).rglob("*")) if file.is_file()}


class MoviLike(unittest.TestCase):
    def test_same_seed_same_clips_and_what_is_missing_is_made_again(self):
        with tempfile.TemporaryDirectory() as work:
            first, again = f"{work}/first", f"{work}/again"
            done = render(first, "--tier", "e", "--train", "1", "--val", "1")
            self.assertEqual(done.returncode, 0, done.stderr)
            files = content(first)
            for name in ("ImageSets/train.txt", "JPEGImages/24p/0000/00000.jpg",
                         "Annotations/24p/v0000/00001.png"):
                self.assertIn(name, files)
            self.assertEqual(files["ImageSets/val.txt"], b"v0000\n")
            self.assertEqual(len(files), 2 + 2 * 2 * 2)
            # A run that was cut: one clip missing, one begun.
            shutil.copytree(first, again)
            shutil.rmtree(f"{again}/JPEGImages/24p/v0000")
            pathlib.Path(again, ".clip_begun").mkdir()
            done = render(again, "--tier", "e", "--train", "1", "--val", "1")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("1/1 clips", done.stderr)
            self.assertEqual(content(again), files)

    def test_mistakes_are_one_line(self):
        for arguments, wanted in ((["--blender", "no_such_program"], "apt-get install blender"),
                                  (["--meshes", "no_such_folder"], "is not a folder"),
                                  (["--frames", "0"], "--frames is below 1")):
            done = render("unused", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(wanted, done.stderr)


if __name__ == "__main__":
    if shutil.which("blender") is None:
        print("skipped: blender is not installed")
        sys.exit(77)
    unittest.main()
