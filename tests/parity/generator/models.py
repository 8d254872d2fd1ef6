"""Whole models over clips, and optimiser steps."""

import math

import numpy as np

import reference as ref
from fixture_file import Draw, prefixed


ENCODER = "encoder.module.backbone.model."
FRAME = {"first_frame": 2, "other": 1}


def model_parameters(draw, sizes, decoder=True, random=False):
    n, s, d, grid = sizes["N"], sizes["S"], sizes["D"], sizes["grid"]
    p = ({"initializer.mean": draw(1, 1, s, scale=0.3), "initializer.log_std": draw(1, 1, s)}
         if random else {"initializer.slots": draw(1, n, s, scale=s**-0.5)})
    p.update(prefixed(ENCODER, draw.vit(d, sizes["depth"], grid)))
    p.update(prefixed("encoder.module.output_transform.", draw.mlp("", [d, 2 * d, s], norm=True)))
    p.update(prefixed("processor.module.corrector.", draw.slot_attention(s, not random)))
    p.update(prefixed("processor.module.predictor.", draw.transformer(s, sizes["blocks"])))
    if random:
        p.update(prefixed("decoder.module.", draw.slot_mixer(
            s, grid * grid, 2, sizes["hidden"], 2, d + grid * grid)))
    elif decoder:
        p.update(prefixed("decoder.module.", draw.mlp_decoder(
            s, grid * grid, d, sizes["hidden"], 2)))
    return p


def encode(p, video, sizes):
    b, t = video.shape[:2]
    tokens, keys = ref.vit(ref.part(p, ENCODER), video.reshape(b * t, *video.shape[2:]),
                           sizes["depth"], sizes["vit_heads"])
    return tokens.reshape(b, t, *tokens.shape[1:]), keys.reshape(b, t, *keys.shape[1:])


def model_outputs(p, tokens, keys, sizes, settings):
    names = ("encoder.features", "initial_slots", "processor.state", "processor.state_predicted",
             "processor.corrector.masks")
    out = dict(zip(names, ref.video_model(p, tokens, sizes)))
    decoder, state, d = ref.part(p, "decoder.module."), out["processor.state"], sizes["D"]
    if "to_q.weight" in decoder:
        y, masks = ref.slot_mixer(decoder, state, 2, sizes["heads"], 2)
    else:
        y, masks = ref.mlp_decoder(decoder, state, 3)
    out["decoder.reconstruction"], out["decoder.masks"] = y, masks
    terms = {"loss_featrec": lambda: ref.feature_mse(y[..., :d], tokens),
             "loss_ss": lambda: ref.slot_contrast(state, settings["temperature"]),
             "loss_timesim": lambda: ref.similarity_loss(
                 y[..., d:], ref.similarity_target(keys, 0.3, 0.0)),
             "loss_kd": lambda: ref.cosine_distance(state, settings["teacher"]).mean()}
    weights = settings["loss_weights"]
    out.update({name: terms[name]() for name in weights})
    out["loss"] = sum(weight * out[name] for name, weight in weights.items())
    return out


def trainable(p):
    return {k: v for k, v in p.items() if not k.startswith(ENCODER)}


def video(random):
    draw = Draw(31 + random)
    sizes = {"B": 2, "T": 3, "N": 3, "S": 6, "D": 6, "depth": 2, "vit_heads": 2, "grid": 2,
             "hidden": 7, "blocks": 2, "heads": 3, "iters": FRAME}
    b, t, n, s = (sizes[k] for k in "BTNS")
    p = model_parameters(draw, sizes, random=random)
    frames = draw(b, t, 3, 28, 28)
    sizes["noise"] = draw(b, n, s)
    tokens, keys = encode(p, frames, sizes)
    settings = {"loss_weights": {"loss_featrec": 0.7, "loss_ss": 0.4}, "temperature": 0.2}
    if random:
        settings["loss_weights"] = {"loss_featrec": 1.0, "loss_timesim": 0.3}
    out = model_outputs(p, tokens, keys, sizes, settings)
    out["encoder.backbone_features"], out["encoder.keys"] = tokens, keys
    grads = ref.gradients(
        lambda x: model_outputs({**p, **x}, tokens, keys, sizes, settings)["loss"], trainable(p))
    tensors = {**prefixed("param.", p), **prefixed("out.", out), **prefixed("out64.", out),
               **prefixed("grad.", grads), "in.video": frames}
    for key, source, size in (("decoder_masks_vis", "decoder.masks", (28, 28)),
                              ("decoder_masks_metrics", "decoder.masks", (9, 13)),
                              ("grouping_masks_vis", "processor.corrector.masks", (28, 28))):
        soft = ref.resize_masks(out[source], (2, 2), size)
        tensors[f"out.{key}_index"] = soft.argmax(2).astype(np.uint8)
        if key == "decoder_masks_vis":
            tensors["out.decoder_masks"] = soft
    shapes = {k: v for k, v in sizes.items() if k in ("B", "T", "N", "S", "D", "depth", "hidden")}
    meta = {**settings, "shapes": shapes, "vit_heads": 2, "predictor_heads": 3, "iters": FRAME,
            "seg_size": [9, 13]}
    if random:
        tensors["in.noise"] = sizes["noise"]
        tensors["out.timesim_target"] = ref.similarity_target(keys, 0.3, 0.0).reshape(b, -1, 4)
        meta.update({"decoder_heads": 3, "loss_timesim": {
            "name": "CrossEntropyLoss", "remove_last_n_frames": 1, "pred_dims": [6, 10],
            "target_transform": {"softmax": True, "temperature": 0.3, "threshold": 0.0}}})
    return tensors, meta


def adam(p, tokens, sizes, settings):
    """Curves and trained parameters."""
    moment1 = {k: np.zeros(v.shape) for k, v in trainable(p).items()}
    moment2 = {k: np.zeros(v.shape) for k, v in trainable(p).items()}
    curves = {}
    for step in range(settings["steps"]):
        x = trainable(p)
        now = {**settings, "teacher": settings["teachers"][step]} if "teachers" in settings \
            else settings
        out = model_outputs(p, tokens[step], None, sizes, now)
        grads = ref.gradients(
            lambda y: model_outputs({**p, **y}, tokens[step], None, sizes, now)["loss"], x)
        norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
        warm, decay = settings["warmup_steps"], settings["decay_steps"]
        rate = settings["lr"] * (step / warm if step < warm else
                                 settings["decay_rate"]**((step - warm) / (decay - warm)))
        for key, grad in grads.items():
            grad = grad * min(1.0, settings["clip_norm"] / (norm + 1e-6))
            moment1[key] = 0.9 * moment1[key] + 0.1 * grad
            moment2[key] = 0.999 * moment2[key] + 0.001 * grad**2
            bias1, bias2 = 1 - 0.9**(step + 1), 1 - 0.999**(step + 1)
            p = {**p, key: p[key] - rate / bias1 * moment1[key] / (
                np.sqrt(moment2[key]) / math.sqrt(bias2) + 1e-8)}
        row = {**{k: v for k, v in out.items() if k.startswith("loss")}, "grad_norm": norm,
               "lr": rate}
        for key, value in row.items():
            curves.setdefault(key, []).append(value)
    return {k: np.array(v, np.float64) for k, v in curves.items()}, trainable(p)


TRAIN = {"lr": 0.002, "warmup_steps": 2, "decay_steps": 5, "decay_rate": 0.25, "clip_norm": 0.3,
         "steps": 4, "temperature": 0.2, "vit_heads": 2, "predictor_heads": 2, "iters": FRAME,
         "adam": {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0}}
SIZES = {"N": 3, "S": 4, "D": 6, "depth": 1, "vit_heads": 2, "grid": 2, "hidden": 5, "blocks": 1,
         "heads": 2, "iters": FRAME}


def training():
    draw = Draw(41)
    p = model_parameters(draw, SIZES)
    batches = draw(TRAIN["steps"], 2, 2, 3, 28, 28)
    tokens = [encode(p, batch, SIZES)[0] for batch in batches]
    settings = {**TRAIN, "loss_weights": {"loss_featrec": 1.0, "loss_ss": 0.3}}
    shapes = {k: SIZES[k] for k in ("N", "S", "D", "depth", "hidden")}
    yield "train_tiny", curve_fixture(adam(p, tokens, SIZES, settings),
                                      {**prefixed("param.", p), "in.batches": batches},
                                      {**settings, "shapes": shapes})
    wide = {**SIZES, "D": 9, "vit_heads": 3}
    teacher = model_parameters(draw, wide, decoder=False)
    slots = [ref.video_model(teacher, encode(teacher, batch, wide)[0], wide)[2]
             for batch in batches]
    settings["loss_weights"] = {"loss_featrec": 0.5, "loss_ss": 0.2, "loss_kd": 0.6}
    yield "train_distill_tiny", curve_fixture(
        adam(p, tokens, SIZES, {**settings, "teachers": slots}), prefixed("teacher.", teacher),
        {**settings, "teacher_vit_heads": 3, "student_init_and_batches": "train_tiny.safetensors",
         "shapes": shapes})


def curve_fixture(trained, tensors, settings):
    curves, final = trained
    return ({**tensors, **prefixed("out.step.", curves), **prefixed("out64.step.", curves),
             **prefixed("out.final.", final)}, settings)
