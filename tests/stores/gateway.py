"""The lab's S3 server (versitygw, a real one) on a free loopback port, with a folder of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

from tests.stores.program import Running, lab_program
from tests.target.sshd import free_port

ROOT = ("lab-root", "lab-root-secret")
PUSHER = ("lab-pusher", "lab-pusher-secret")
REGION = "us-east-1"
BUCKET = "acme"
LOCK = (
    b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
    b"<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
)


class Gateway:
    """Runs from its construction until `stop`; `kill` and `start` are a power failure and its end. `locked`: its bucket
    has versions and object lock, compliance for a day, whatever is put there."""

    def __init__(self, folder: Path, *, locked: bool = False) -> None:
        self._program, self._folder, self.port = lab_program("s3"), folder, free_port()
        for name in ("data", "users", "versions"):
            (folder / name).mkdir(parents=True)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.start()
        if not locked:
            self.call("PUT", f"/{BUCKET}")
            return
        self.call("PUT", f"/{BUCKET}", x_amz_bucket_object_lock_enabled="true")
        self.call("PUT", f"/{BUCKET}", "object-lock=", LOCK)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        argv = [
            self._program, "--port", f"127.0.0.1:{self.port}", "--region", REGION, "--iam-dir",
            str(self._folder / "users"), "posix", "--versioning-dir", str(self._folder / "versions"),
            str(self._folder / "data"),
        ]  # fmt: skip
        environ = {"ROOT_ACCESS_KEY": ROOT[0], "ROOT_SECRET_KEY": ROOT[1]}
        self._running = Running(argv, self.port, self._folder / "log", environ)

    def kill(self) -> None:
        """End it at once."""
        self._running.kill()

    stop = kill

    def add_pusher(self, versioned: bool = True) -> None:
        """A user who may list, read and put, and delete nothing: what docs/stores.md says of such a key."""
        admin = [self._program, "admin", "--access", ROOT[0], "--secret", ROOT[1], "--endpoint-url", self.endpoint]
        user = ["create-user", "--access", PUSHER[0], "--secret", PUSHER[1], "--role", "user"]
        subprocess.run([*admin, *user], check=True, capture_output=True)
        arn = f"arn:aws:s3:::{BUCKET}"
        statements = [
            {"Effect": "Allow", "Principal": PUSHER[0], "Action": "s3:ListBucket", "Resource": arn},
            {"Effect": "Allow", "Principal": PUSHER[0], "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"{arn}/*"},
        ]  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.call("PUT", f"/{BUCKET}", "policy=", policy.encode())
        if versioned:
            text = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            self.call("PUT", f"/{BUCKET}", "versioning=", text.encode())

    def call(
        self, method: str, path: str, query: str = "", body: bytes = b"", key: tuple[str, str] = ROOT, **more: str
    ) -> bytes:
        """A signed request (AWS Signature 4), as root; `more` are headers. Raises RuntimeError with what is answered."""
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": digest, "x-amz-date": now}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        if body:
            headers["content-md5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
        headers = dict(sorted(headers.items()))
        signed = ";".join(headers)
        head = "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = f"{method}\n{path}\n{query}\n{head}\n{signed}\n{digest}"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        secret = f"AWS4{key[1]}".encode()
        for part in scope.split("/"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        url = f"{self.endpoint}{path}{'?' + query if query else ''}"
        sent = urllib.request.Request(url, data=body or None, headers=headers, method=method)
        try:
            with urllib.request.urlopen(sent, timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
