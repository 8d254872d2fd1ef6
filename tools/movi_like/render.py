#!/usr/bin/env python3
"""Renders clips of moving solids with true instance masks, in DAVIS layout.

    tools/movi_like/render.py --tier a --train 127 --val 24 --out data/movi_like_a

Needs Blender (Debian: apt-get install blender) and nothing else: shapes, lights and patterns are
its own; --meshes (.obj), --textures and --lights take folders of yours. The same seed gives the
same clips. Stopped at any moment, the same command goes on: a clip is there whole or not at all.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SCENE = pathlib.Path(__file__).with_name("scene.py")
LIGHTS = "/usr/share/blender/datafiles/studiolights/world"  # Debian's package blender-data
VAL_SEEDS = 1_000_000  # seeds of the val clips begin here: more train clips change none of them


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", required=True, type=pathlib.Path, help="dataset folder")
    parser.add_argument("--tier", choices=["a", "e"], default="a",
                        help="a: few plain solids, fixed camera; e: many textured, moving camera")
    parser.add_argument("--train", type=int, default=100, help="clips of the train list")
    parser.add_argument("--val", type=int, default=20, help="clips of the val list")
    parser.add_argument("--seed", type=int, default=0, help="of the whole set")
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--frames", type=int, default=24, help="frames a clip, 12 a second")
    parser.add_argument("--samples", type=int, default=16, help="rays a pixel: less is noisier")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="clips at a time")
    parser.add_argument("--meshes", help="folder of .obj files instead of Blender's own shapes")
    parser.add_argument("--textures", help="folder of pictures instead of patterns (tier e)")
    parser.add_argument("--lights", default=LIGHTS, help="folder of .exr or .hdr environments")
    parser.add_argument("--blender", default="blender", help="the program")
    options = parser.parse_args()
    if shutil.which(options.blender) is None:
        parser.error(f"'{options.blender}' is not there; on Debian: apt-get install blender")
    for name in ("meshes", "textures", "lights"):
        folder = getattr(options, name)
        if folder and not os.path.isdir(folder):
            parser.error(f"--{name} {folder} is not a folder")
    for name in ("frames", "size", "samples", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is below 1")
    return options


def without_comments(jpeg):
    """The same picture without Blender's times and dates: a clip is the same file every time."""
    kept, at = bytearray(jpeg[:2]), 2
    while jpeg[at + 1] != 0xDA:  # start of scan: pixels follow
        length = 2 + int.from_bytes(jpeg[at + 2:at + 4], "big")
        if jpeg[at + 1] != 0xFE:
            kept += jpeg[at:at + length]
        at += length
    return bytes(kept + jpeg[at:])


class Dataset:
    def __init__(self, options):
        self.options = options
        resolution = f"{options.size}p"
        self.images = options.out / "JPEGImages" / resolution
        self.masks = options.out / "Annotations" / resolution

    def clips(self):
        """(list, clip name, seed) of every clip of the set."""
        options = self.options
        base = 10_000_000 * options.seed
        for index in range(options.train):
            yield "train", f"{index:04d}", base + index
        for index in range(options.val):
            yield "val", f"v{index:04d}", base + VAL_SEEDS + index

    def has(self, clip):
        # Masks are moved in first, so a folder of pictures means that the clip is whole.
        return (self.images / clip).is_dir()

    def render(self, clip, seed):
        """Renders a clip beside its place and moves it in when it is complete."""
        options = self.options
        with tempfile.TemporaryDirectory(dir=options.out, prefix=".clip_") as work:
            settings = {
                "tier": options.tier, "seed": seed, "size_px": options.size,
                "frames": options.frames, "samples": options.samples, "out": work,
                "lights": options.lights, "meshes": options.meshes, "textures": options.textures,
            }
            path = pathlib.Path(work, "settings.json")
            path.write_text(json.dumps(settings), encoding="utf-8")
            command = [options.blender, "--background", "--factory-startup", "--python-exit-code",
                       "1", "--python", str(SCENE), "--", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
                raise RuntimeError(f"clip {clip}: blender ended with {done.returncode}\n{tail}")
            self._move_in(pathlib.Path(work), clip)

    def _move_in(self, work, clip):
        for kind, pattern, suffix, target in (("masks", "mask_*.png", ".png", self.masks),
                                              ("images", "rgb_*.jpg", ".jpg", self.images)):
            files = sorted(work.glob(pattern))
            if len(files) != self.options.frames:
                raise RuntimeError(f"clip {clip}: {len(files)} {kind} instead of "
                                   f"{self.options.frames}")
            folder = work / kind
            folder.mkdir()
            for index, file in enumerate(files):
                if suffix == ".jpg":
                    file.write_bytes(without_comments(file.read_bytes()))
                file.rename(folder / f"{index:05d}{suffix}")
            if (target / clip).exists():  # masks of a run that was cut between the two moves
                shutil.rmtree(target / clip)
            folder.rename(target / clip)

    def write_lists(self):
        lists = {"train": [], "val": []}
        for name, clip, _ in self.clips():
            lists[name].append(clip + "\n")
        folder = self.options.out / "ImageSets"
        folder.mkdir(exist_ok=True)
        for name, clips in lists.items():
            (folder / f"{name}.txt").write_text("".join(clips), encoding="utf-8")


def report(done, total, started):
    seconds = time.monotonic() - started
    left = seconds / max(done, 1) * (total - done)
    print(f"\r{done}/{total} clips  {seconds / max(done, 1):.1f} s a clip  {left / 60:.0f} min left ",
          end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def main():
    options = arguments()
    dataset = Dataset(options)
    for folder in (dataset.images, dataset.masks):
        folder.mkdir(parents=True, exist_ok=True)
    for left in options.out.glob(".clip_*"):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    missing = [(clip, seed) for _, clip, seed in dataset.clips() if not dataset.has(clip)]
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(dataset.render, clip, seed) for clip, seed in missing]
        try:
            for done, future in enumerate(concurrent.futures.as_completed(futures), 1):
                future.result()
                report(done, len(missing), started)
        except (RuntimeError, OSError) as error:
            pool.shutdown(cancel_futures=True)
            sys.exit(f"\n{error}")
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            sys.exit("\nstopped; the same command goes on")
    dataset.write_lists()
    print(f"\n{options.out}: {options.train} train and {options.val} val clips", file=sys.stderr)


if __name__ == "__main__":
    main()
