#!/usr/bin/env python3
"""Writes the fixtures in tests/parity/fixtures from the formulas in reference.py.

    python3 tests/parity/generator/make_fixtures.py DIR

First holds the formulas against published golden values (golden.py); formulas that do not give
them write nothing. Needs NumPy only. Inputs and parameters are rounded to float32, results are
those of float64.
"""

import pathlib
import sys

import golden
import models
import modules
import pictures
from fixture_file import prefixed, write


def main():
    root = pathlib.Path(sys.argv[1])
    golden.check_formulas()
    files = {"modules/slot_attention": modules.slot_attention_module(True),
             "modules/slot_attention_nomlp": modules.slot_attention_module(False),
             "modules/predictor": modules.predictor_module(),
             **prefixed("modules/", dict(modules.init_modules())),
             "modules/output_transform": modules.output_transform_module(),
             "modules/mlp_decoder": modules.mlp_decoder_module(),
             "modules/slot_mixer": modules.slot_mixer_module(),
             "modules/vit": modules.vit_module(),
             "losses": modules.losses(),
             "metrics": pictures.metrics(),
             "transforms": pictures.transforms(),
             "video_tiny": models.video(False),
             "video_saur_tiny": models.video(True),
             **dict(models.training())}
    for name, (tensors, settings) in files.items():
        write(root / (name + ".safetensors"), tensors,
              {**settings, "source": "tests/parity/generator/make_fixtures.py"})


if __name__ == "__main__":
    main()
