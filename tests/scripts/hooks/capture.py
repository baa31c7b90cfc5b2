"""Serves a sample project with hooks that sign in every mode, starts runs, and
keeps the callbacks that come for `hook-libraries`, a request a line.

    capture.py PX FILE

PX is the binary. Everything stays on 127.0.0.1; px and its data go at the end.
Exits with 1 if a mode did not get the callbacks that it should have."""

import base64
import collections
import http.server
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

# How long the callbacks of everything may take.
PATIENCE_SECS = 60
# A run of the sample brain `help-request` starts, makes one step, and completes.
OF_A_RUN = ["run.started", "step.started", "step.completed", "run.completed"]
RUNS = 5
MODES = ["standard", "standard-asymmetric", "github", "timestamped", "stripe"]

px_binary, path = sys.argv[1:]
kept = collections.defaultdict(list)
changed = threading.Condition()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with changed:
            kept[self.path.strip("/")].append((headers, body))
            changed.notify()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def main():
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{receiver.server_port}"
    with tempfile.TemporaryDirectory() as data:
        environment = {"PATH": os.environ["PATH"], "PX_LOG": "warn"}
        serve = [px_binary, "serve", "--json", "--port", "0", "--data-dir", f"{data}/data"]
        px = subprocess.Popen(serve, cwd=data, env=environment, stdout=subprocess.PIPE)
        try:
            base = json.loads(px.stdout.readline())["url"]
            known = {mode: keys(base, here, mode) for mode in MODES}
            # And a run with a hook of its own, as callers of the API have it.
            own = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            known["run"] = [own]
            for number in range(RUNS):
                state = {"message": "Größe ✓", "user": "U1", "channel": "C1", "thread": f"1.{number}"}
                start = {"identifier": "help-request", "initialState": state}
                call("POST", f"{base}/brains/runs", start | {"webhookUrl": f"{here}/run", "webhookSecret": own})
            wanted = RUNS * len(OF_A_RUN)
            with changed:
                complete = changed.wait_for(lambda: all(len(kept[mode]) >= wanted for mode in known), PATIENCE_SECS)
        finally:
            px.terminate()
            px.wait()
    with open(path, "w") as file:
        for mode, requests in kept.items():
            for headers, body in requests:
                line = {"mode": "standard" if mode == "run" else mode, "secrets": known[mode], "headers": headers,
                        "body": base64.b64encode(body).decode()}
                file.write(json.dumps(line) + "\n")
    for mode in known:
        print(f"captured {len(kept[mode])} callbacks of {'a run of its own' if mode == 'run' else mode}")
    return 0 if complete else "some modes did not get what they should have"


def keys(base, here, mode):
    """Makes a hook of a mode; returns what its callbacks are verified with."""
    hook = call("POST", f"{base}/hooks", {"url": f"{here}/{mode}", "signature": mode, "name": mode})
    if mode == "standard-asymmetric":
        return [hook["publicKey"]]
    # The secret that was replaced signs on beside the new one, where the mode
    # has room for two.
    rotated = call("POST", f"{base}/hooks/{hook['id']}/rotate-secret", {"grace": "1h"})
    both = [rotated["secret"], hook["secret"]]
    return both if mode in ("standard", "stripe") else both[:1]


sys.exit(main())
