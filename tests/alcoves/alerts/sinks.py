"""Real servers for letters: one that speaks enough of SMTP, one that is called as a webhook."""

import base64
import datetime as dt
import email
import http.server
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

PAUSE = threading.Event()


@dataclass
class Rules:
    """How the mail server behaves; tests change it while it runs."""

    password: str = ""
    starttls: ssl.SSLContext | None = None
    refuses: set[str] = field(default_factory=set)
    drops: bool = False


class MailSession(socketserver.StreamRequestHandler):
    server: "MailSink"
    secured = False

    def handle(self) -> None:
        rules = self.server.rules
        if rules.drops:
            return
        self.say("220 sink")
        known, sender = False, ""
        to: list[str] = []
        while line := self.rfile.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb in {"EHLO", "HELO"}:
                extra = ["250-STARTTLS"] if rules.starttls and not self.secured else []
                extra += ["250-AUTH PLAIN"] if rules.password else []
                self.say("250-sink", *extra, "250 8BITMIME")
            elif verb == "STARTTLS" and rules.starttls:
                self.say("220 go on")
                self.secure(rules.starttls)
            elif verb == "AUTH":
                known = base64.b64decode(rest.split()[-1]).decode().split("\0")[-1] == rules.password
                self.say("235 welcome" if known else "535 5.7.8 wrong password")
            elif verb == "MAIL":
                sender = rest
                self.say("250 fine" if known or not rules.password else "530 log in first")
            elif verb == "RCPT":
                address = rest.partition("<")[2].partition(">")[0]
                refused = address in rules.refuses
                to = to if refused else [*to, address]
                self.say("550 5.1.1 nobody of that name" if refused else "250 fine")
            elif verb == "DATA":
                self.say("354 go on")
                self.keep(sender, to)
                to = []
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                to = [] if verb == "RSET" else to
                self.say("250 fine")

    def finish(self) -> None:
        super().finish()
        if self.secured:
            self.rfile.close()
            self.connection.close()

    def secure(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.secured = True

    def keep(self, sender: str, to: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b"..") else line)
        self.server.mails.append((to, email.message_from_bytes(b"".join(lines))))
        self.say("250 taken")

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())


class MailSink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, rules: Rules) -> None:
        super().__init__(("127.0.0.1", port), MailSession)
        self.rules = rules
        self.mails: list[tuple[list[str], Message]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-talk is what some tests are about."""


class Hook(http.server.BaseHTTPRequestHandler):
    server: "HookSink"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        while self.server.drips:
            self.wfile.write(b"H")
            PAUSE.wait(0.05)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(self.server.says)))
        self.end_headers()
        self.wfile.write(self.server.says)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class HookSink(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.says = b"thank you"
        self.drips = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.calls]


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
