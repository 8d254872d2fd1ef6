"""Scores of label maps and transforms of pictures."""

import numpy as np

import reference as ref


TRUTH = "1100/1100/0022/0022"
MIXED, PERFECT, SWAPPED = "0002/0122/2211/2212", "1100/1100/0022/0022", "2200/2200/0011/0011"
EMPTY = "0000/0000/0000/0000"
ONE = "0000/0110/0110/0000"
# name: truth and prediction frame by frame, ignore_background, scores that are published.
LABELS = {
    "mixed": ([TRUTH], [MIXED], False, {"ari": 10 / 31, "image_ari": 10 / 31, "mbo": 0.6,
                                        "image_mbo": 0.6}),
    "mixed_with_background": ([TRUTH], [MIXED], True, {"ari": 10 / 31, "mbo": 0.6}),
    "larger_slot": ([TRUTH], ["1102/1120/0222/0222"], False, {"ari": 1, "mbo": 0.75}),
    "one_slot": ([TRUTH], [EMPTY], False, {"ari": 0, "mbo": 0.25}),
    "single_in_one_slot": ([ONE], [EMPTY], False, {"ari": 1, "mbo": 0.25}),
    "single_split": ([ONE], ["0000/0100/0000/0000"], False, {"ari": 0, "mbo": 0.25}),
    "single_perfect": ([ONE], [ONE], False, {"ari": 1, "mbo": 1, "hungarian_iou": 1}),
    "across": (["1122/1122/1122/1122"], ["0101/0101/1010/1010"], False,
               {"ari": -1 / 14, "mbo": 1 / 3}),
    "swapped": ([TRUTH] * 2, [PERFECT, SWAPPED], False,
                {"image_ari": 1, "ari": -1 / 14, "image_mbo": 1, "mbo": 1 / 3}),
    "consistent": ([TRUTH] * 2, [PERFECT] * 2, False,
                   {"image_ari": 1, "ari": 1, "image_mbo": 1, "mbo": 1, "hungarian_iou": 1}),
    "empty_frame_counts": ([TRUTH, EMPTY], [MIXED, EMPTY], True,
                           {"image_ari": 41 / 62, "ari": 10 / 31, "image_mbo": 0.6,
                            "mbo": 13 / 35}),
    "empty_frame_skipped": ([TRUTH, EMPTY], [MIXED, EMPTY], False,
                            {"image_ari": 10 / 31, "ari": 10 / 31, "image_mbo": 0.6,
                             "mbo": 13 / 35}),
}


def label_map(text):
    return np.array([[int(c) for c in row] for row in text.split("/")], np.uint8)


def metrics():
    tensors, cases = {}, {}
    for name, (truth, slots, background, scores) in LABELS.items():
        labels = np.stack([label_map(frame) for frame in truth])
        first = 0 if background else 1
        tensors[name + ".in.true"] = np.stack(
            [labels == c for c in range(first, 3)], 1)[None].astype(np.uint8)
        tensors[name + ".in.pred"] = np.stack([label_map(frame) for frame in slots])[None]
        tensors.update({f"{name}.out.{k}.mean": np.array(v, np.float64)
                        for k, v in scores.items()})
        cases[name] = {"n_slots": 3, "ignore_background": background, "ignore_overlaps": False}
    overlap = np.zeros((1, 1, 2, 4, 4), np.uint8)
    overlap[0, 0, 0, 0, :2] = overlap[0, 0, 1, 0, 1:3] = 1
    tensors.update({"overlaps.in.true": overlap,
                    "overlaps.in.pred": label_map("0011/1111/1111/1111")[None, None],
                    "overlaps.out.ari.mean": np.array(1.0),
                    "overlaps.out.mbo.mean": np.array((1 + 1 / 14) / 2)})
    cases["overlaps"] = {"n_slots": 2, "ignore_background": False, "ignore_overlaps": True}
    return tensors, {"cases": cases, "rejected": {
        "overlaps_without_ignore_overlaps": "", "ignore_background_needs_one_hot": ""}}


MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def cut(frame, box):
    top, left, height, width = box
    return frame[..., top:top + height, left:left + width]


def transforms():
    random = np.random.default_rng(51)
    video = random.integers(0, 256, (2, 13, 20, 3), np.uint8)
    label = random.integers(0, 4, (2, 13, 20, 1), np.uint8)
    configs = {
        "movi_val_9": {"type": "video", "name": "movi_val", "input_size": 9, "num_classes": 4},
        "movi_val_21": {"type": "video", "name": "movi_val", "input_size": 21, "num_classes": 4,
                        "use_movi_normalization": True},
        "davis_val_9": {"type": "video", "name": "davis_val", "crop_type": "central",
                        "input_size": 9, "mask_size": 5, "num_classes": 3},
        "ytvis_train_11": {"type": "video", "name": "ytvis_train", "input_size": 11,
                           "crop_type": "short_side_resize_random", "h_flip_prob": 1.0},
        "davis_train_8": {"type": "video", "name": "davis_train", "input_size": 8,
                          "crop_type": "random"}}
    boxes = {"ytvis_train_11": (0, 4, 11, 11), "davis_train_8": (2, 3, 7, 9)}
    tensors = {"data0.in.video": video, "data0.in.label": label}
    for name, config in configs.items():
        side, crop = config["input_size"], config.get("crop_type", "")
        mean, std = (0.5, 0.5) if "use_movi_normalization" in config else (MEAN, STD)
        seen = {"central": (0, 4, 13, 13), "random": boxes.get(name)}.get(crop, (0, 0, 13, 20))
        frames = []
        for frame in video:
            part = np.moveaxis(cut(np.moveaxis(frame, 2, 0), seen), 0, 2)
            covering = crop.startswith("short_side")
            size = (side, 20 * side // 13) if covering else (side, side)
            picture = ref.resize_frame(part, size)
            picture = cut(picture, boxes[name]) if covering else picture
            frames.append((np.moveaxis(picture, 0, 2) - mean) / std)
        out = np.moveaxis(np.stack(frames), 3, 1)
        tensors[f"data0.{name}.out.input"] = out[..., ::-1] if "h_flip_prob" in config else out
        if name in boxes:
            tensors[f"data0.{name}.crop_box"] = np.array(boxes[name], np.int64)
        if "num_classes" in config:
            first, side = int(crop == "central"), config.get("mask_size", side)
            planes = [ref.resize_labels(cut(plane[..., 0], seen), (side, side)) for plane in label]
            tensors[f"data0.{name}.out.masks"] = np.stack(
                [[plane == c + first for c in range(config["num_classes"])] for plane in planes]
            ).astype(np.uint8)
    return tensors, {"configs": configs}
