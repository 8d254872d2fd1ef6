"""One module or one loss at a time."""

import numpy as np

import reference as ref
from fixture_file import Draw, prefixed


def module(draw, params, inputs, cases, settings, prefix=""):
    """cases: name -> function(params, inputs) -> outputs by name."""
    tensors = {**prefixed("param." + prefix, params), **prefixed("in.", inputs)}
    for case, forward in cases.items():
        dot = case + "." if case else ""
        outputs = forward(params, inputs)
        weights = {k: draw(*v.shape) for k, v in outputs.items()}

        def loss(values):
            p = {k[2:]: v for k, v in values.items() if k.startswith("p.")}
            x = {k[3:]: v for k, v in values.items() if k.startswith("in.")}
            return sum((v * weights[k]).sum() for k, v in forward(p, x).items())

        used = {k: v for k, v in inputs.items() if case not in inputs or k == case}
        grads = ref.gradients(loss, {**prefixed("p.", params), **prefixed("in.", used)})
        tensors.update(prefixed(f"out.{dot}", outputs))
        tensors.update(prefixed(f"out64.{dot}", outputs))
        tensors.update(prefixed(f"in.weight.{dot}", weights))
        for name, grad in grads.items():
            name = prefix + name[2:] if name.startswith("p.") else name
            tensors[f"grad.{dot}{name}"] = grad
    return tensors, settings


def slot_attention_module(use_mlp):
    draw, s = Draw(11 + use_mlp), 6

    def run(iterations):
        return lambda p, x: dict(zip(("slots", "masks"), ref.slot_attention(
            p, x["features"], x["slots"], iterations)))

    cases = {"iters1": run(1), "iters4": run(4)} if use_mlp else {"": run(2)}
    return module(draw, draw.slot_attention(s, use_mlp),
                  {"features": draw(3, 7, s), "slots": draw(3, 4, s)}, cases,
                  {"module": "slot_attention", "config": {
                      "name": "SlotAttention", "inp_dim": s, "slot_dim": s, "use_mlp": use_mlp,
                      "n_iters": 2}})


def predictor_module():
    draw, s = Draw(13), 6
    return module(draw, draw.transformer(s, 2), {"x": draw(3, 4, s)},
                  {"": lambda p, x: {"y": ref.transformer(p, x["x"], 2, 3)}},
                  {"module": "predictor", "config": {"name": "networks.TransformerEncoder",
                                                     "dim": s, "n_blocks": 2, "n_heads": 3}})


def init_modules():
    draw, n, s, b = Draw(14), 4, 6, 3
    noise = draw(b, n, s)
    yield "fixed_init", module(
        draw, {"slots": draw(1, n, s)}, {},
        {"": lambda p, x: {"slots": np.repeat(p["slots"], b, 0)}},
        {"module": "fixed_init", "config": {"name": "FixedLearnedInit", "n_slots": n, "dim": s}})
    yield "random_init", module(
        draw, {"mean": draw(1, 1, s), "log_std": draw(1, 1, s)}, {"noise": noise},
        {"": lambda p, x: {"slots": p["mean"] + x["noise"] * np.exp(p["log_std"])}},
        {"module": "random_init", "config": {"name": "RandomInit", "n_slots": n, "dim": s}})


def output_transform_module():
    draw, d, s = Draw(15), 10, 6
    return module(draw, draw.mlp("", [d, 2 * d, s], norm=True), {"x": draw(3, 5, d)},
                  {"": lambda p, x: {"y": ref.mlp(p, x["x"], 2, norm=True)}},
                  {"module": "output_transform", "config": {
                      "name": "networks.two_layer_mlp", "inp_dim": d, "outp_dim": s,
                      "hidden_dim": 2 * d, "layer_norm": True}})


def mlp_decoder_module():
    draw, s, d, tokens, hidden, layers = Draw(16), 6, 10, 9, 8, 2
    return module(draw, draw.mlp_decoder(s, tokens, d, hidden, layers), {"slots": draw(3, 4, s)},
                  {"": lambda p, x: dict(zip(("reconstruction", "masks"), ref.mlp_decoder(
                      p, x["slots"], layers + 1)))},
                  {"module": "mlp_decoder", "config": {
                      "name": "MLPDecoder", "inp_dim": s, "outp_dim": d,
                      "hidden_dims": [hidden] * layers, "n_patches": tokens}})


def slot_mixer_module():
    draw, s, d, tokens, hidden, blocks, heads = Draw(17), 6, 10, 9, 8, 3, 3

    def run(p, x):
        y, masks = ref.slot_mixer(p, x["slots"], blocks, heads, 3)
        return {"reconstruction": y[..., :d], "similarity": y[..., d:], "masks": masks}

    return module(draw, draw.slot_mixer(s, tokens, blocks, hidden, 3, d + tokens),
                  {"slots": draw(3, 4, s)}, {"": run},
                  {"module": "slot_mixer", "config": {
                      "name": "SlotMixerDecoder", "inp_dim": s, "embed_dim": s,
                      "outp_dim": d + tokens, "n_patches": tokens,
                      "allocator": {"name": "TransformerEncoder", "dim": s, "memory_dim": s,
                                    "n_blocks": blocks, "n_heads": heads},
                      "renderer": {"name": "MLP", "inp_dim": s, "outp_dim": hidden,
                                   "hidden_dims": [hidden, hidden], "final_activation": True},
                      "renderer_dim": hidden, "use_layer_norms": True, "pos_embed_mode": "add"}})


def vit_module():
    draw, dim, depth, heads = Draw(18), 6, 2, 2

    def run(name):
        return lambda p, x: dict(zip(("tokens", "keys"), ref.vit(p, x[name], depth, heads)))

    inputs = {"small": draw(1, 3, 28, 28), "wide": draw(1, 3, 28, 56)}
    tensors, settings = module(
        draw, draw.vit(dim, depth, grid=3), inputs, {name: run(name) for name in inputs},
        {"module": "vit", "config": {
            "name": "TimmExtractor", "model": "vit_small_patch14_dinov2", "frozen": False,
            "features": [f"vit_block{depth}", f"vit_block_keys{depth}"],
            "model_kwargs": {"embed_dim": dim, "depth": depth, "num_heads": heads,
                             "dynamic_img_size": True}}}, prefix="model.")
    # Positions are resampled in float32 by the reference, which NumPy's float64 does not follow.
    return {k: v for k, v in tensors.items() if not k.startswith("out64.")}, settings


def losses():
    draw, b, t, n, s, tokens, d = Draw(21), 3, 3, 4, 5, 6, 7
    tensors = {}

    def add(name, inputs, by, function):
        tensors.update({f"{name.split('.')[0]}.in.{k}": v for k, v in inputs.items()})
        value = function(inputs[by])
        tensors[name + ".out.loss"] = np.float64(value)
        tensors[f"{name}.grad.{by}"] = ref.gradients(
            lambda x: function(x[by]), {by: inputs[by]})[by]

    inputs = {"prediction": draw(b, t, tokens, d + 2), "target": draw(b, t, tokens, d)}
    add("featrec", inputs, "prediction",
        lambda x: ref.feature_mse(x[..., 1:d + 1], inputs["target"]))
    slots = {"slots": draw(b, t, n, s)}
    add("slotslot.batch", slots, "slots", lambda x: ref.slot_contrast(x, 0.2))
    add("slotslot.no_batch", slots, "slots", lambda x: ref.slot_contrast(x, 0.2, False))
    pair = {"student": draw(b, t, n, s), "teacher": draw(b, t, n, s)}
    teacher = pair["teacher"]
    add("kd.cos", pair, "student", lambda x: ref.cosine_distance(x, teacher).mean())
    add("kd.mse", pair, "student", lambda x: ref.feature_mse(x, teacher))
    for name, per_frame in (("hungarian_frame", True), ("hungarian_clip", False)):
        index = ref.assignment(pair["student"], teacher, per_frame)
        matched = np.take_along_axis(teacher, index[..., None], 2)
        add("kd." + name, pair, "student", lambda x, m=matched: ref.cosine_distance(x, m).mean())
        tensors[f"kd.{name}.out.index"] = index
    similar = {"prediction": draw(b, t, tokens, d + tokens), "keys": draw(b, t, tokens, d)}
    similar["keys"][0, 1, :, 0] = 2  # and one token that is like none of these
    similar["keys"][0, 0, 0] = [-1] + [0] * (d - 1)
    settings = {"tau0.3": [0.3, 0.0], "nothr": [0.2, None]}
    for name, (temperature, threshold) in settings.items():
        target = ref.similarity_target(similar["keys"], temperature, threshold)
        add("timesim." + name, similar, "prediction",
            lambda x, y=target: ref.similarity_loss(x[..., d:], y))
        tensors[f"timesim.{name}.out.target"] = target.reshape(b, -1, tokens)
    return tensors, {"timesim": {**settings, "pred_dims": [d, d + tokens]},
                     "slotslot_temperature": 0.2, "featrec_pred_dims": [1, d + 1]}
