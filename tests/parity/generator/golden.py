"""Published golden values that the formulas have to give."""

import math

import numpy as np

import reference as ref


def fill(shape, tag, amp=0.5, off=0.0):
    return (off + amp * np.sin(1.3 * np.arange(math.prod(shape)) + tag)).reshape(shape)


def fills(table):
    return {name: fill(shape, *rest) for name, (shape, *rest) in table.items()}


def check_slot_attention():
    table = {"to_q.weight": ((4, 4), 1), "to_k.weight": ((4, 4), 2), "to_v.weight": ((4, 4), 3),
             "gru.weight_ih": ((12, 4), 4), "gru.weight_hh": ((12, 4), 5),
             "gru.bias_ih": ((12,), 6), "gru.bias_hh": ((12,), 7),
             "norm_features.weight": ((4,), 8, 0.5, 1), "norm_features.bias": ((4,), 9),
             "norm_slots.weight": ((4,), 10, 0.5, 1), "norm_slots.bias": ((4,), 11),
             "mlp.layers.0.weight": ((4,), 12, 0.5, 1), "mlp.layers.0.bias": ((4,), 13),
             "mlp.layers.1.weight": ((16, 4), 14), "mlp.layers.1.bias": ((16,), 15),
             "mlp.layers.3.weight": ((4, 16), 16), "mlp.layers.3.bias": ((4,), 17)}
    slots, masks = ref.slot_attention(fills(table), fill((1, 5, 4), 19), fill((1, 3, 4), 18), 1)
    yield slots[0, 0], [0.44969652, -1.61907169, 0.76713209, 2.80737061]
    yield masks[0, 0], [0.58156549, 0.08723617, 0.05962512, 0.20062143, 0.78739218]
    slots, _ = ref.slot_attention(fills(table), fill((1, 5, 4), 19), fill((1, 3, 4), 18), 3)
    yield slots[0, 2], [0.17775549, -3.31980535, 1.76625999, 3.96068446]


def check_predictor():
    b = "blocks.0."
    table = {b + "norm1.weight": ((8,), 21, 0.5, 1), b + "norm1.bias": ((8,), 22),
             b + "self_attn.qkv.weight": ((24, 8), 23, 0.2),
             b + "self_attn.qkv.bias": ((24,), 24, 0.2),
             b + "self_attn.out_proj.weight": ((8, 8), 25, 0.2),
             b + "self_attn.out_proj.bias": ((8,), 26, 0.2),
             b + "norm2.weight": ((8,), 27, 0.5, 1), b + "norm2.bias": ((8,), 28),
             b + "linear1.weight": ((32, 8), 29, 0.2), b + "linear1.bias": ((32,), 30, 0.2),
             b + "linear2.weight": ((8, 32), 31, 0.2), b + "linear2.bias": ((8,), 32, 0.2)}
    yield ref.transformer(fills(table), fill((1, 3, 8), 33), 1, 2)[0, 0], [
        1.25890483, 0.21615091, -0.63810009, -0.30761628, -0.36809474, 1.01122742, 0.49729742,
        -1.03730285]


def check_decoder():
    table = {"pos_emb": ((1, 1, 4, 4), 52)}
    for i, (a, b) in enumerate(((4, 6), (6, 6), (6, 6), (6, 4))):
        table[f"mlp.layers.{2 * i}.weight"] = ((b, a), 53 + 2 * i)
        table[f"mlp.layers.{2 * i}.bias"] = ((b,), 54 + 2 * i)
    y, masks = ref.mlp_decoder(fills(table), fill((1, 2, 4), 51), 4)
    yield y[0, 0], [0.42967480, -1.16064473, -0.76830245]
    yield masks[0, 0], [0.52934566, 0.52082919, 0.55146135, 0.54238670]


def check_losses():
    slots, teacher = fill((2, 3, 2, 3), 40, 1), fill((2, 3, 2, 3), 41.5, 1)
    yield ref.slot_contrast(slots, 0.1), 8.2331981231
    yield ref.slot_contrast(slots, 0.1, False), 2.8846734108
    grad = ref.gradients(lambda x: ref.slot_contrast(x["s"], 0.1), {"s": slots})["s"]
    yield grad.ravel()[:3], [0.77718632, 1.38569275, -0.03584394]
    yield ref.cosine_distance(slots, teacher).mean(), 0.9326631794
    index = ref.assignment(slots, teacher, per_frame=True)
    matched = np.take_along_axis(teacher, index[..., None], 2)
    yield ref.cosine_distance(slots, matched).mean(), 0.8472237028
    target = ref.similarity_target(fill((1, 3, 4, 2), 70, 1), 0.15, 0.0)
    yield target[0, 0, 0], [0, 0.63112995, 0, 0.36887005]
    yield ref.similarity_loss(fill((1, 3, 4, 4), 71, 1), target), 1.8627198007


def check_positions():
    y, x = np.divmod(np.arange(37 * 37), 37)
    table = np.concatenate([[0.0], np.sin(0.9 * x + 0.4 * y)]).reshape(1, -1, 1)
    grid = ref.positions(table, 24, 24)[0, 1:, 0].reshape(24, 24)
    yield grid[[0, 0, 11, 23], [0, 1, 12, 23]], [0.392416, 0.921763, -0.934204, 0.646726]


def check_formulas():
    for check in (check_slot_attention, check_predictor, check_decoder, check_losses,
                  check_positions):
        for ours, golden in check():
            np.testing.assert_allclose(ours, golden, atol=2e-6, err_msg=check.__name__)
