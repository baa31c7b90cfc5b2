"""Takes callbacks of a running px and keeps them for `hook-libraries`, a
request a line.

    capture.py PORT FILE MODE=SECRET ...

Point a hook that signs as MODE to http://127.0.0.1:PORT/MODE. Several secrets
of a mode are given as several arguments. Ends at SIGTERM or SIGINT."""

import base64
import collections
import http.server
import json
import signal
import sys

port, path, *pairs = sys.argv[1:]
secrets = collections.defaultdict(list)
for pair in pairs:
    mode, _, secret = pair.partition("=")
    secrets[mode].append(secret)
kept = open(path, "w", buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        mode = self.path.strip("/")
        known = mode in secrets
        if known:
            headers = {name.lower(): value for name, value in self.headers.items()}
            kept.write(json.dumps({"mode": mode, "secrets": secrets[mode], "headers": headers,
                                   "body": base64.b64encode(body).decode()}) + "\n")
        self.send_response(204 if known else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
