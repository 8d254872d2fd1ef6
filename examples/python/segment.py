#!/usr/bin/env python3
"""Segments a folder of pictures through slotmatch_server with nothing but gRPC's own library.

    python3 segment.py FOLDER [--server HOST:PORT] [--out DIR]

Sends the folder's JPEG and PNG files in the order of their names as one session and writes, for each
of them, the mask the server made (a palette PNG, pixel value = slot) and a line of text. When the
server goes away, the session goes on at whichever server answers at the same address next, with the
same IDs.

Debian: apt install python3-grpcio python3-protobuf protobuf-compiler
Elsewhere: pip install grpcio protobuf, and protoc on the path
"""

import argparse
import pathlib
import queue
import subprocess
import sys
import tempfile

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


def load_messages():
    """The messages of proto/slotmatch/v1/slotmatch.proto, compiled on the spot."""
    folder = tempfile.mkdtemp(prefix="slotmatch_proto_")
    subprocess.run(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={folder}",
                    "slotmatch/v1/slotmatch.proto"], check=True)
    sys.path.insert(0, folder)
    from slotmatch.v1 import slotmatch_pb2
    return slotmatch_pb2


class Session:
    """One session. `segment(bytes)` gives the FrameResult or FrameError of the next frame."""

    def __init__(self, address, messages, config):
        self.messages, self.config = messages, config
        channel = grpc.insecure_channel(address)
        self.open_stream = channel.stream_stream(
            "/slotmatch.v1.SlotMatchService/Segment",
            request_serializer=messages.SegmentRequest.SerializeToString,
            response_deserializer=messages.SegmentResponse.FromString)
        self.next_id = 0
        self.state = None  # the last SessionState: where another server would go on
        self.responses = None

    def segment(self, encoded):
        frame = self.messages.Frame(frame_id=self.next_id, encoded=encoded)
        self.next_id += 1
        for attempt in range(20):
            try:
                if self.responses is None:
                    self._open(wait=attempt > 0)
                self.requests.put(self.messages.SegmentRequest(frame=frame))
                return self._answer()
            except grpc.RpcError as error:
                if error.code() not in LOST:
                    raise
                self.responses = None  # go on from the last state at the next server
        raise SystemExit("no server took the session over")

    def close(self):
        self.requests.put(None)
        for _ in self.responses:
            pass

    def _open(self, wait):
        self.requests = queue.Queue()
        config = self.messages.SessionConfig()
        config.CopyFrom(self.config)
        config.state_every_frames = 1  # a state with every answer: nothing is ever sent twice
        if self.state is not None:
            config.resume.CopyFrom(self.state)
        self.requests.put(self.messages.SegmentRequest(config=config))
        self.responses = self.open_stream(iter(self.requests.get, None), wait_for_ready=wait)
        self.opened = next(self.responses).opened

    def _answer(self):
        answer = None
        for response in self.responses:
            kind = response.WhichOneof("event")
            if kind in ("result", "error"):
                answer = getattr(response, kind)
            elif kind == "state":
                self.state = response.state
                return answer
        raise SystemExit("the server ended the session early")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--server", default="localhost:50051")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("masks"))
    arguments = parser.parse_args()
    pictures = sorted(p for p in arguments.folder.iterdir()
                      if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not pictures:
        raise SystemExit(f"no .jpg or .png in {arguments.folder}")
    messages = load_messages()
    config = messages.SessionConfig(
        mask=messages.MaskOptions(encoding=messages.MASK_ENCODING_PNG),
        slots=messages.SlotOptions(encoding=messages.SLOT_ENCODING_NONE))
    session = Session(arguments.server, messages, config)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in pictures:
        answer = session.segment(path.read_bytes())
        if isinstance(answer, messages.FrameError):
            print(f"{path.name}: {answer.message}")
            continue
        (arguments.out / f"{path.stem}.png").write_bytes(answer.mask.data)
        seen = [f"{slot.temporal_id}:{slot.area_ratio:.0%}" for slot in answer.slots
                if slot.area_ratio > 0]
        print(f"{path.name}: {answer.timings.total_ms:.0f} ms  {'  '.join(seen)}")
    session.close()


if __name__ == "__main__":
    main()
