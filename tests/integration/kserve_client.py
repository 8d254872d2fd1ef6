"""NVIDIA's own client library against the KServe v2 service: nothing of ours on this side.

usage: kserve_client.py HOST:PORT MODEL PICTURE PICTURE...
"""

import queue
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

ADDRESS, MODEL, *PICTURES = sys.argv[1:]


def frame_input(path):
    with open(path, "rb") as file:
        picture = np.array([file.read()], dtype=np.object_)
    tensor = triton.InferInput("frame", [1], "BYTES")
    tensor.set_data_from_numpy(picture)
    return tensor


def expect(condition, what):
    if not condition:
        raise SystemExit(f"kserve_client: {what}")


def expect_error(call, fragment):
    try:
        call()
    except InferenceServerException as error:
        expect(fragment in str(error), f"{error} does not hold '{fragment}'")
        return
    raise SystemExit(f"kserve_client: no error with '{fragment}'")


class Stream:
    """One ModelStreamInfer call; answers in the order of the requests."""

    def __init__(self, client):
        self.client = client
        self.answers = queue.Queue()
        client.start_stream(callback=lambda result, error: self.answers.put((result, error)))

    def infer(self, path, sequence, start=False, end=False):
        self.client.async_stream_infer(
            MODEL, [frame_input(path)], sequence_id=sequence, sequence_start=start, sequence_end=end
        )

    def answer(self):
        result, error = self.answers.get(timeout=60)
        if error is not None:
            raise error
        return {name: result.as_numpy(name) for name in ("masks", "slots", "slot_ids")}


def run_sequence(stream, sequence, pictures):
    answers = []
    for i, path in enumerate(pictures):
        stream.infer(path, sequence, start=i == 0, end=i == len(pictures) - 1)
        answers.append(stream.answer())
    return answers


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def close(a, b):
    """The same but for rounding, which depends on what a frame was computed together with."""
    return (np.allclose(a["slots"], b["slots"], atol=1e-4)
            and np.mean(a["masks"] == b["masks"]) > 0.999
            and np.array_equal(a["slot_ids"], b["slot_ids"]))


def main():
    client = triton.InferenceServerClient(ADDRESS)
    expect(client.is_server_live() and client.is_server_ready(), "not live and ready")
    expect(client.is_model_ready(MODEL), f"{MODEL} is not ready")
    expect(not client.is_model_ready("nobody"), "a model that is not there is ready")
    server = client.get_server_metadata()
    expect(server.name == "slotmatch" and "sequence" in server.extensions, f"metadata {server}")
    metadata = client.get_model_metadata(MODEL)
    shapes = {tensor.name: list(tensor.shape) for tensor in metadata.outputs}
    expect(metadata.inputs[0].name == "frame", f"inputs {metadata.inputs}")
    config = client.get_model_config(MODEL).config
    expect(config.HasField("sequence_batching") and config.max_batch_size == 0, f"config {config}")
    names = [model.name for model in client.get_model_repository_index().models]
    expect(MODEL in names, f"index {names}")

    result = client.infer(MODEL, [frame_input(PICTURES[0])], request_id="seven")
    expect(result.get_response().id == "seven", "the id is not echoed")
    masks, slots = result.as_numpy("masks"), result.as_numpy("slots")
    expect(masks.ndim == 2 and masks.dtype == np.uint8, f"masks {masks.shape} {masks.dtype}")
    expect(list(slots.shape) == shapes["slots"], f"slots {slots.shape}, metadata {shapes}")
    expect(masks.max() < slots.shape[0], "a pixel belongs to a slot that is not there")
    only = client.infer(
        MODEL, [frame_input(PICTURES[0])], outputs=[triton.InferRequestedOutput("slots")]
    )
    expect(only.as_numpy("masks") is None and np.array_equal(only.as_numpy("slots"), slots),
           "asking for slots alone changes them")

    ids = result.as_numpy("slot_ids")
    expect(ids.dtype == np.int64 and list(ids) == list(range(len(slots))), f"slot ids {ids}")

    stream = Stream(client)
    alone = run_sequence(stream, 1, PICTURES)
    tracks = sorted(set(alone[0]["slot_ids"]) - {0})
    expect(tracks == list(range(1, len(tracks) + 1)), f"a sequence's first tracks are {tracks}")
    expect(np.array_equal(alone[0]["slots"], slots), "a sequence's first frame is no first frame")
    expect(not same(alone[1], run_sequence(stream, 9, PICTURES[1:])[0]), "a sequence has no past")
    for i, path in enumerate(PICTURES):
        stream.infer(path, 2, start=i == 0)
        stream.infer(PICTURES[-1 - i], "text", start=i == 0)
    mixed = [stream.answer() for _ in range(2 * len(PICTURES))][::2]
    expect(all(close(a, b) for a, b in zip(alone, mixed)), "sequences of one stream mix")

    stream.infer(PICTURES[0], 77)
    expect_error(stream.answer, "sequence 77 is not open")
    expect(same(run_sequence(stream, 3, PICTURES[:1])[0], alone[0]), "an error ends the stream")
    client.stop_stream()

    bad = triton.InferInput("frame", [1], "BYTES")
    bad.set_data_from_numpy(np.array([b"no picture"], dtype=np.object_))
    expect_error(lambda: client.infer(MODEL, [bad]), "JPEG")
    expect_error(lambda: client.infer("nobody", [frame_input(PICTURES[0])]), "nobody")
    wrong = triton.InferInput("image", [1], "BYTES")
    wrong.set_data_from_numpy(np.array([b"x"], dtype=np.object_))
    expect_error(lambda: client.infer(MODEL, [wrong]), "'frame'")
    print(f"kserve_client: all is well, {len(PICTURES)} pictures")


if __name__ == "__main__":
    main()
