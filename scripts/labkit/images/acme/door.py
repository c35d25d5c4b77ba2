"""A door in front of pebble that makes the faults which pebble has not: `door.py PORT TO FAULT`, a stand-in for an ACME
server that is tired. FAULT: `limited` (429 for each new order, as Let's Encrypt says it), `broken` (500 for each new
order), `slow` (each answer 60 s late). All else passes; pebble makes its addresses from the Host header, so they lead
here.
"""

import json
import ssl
import sys
import threading
import time
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, TO, FAULT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "status": 429,
    "detail": "too many certificates (5) already issued for this exact set of domains in the last 168h0m0s",
}
BROKEN = {"type": "urn:ietf:params:acme:error:serverInternal", "status": 500, "detail": "the database is away"}


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.passed()

    do_POST = do_HEAD = do_GET

    def passed(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        problem = {"limited": LIMITED, "broken": BROKEN}.get(FAULT)
        if FAULT == "slow":
            time.sleep(60)
        line = HTTPSConnection("127.0.0.1", TO, context=ssl._create_unverified_context(), timeout=30)
        if problem is not None and "order" in self.path.lower():
            line.request("HEAD", "/nonce-plz", headers={"Host": self.headers["Host"]})
            nonce = line.getresponse().headers.get("Replay-Nonce", "")
            self.answer(
                problem["status"],
                json.dumps(problem).encode(),
                [("Content-Type", "application/problem+json"), ("Replay-Nonce", nonce)],
            )
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        line.request(self.command, self.path, body or None, kept)
        got = line.getresponse()
        headers = [
            (n, v)
            for n, v in got.getheaders()
            if n.lower() not in ("transfer-encoding", "content-length", "connection")
        ]
        self.answer(got.status, got.read(), headers)

    def answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("0.0.0.0", PORT), Door)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/acme/cert.pem", "/acme/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever).start()
