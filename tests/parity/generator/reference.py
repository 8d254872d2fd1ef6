"""The reference's formulas in NumPy, written out as docs/fidelity.md lists them.

Everything is float64 and analytic in its inputs, so that gradients come from complex steps:
d f / d x = Im f(x + i h) / h, exact to rounding for h = 1e-30. Branches look at real parts only.
"""

import itertools
import math

import numpy as np

STEP = 1e-30


def relu(x):
    return np.where(x.real > 0, x, 0)


def softmax(x, axis):
    e = np.exp(x - x.real.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis):
    shifted = x - x.real.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def erf(x):
    real = np.vectorize(math.erf)(x.real)
    if not np.iscomplexobj(x):
        return real
    return real + 1j * x.imag * 2 / math.sqrt(math.pi) * np.exp(-x.real**2)


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def length(x):
    return np.sqrt((x * x).sum(-1, keepdims=True))


def unit(x, floor):
    norm = length(x)
    return x / np.where(norm.real > floor, norm, floor)


def layer_norm(p, name, x, eps=1e-5):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * p[name + ".weight"] + p[name + ".bias"]


def linear(p, name, x):
    y = x @ np.swapaxes(p[name + ".weight"], -1, -2)
    return y + p[name + ".bias"] if name + ".bias" in p else y


def part(p, prefix):
    return {k[len(prefix):]: v for k, v in p.items() if k.startswith(prefix)}


def mlp(p, x, layers, norm, final_relu=False):
    """Linear layers numbered like a Sequential: [LayerNorm,] Linear, ReLU, Linear, ..."""
    i = 0
    if norm:
        x = layer_norm(p, "layers.0", x)
        i = 1
    for n in range(layers):
        x = linear(p, f"layers.{i}", x)
        if n + 1 < layers or final_relu:
            x = relu(x)
        i += 2
    return x


def slot_attention(p, features, slots, iterations):
    x = layer_norm(p, "norm_features", features)
    k, v = linear(p, "to_k", x), linear(p, "to_v", x)
    masks = None
    for _ in range(iterations):
        normed = layer_norm(p, "norm_slots", slots)
        q = linear(p, "to_q", normed)
        masks = softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1]), axis=-2)
        weights = masks + 1e-8
        updates = (weights / weights.sum(-1, keepdims=True)) @ v
        slots = gru(p, updates, normed)
        if "mlp.layers.1.weight" in p:
            slots = slots + mlp(part(p, "mlp."), slots, 2, norm=True)
    return slots, masks


def gru(p, x, hidden):
    i = x @ p["gru.weight_ih"].T + p["gru.bias_ih"]
    h = hidden @ p["gru.weight_hh"].T + p["gru.bias_hh"]
    ir, iz, new = np.split(i, 3, -1)
    hr, hz, hn = np.split(h, 3, -1)
    r, z = sigmoid(ir + hr), sigmoid(iz + hz)
    return (1 - z) * np.tanh(new + r * hn) + z * hidden


def heads_of(x, heads):
    return np.swapaxes(x.reshape(*x.shape[:-1], heads, -1), -2, -3)


def attention(p, query, memory, heads):
    """Multi-head attention whose logits are multiplied by sqrt(head width), as executed."""
    dim = query.shape[-1]
    weight, bias = p["qkv.weight"], p["qkv.bias"]
    q = heads_of(query @ weight[:dim].T + bias[:dim], heads)
    k = heads_of(memory @ weight[dim:2 * dim].T + bias[dim:2 * dim], heads)
    v = heads_of(memory @ weight[2 * dim:].T + bias[2 * dim:], heads)
    a = softmax(q @ np.swapaxes(k, -1, -2) * math.sqrt(dim // heads), axis=-1)
    return linear(p, "out_proj", np.swapaxes(a @ v, -2, -3).reshape(query.shape))


def transformer(p, x, blocks, heads, memory=None):
    for i in range(blocks):
        b = part(p, f"blocks.{i}.")
        query = layer_norm(b, "norm1", x)
        x = x + attention(part(b, "self_attn."), query, query if memory is None else memory, heads)
        x = x + linear(b, "linear2", relu(linear(b, "linear1", layer_norm(b, "norm2", x))))
    return x


def mlp_decoder(p, slots, layers):
    z = slots[..., :, None, :] + p["pos_emb"][0, 0]
    y = mlp(part(p, "mlp."), z, layers, norm=False)
    masks = softmax(y[..., -1], axis=-2)
    return (masks[..., None] * y[..., :-1]).sum(-3), masks


def slot_mixer(p, slots, blocks, heads, renderer_layers):
    memory = layer_norm(p, "norm_memory", slots)
    pos = np.broadcast_to(p["pos_emb"][0], (*slots.shape[:-2], *p["pos_emb"].shape[1:]))
    x = transformer(part(p, "allocator."), pos, blocks, heads, memory)
    q = linear(p, "to_q", layer_norm(p, "norm_q", x))
    k = linear(p, "to_k", layer_norm(p, "norm_k", slots))
    a = softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1]), axis=-1)
    mixed = a @ slots + pos
    y = mlp(part(p, "renderer."), mixed, renderer_layers, norm=False, final_relu=True)
    return linear(p, "output_transform", y), np.swapaxes(a, -1, -2)


def cubic(x):
    """Keys with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def resize_matrix(size_in, size_out):
    scale = size_in / size_out
    stretch = max(scale, 1.0)
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        center = scale * (i + 0.5)
        low = max(int(center - 2 * stretch + 0.5), 0)
        high = min(int(center + 2 * stretch + 0.5), size_in)
        weights = cubic((np.arange(low, high) - center + 0.5) / stretch)
        matrix[i, low:high] = weights / weights.sum()
    return matrix


def positions(table, height, width):
    grid = math.isqrt(table.shape[1] - 1)
    if (height, width) == (grid, grid):
        return table
    square = table[0, 1:].reshape(grid, grid, -1)
    rows, columns = resize_matrix(grid, height), resize_matrix(grid, width)
    resized = np.einsum("yi,ijd,xj->yxd", rows, square, columns)
    return np.concatenate([table[:, :1], resized.reshape(1, height * width, -1)], 1)


def vit(p, images, depth, heads):
    """Tokens and keys of the last block, without CLS."""
    patch = p["patch_embed.proj.weight"].shape[-1]
    b, c, h, w = images.shape
    gh, gw = h // patch, w // patch
    x = images.reshape(b, c, gh, patch, gw, patch).transpose(0, 2, 4, 1, 3, 5)
    x = x.reshape(b, gh * gw, -1)
    weight = p["patch_embed.proj.weight"].reshape(p["patch_embed.proj.weight"].shape[0], -1)
    x = x @ weight.T + p["patch_embed.proj.bias"]
    x = np.concatenate([np.broadcast_to(p["cls_token"], (b, 1, x.shape[-1])), x], 1)
    x = x + positions(p["pos_embed"], gh, gw)
    keys = None
    for i in range(depth):
        block = part(p, f"blocks.{i}.")
        x, keys = vit_block(block, x, heads)
    return x[:, 1:], keys[:, 1:]


def vit_block(p, x, heads):
    dim = x.shape[-1]
    qkv = linear(p, "attn.qkv", layer_norm(p, "norm1", x, 1e-6))
    q, k, v = (heads_of(t, heads) for t in np.split(qkv, 3, -1))
    a = softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(dim // heads), axis=-1)
    mixed = np.swapaxes(a @ v, -2, -3).reshape(x.shape)
    x = x + p["ls1.gamma"] * linear(p, "attn.proj", mixed)
    hidden = gelu(linear(p, "mlp.fc1", layer_norm(p, "norm2", x, 1e-6)))
    return x + p["ls2.gamma"] * linear(p, "mlp.fc2", hidden), qkv[..., dim:2 * dim]


def feature_mse(prediction, target):
    return ((prediction - target) ** 2).mean()


def slot_contrast(slots, temperature, batch_negatives=True):
    b, t, n, s = slots.shape
    z = np.swapaxes(unit(slots, 1e-12), 0, 1)
    z = z.reshape(t, 1, b * n, s) if batch_negatives else z
    logits = z[:-1] @ np.swapaxes(z[1:], -1, -2) / temperature
    return -np.diagonal(log_softmax(logits, -2), 0, -2, -1).mean()


def similarity_target(keys, temperature, threshold):
    k = unit(keys, 1e-12)
    similarity = k[:, :-1] @ np.swapaxes(k[:, 1:], -1, -2)
    logits = similarity / temperature
    if threshold is not None:
        logits = np.where(similarity < threshold, -np.inf, logits)
        logits = np.where(np.isinf(logits).all(-1, keepdims=True), 0.0, logits)
    return softmax(logits, -1)


def similarity_loss(logits, target):
    return -(target * log_softmax(logits[:, :-1], -1)).sum(-1).mean()


def cosine_distance(a, b):
    return 1 - (unit(a, 1e-8) * unit(b, 1e-8)).sum(-1)


def best_assignment(costs):
    n = costs.shape[0]
    return np.array(min(itertools.permutations(range(n)),
                        key=lambda p: sum(costs[i, p[i]] for i in range(n))))


def assignment(student, teacher, per_frame):
    """index[b, t, n]: teacher slot of student slot n, by least cosine distance."""
    costs = cosine_distance(student[..., :, None, :], teacher[..., None, :, :])
    b, t, n, _ = costs.shape
    index = np.zeros((b, t, n), np.int64)
    for i in range(b):
        for j in range(t):
            index[i, j] = best_assignment(costs[i, j] if per_frame else costs[i].mean(0))
    return index


def video_model(p, tokens, settings):
    """tokens [B, T, P, D] -> features, initial slots, state, predicted state, attention."""
    features = mlp(part(p, "encoder.module.output_transform."), tokens, 2, norm=True)
    corrector = part(p, "processor.module.corrector.")
    predictor = part(p, "processor.module.predictor.")
    if "initializer.slots" in p:
        slots = np.repeat(p["initializer.slots"], tokens.shape[0], 0)
    else:
        slots = p["initializer.mean"] + settings["noise"] * np.exp(p["initializer.log_std"])
    first, state, predicted, masks = slots, [], [], []
    for t in range(tokens.shape[1]):
        iterations = settings["iters"]["first_frame" if t == 0 else "other"]
        slots, attention_map = slot_attention(corrector, features[:, t], slots, iterations)
        state.append(slots)
        masks.append(attention_map)
        slots = transformer(predictor, slots, settings["blocks"], settings["heads"])
        predicted.append(slots)
    return features, first, np.stack(state, 1), np.stack(predicted, 1), np.stack(masks, 1)


def bilinear_matrix(size_in, size_out):
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        at = max((i + 0.5) * size_in / size_out - 0.5, 0.0)
        low = min(int(at), size_in - 1)
        high = min(low + 1, size_in - 1)
        matrix[i, low] += 1 - (at - low)
        matrix[i, high] += at - low
    return matrix


def bicubic_matrix(size_in, size_out, a=-0.75):
    """Without antialiasing; positions outside take the edge."""
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        center = (i + 0.5) * size_in / size_out - 0.5
        low = math.floor(center)
        for k in range(-1, 3):
            x = abs(center - low - k)
            weight = (((a + 2) * x - (a + 3)) * x * x + 1 if x <= 1 else
                      ((a * x - 5 * a) * x + 8 * a) * x - 4 * a)
            matrix[i, min(max(low + k, 0), size_in - 1)] += weight
    return matrix


def resize_frame(frame, size):
    """[H, W, 3] bytes -> [3, h, w] in [0, 1]."""
    rows, columns = bicubic_matrix(frame.shape[0], size[0]), bicubic_matrix(frame.shape[1], size[1])
    return np.clip(np.einsum("yi,ijc,xj->cyx", rows, frame / 255.0, columns), 0, 1)


def resize_labels(plane, size):
    """Nearest-exact."""
    rows = [int((i + 0.5) * plane.shape[0] / size[0]) for i in range(size[0])]
    columns = [int((i + 0.5) * plane.shape[1] / size[1]) for i in range(size[1])]
    return plane[rows][:, columns]


def resize_masks(masks, grid, size):
    """[..., N, P] -> [..., N, H, W], bilinear."""
    square = masks.reshape(*masks.shape[:-1], *grid)
    return np.einsum("yi,...ij,xj->...yx", bilinear_matrix(grid[0], size[0]), square,
                     bilinear_matrix(grid[1], size[1]))


def gradients(function, values):
    """d function(values) / d each entry, by complex steps; function returns a scalar."""
    result = {}
    for name, value in values.items():
        grad = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1j * STEP
            grad[index] = function({**values, name: moved}).imag / STEP
        result[name] = grad
    return result
