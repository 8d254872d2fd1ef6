"""A real server under load and a real training, watched by a real Prometheus with the deployed rules."""

import contextlib
import http.server
import json
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

import tools

MODEL = "models/slotmatch/1"
VIDEOS = ("samples/moving_solids/JPEGImages/128p/0212", "samples/moving_solids/JPEGImages/128p/0213")
RECIPE = "tests/support/quick_training.textproto"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, done, patience_s=tools.LIMIT_S):
    """The first answer of `done` that is not false."""
    end = time.monotonic() + patience_s
    while not (answer := done()):
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {patience_s} s")
        time.sleep(0.1)
    return answer


class FileAsMetrics(http.server.BaseHTTPRequestHandler):
    """GET /metrics gives a file, as node_exporter's textfile collector does."""

    def do_GET(self):  # pylint: disable=invalid-name
        path = self.server.path
        if self.path != "/metrics" or not path.exists():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(path.read_bytes())

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Monitored(contextlib.ExitStack):
    """Everything runs from __enter__ to the end of the with block; files go to `folder`."""

    def __init__(self, folder, prometheus="prometheus", scrape_s=1):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.prometheus = prometheus
        self.scrape_s = scrape_s
        self.stopped = threading.Event()
        self.port = free_port()

    def __enter__(self):
        ready = self.folder / "ready.json"
        server = self.start("server", tools.BIN / "slotmatch_server", "--model", MODEL,
                            "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--admin", "none",
                            "--ready-file", ready, "--set", "limits.max_sessions=8")
        training = self.train()
        wait_for("ready server", lambda: ready.exists() or self.ended(server, "server"))
        ports = json.loads(ready.read_text(encoding="utf-8"))
        self.start("prometheus", self.prometheus, f"--config.file={self.config(ports, training)}",
                   f"--storage.tsdb.path={self.folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{self.port}")
        wait_for("Prometheus", self.is_up)
        for number, video in enumerate(VIDEOS):
            load = threading.Thread(target=self.load, args=(f"client{number}", ports, video))
            load.start()
            self.callback(load.join)
        self.callback(self.stopped.set)
        return self

    def start(self, name, *command):
        log = self.enter_context(open(self.folder / f"{name}.log", "w", encoding="utf-8"))
        process = subprocess.Popen([str(word) for word in command], cwd=tools.ROOT, stdout=log,
                                   stderr=log)
        self.callback(process.wait)
        self.callback(process.kill)
        return process

    def ended(self, process, name):
        if process.poll() is not None:
            log = (self.folder / f"{name}.log").read_text(encoding="utf-8")
            raise AssertionError(f"{name} ended with {process.returncode}:\n{log}")

    def train(self):
        """A training in the background; the port that shows its metrics."""
        self.start("trainer", tools.BIN / "slotmatch_trainer", "train", "--config", RECIPE,
                   "--set", f"data.feature_cache_dir={self.folder}/features",
                   "--out", self.folder / "run")
        shown = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FileAsMetrics)
        shown.path = self.folder / "run/metrics.prom"
        thread = threading.Thread(target=shown.serve_forever)
        thread.start()
        self.callback(shown.server_close)
        self.callback(thread.join)
        self.callback(shown.shutdown)
        return shown.server_address[1]

    def config(self, ports, training):
        """The deployed configuration with these targets and a shorter interval."""
        deployed = tools.ROOT / "deploy/prometheus"
        config = yaml.safe_load((deployed / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {f"{what}_interval": f"{self.scrape_s}s"
                            for what in ("scrape", "evaluation")}
        config["rule_files"] = [str(deployed / pattern) for pattern in config["rule_files"]]
        targets = {"slotmatch": ports["metrics_port"], "slotmatch-training": training}
        for scrape in config["scrape_configs"]:
            port = targets.pop(scrape["job_name"])
            scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
        if targets:
            raise AssertionError(f"prometheus.yml does not scrape {', '.join(targets)}")
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def load(self, name, ports, video):
        """Streams the video again and again, with a full set of results."""
        while not self.stopped.is_set():
            tools.run(tools.BIN / "slotmatch_client", "--server",
                      f"127.0.0.1:{ports['grpc_port']}", "--video", video, "--quiet",
                      "--out", self.folder / name)

    def is_up(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10):
                return True
        except OSError:
            return False

    def ask(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{parameters}: {error.read().decode()}") from error

    def values(self, expression):
        """Numbers that the expression has now."""
        found = [float(sample["value"][1]) for sample in self.ask("query", query=expression)]
        return [value for value in found if value == value]  # without NaN

    def curves(self, expression, end, seconds):
        """[(labels, [(time, value)])] of the seconds before `end`."""
        return [(series["metric"], [(at, float(value)) for at, value in series["values"]])
                for series in self.ask("query_range", query=expression, start=end - seconds,
                                       end=end, step=self.scrape_s)]


def fill_in(expression, job):
    """An expression of a dashboard with its variables replaced."""
    for name, value in (("$__rate_interval", "15s"), ("$job", job), ("$instance", ".*"),
                        ("$run", ".*")):
        expression = expression.replace(name, value)
    if "$" in expression:
        raise AssertionError(f"unknown variable in {expression}")
    return expression


def always_answers(alert):
    """An alert's expression with comparisons that answer 0 or 1 instead of nothing."""
    outside = re.sub(r'("[^"]*")|(==|!=|>=|<=|>|<)(?![~])',
                     lambda m: m.group(1) or m.group(2) + " bool ", alert)
    # Matchers in braces compare with != as well.
    outside = re.sub(r"\{[^}]*\}", lambda m: m.group(0).replace(" bool ", ""), outside)
    return re.sub(r"\babsent\((.*)\)$", r"\1", outside)
