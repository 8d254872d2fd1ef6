#!/usr/bin/env python3
"""A page that shows live masks of a webcam or a video file, and the small bridge behind it.

    python3 serve.py [--server HOST:PORT] [--port 8080]        then open http://localhost:8080

The page posts JPEG frames; this script sends them through one gRPC session per page and answers with
the mask and the slots. It listens on loopback only. Needs what ../python/segment.py needs.
"""

import argparse
import base64
import http.server
import json
import pathlib
import sys
import threading
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
import segment  # noqa: E402

MAX_FRAME_BYTES = 8 << 20
MAX_SESSIONS = 8


class Bridge:
    """The sessions of all pages; the oldest makes room when there are too many."""

    def __init__(self, address):
        self.address, self.messages = address, segment.load_messages()
        self.sessions, self.lock = {}, threading.Lock()

    def open(self):
        messages = self.messages
        config = messages.SessionConfig(
            mask=messages.MaskOptions(encoding=messages.MASK_ENCODING_PNG),
            slots=messages.SlotOptions(encoding=messages.SLOT_ENCODING_NONE))
        key = uuid.uuid4().hex
        with self.lock:
            while len(self.sessions) >= MAX_SESSIONS:
                self.sessions.pop(next(iter(self.sessions)))
            session = segment.Session(self.address, messages, config)
            self.sessions[key] = (session, threading.Lock())
        return {"session": key}

    def frame(self, key, jpeg):
        with self.lock:
            session, one_at_a_time = self.sessions[key]
        with one_at_a_time:
            answer = session.segment(jpeg)
        if isinstance(answer, self.messages.FrameError):
            return {"error": answer.message}
        slots = [{"id": slot.temporal_id, "index": slot.index, "area": slot.area_ratio,
                  "box": [slot.box.left, slot.box.top, slot.box.width, slot.box.height]}
                 for slot in answer.slots if slot.area_ratio > 0]
        return {"mask": base64.b64encode(answer.mask.data).decode(), "slots": slots,
                "ms": answer.timings.total_ms}


class Handler(http.server.SimpleHTTPRequestHandler):
    bridge = None
    files = {"/": HERE / "index.html", "/sample.mp4": segment.ROOT / "samples" / "dog.mp4"}

    def do_GET(self):
        path = self.files.get(self.path.split("?")[0])
        if path is None:
            return self.send_error(404)
        kind = "text/html; charset=utf-8" if path.suffix == ".html" else "video/mp4"
        self.reply(path.read_bytes(), kind)

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > MAX_FRAME_BYTES:
            return self.send_error(413)
        body = self.rfile.read(size)
        parts = self.path.strip("/").split("/")
        try:
            if parts == ["session"]:
                answer = self.bridge.open()
            elif len(parts) == 2 and parts[0] == "frame":
                answer = self.bridge.frame(parts[1], body)
            else:
                return self.send_error(404)
        except KeyError:
            return self.send_error(410, "this session has ended; reload the page")
        except (segment.grpc.RpcError, SystemExit) as error:
            answer = {"error": getattr(error, "details", lambda: str(error))()}
        self.reply(json.dumps(answer).encode(), "application/json")

    def reply(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", default="localhost:50051")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    Handler.bridge = Bridge(arguments.server)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    print(f"open http://localhost:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
