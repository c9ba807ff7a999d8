"""Faults of the network to Seam and to the receiver, put in by a proxy on the way. Each lasts a few seconds, in which a guest's code
fails; once it has passed, the guest has one backup, pulled once, with Seam's own PIN, and was told of it.

An hour of refusals by Seam is a workload of the simulation (`make outcomes`): there the hour takes no hour.
"""

import contextlib
import http.client
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse

from report import Report, arguments, progress, scratch

from certificates import Certificates
from processes import DELIVERY_SECRET, Daemon, Receiver, Sandbox, failure_event, post

PARTS = ["seam", "receiver"]
#: How long a fault lasts, and how soon all has to be well after it: seconds.
LASTS, SOON = 3, 30
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


class Proxy:
    """HTTPS on this machine in front of `upstream`; `fault` is what it does to each request, by name."""

    def __init__(self, upstream, certificates):
        self.upstream = urllib.parse.urlsplit(upstream)
        self.fault = None
        self.asked = 0
        self.contexts = {}
        for name, (chain, key) in certificates.items():
            self.contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[name].load_cert_chain(chain, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[plain], daemon=True).start()

    def _serve(self, plain):
        plain.settimeout(20)
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException), plain:
            name = self.fault if self.fault in self.contexts else "good"
            with self.contexts[name].wrap_socket(plain, server_side=True) as connection:
                while request := read_request(connection):
                    self.asked += 1
                    if self.fault in self.contexts and self.fault != name:
                        return
                    (FAULTS.get(self.fault) or passed_on)(self, connection, request)

    def ask(self, request):
        """The upstream's answer, as bytes."""
        method, path, headers, body = request
        upstream = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=20)
        upstream.request(method, path, body, {name: value for name, value in headers.items() if name != "host"})
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        kept = [(name, value) for name, value in answer.getheaders()
                if name.lower() not in ("content-length", "transfer-encoding", "connection")]
        return answered(answer.status, content, kept)

    def close(self):
        self.listener.close()


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    method, target, _ = line.split(" ")
    return method, target, headers, body


def answered(status, content=b"", headers=()):
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def passed_on(proxy, connection, request):
    connection.sendall(proxy.ask(request))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionResetError


def latency(proxy, connection, request):
    time.sleep(2)
    passed_on(proxy, connection, request)


def drip(proxy, connection, request):
    for byte in proxy.ask(request):
        connection.sendall(bytes([byte]))
        time.sleep(0.002)


def silence(proxy, connection, request):
    while connection.recv(1):
        pass


def lost_answer(proxy, connection, request):
    proxy.ask(request)
    reset(connection)


def half_answer(proxy, connection, request):
    answer = proxy.ask(request)
    connection.sendall(answer[:max(len(answer) // 2, len(answer) - 5)])
    raise ConnectionError


def huge_answer(proxy, connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n" + b'{"access_code": "' + b"9" * 9_999_983)


def endless_head(proxy, connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(200_000):
        connection.sendall(b"x-%d: %s\r\n" % (number, b"a" * 50))


def redirect(proxy, connection, request):
    connection.sendall(answered(307, headers=[("location", f"https://127.0.0.1:{proxy.trap.port}/stolen")]))


class Trap:
    """Where nobody is to be sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.listener.accept()[0].close()
                self.visits += 1


def always(answer):
    return lambda proxy, connection, request: connection.sendall(answer)


FAULTS = {
    "latency of 2 s": latency,
    "a drip": drip,
    "silence": silence,
    "reset before the request is read": lambda proxy, connection, request: reset(connection),
    "answer lost after the commit": lost_answer,
    "half an answer": half_answer,
    "10 MB": huge_answer,
    "a head without end": endless_head,
    "a redirect": redirect,
    "garbage for JSON": always(answered(200, b'{"access_code": [}', [("content-type", "application/json")])),
    "JSON of another shape": always(answered(200, b'{"access_code": {"access_code_id": 7}, "ok": true}')),
    "a page of HTML": always(answered(200, b"<html>hello</html>")),
    "no HTTP": always(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "429": always(answered(429, b'{"error": {"type": "rate_limit_exceeded", "message": ""}}', [("retry-after", "1")])),
    "500": always(answered(500, b"oops")),
    "wrong name": None,
    "expired": None,
    "unknown": None,
}


def trusting(roots):
    """Runs what follows where these are the system's roots, which are what libcurl goes by; for this process alone."""
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {roots} {SYSTEM_ROOTS} && exec "$@"', "sh"]


def passes(part, fault, folder, certificates, roots):
    """Seconds from the end of the fault to the guest's being told; None where something was not as it should be."""
    folder.mkdir()
    sandbox, receiver, trap = Sandbox(folder), Receiver(), Trap()
    to_seam, to_receiver = Proxy(sandbox.url, certificates), Proxy(receiver.url, certificates)
    faulty = to_seam if part == "seam" else to_receiver
    faulty.trap = trap
    daemon = Daemon(folder, to_seam.url, **{
        "delivery.webhook.url": to_receiver.url + "/webhooks/seam", "delivery.retry_initial": "200ms", "delivery.retry_max": "1s",
        "delivery.timeout": "5s", "seam.timeout": "5s", "reconcile.interval": "5s"})
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    daemon.wrapper = trusting(roots)
    try:
        daemon.start()
        device = sandbox.device(name="Front door", pool_size=3)
        code = sandbox.failed_code(device)
        asked, faulty.fault = faulty.asked, fault
        assert post(daemon.url, failure_event(code, device)).status_code == 204
        time.sleep(LASTS)
        was_met = faulty.asked > asked or fault in certificates
        faulty.fault = None
        began = time.monotonic()

        def told():
            rows = daemon.query(
                "select s.backup_code as pin, s.backup_access_code_id as backup, d.state as state from substitutions s"
                " join deliveries d using (substitution_id)")
            return rows[0] if len(rows) == 1 and rows[0]["state"] == "delivered" else None

        while not (row := told()) and time.monotonic() < began + SOON:
            time.sleep(0.05)
        took = time.monotonic() - began
        if not row or not was_met or trap.visits or not daemon.is_running():
            return None
        seam = sandbox.code(code)
        is_right = (seam["pulled_backup_access_code_id"] == row["backup"] and sandbox.code(row["backup"])["code"] == row["pin"]
                    and sandbox.control("counters")["backups_pulled"] == 1)
        return took if is_right else None
    finally:
        daemon.kill()
        sandbox.kill()
        for closing in (receiver, to_seam, to_receiver):
            closing.close()


def main():
    parser = arguments(__doc__, len(FAULTS), PARTS)
    parser.add_argument("--only", choices=FAULTS, help="one fault")
    options = parser.parse_args()
    report = Report(options, PARTS)
    if subprocess.run([*trusting(SYSTEM_ROOTS), "true"], capture_output=True).returncode != 0:
        for part in report.parts:
            report.skip(f"faults on the way to {part}", "the system's roots cannot be replaced without being root")
        report.exit()
    with scratch(options) as folder:
        made = Certificates(folder / "certificates")
        certificates = {
            "good": made.make("good"), "wrong name": made.make("elsewhere", subject="DNS:elsewhere.example"),
            "expired": made.make("expired", days=-1), "unknown": made.stranger("unknown"),
        }
        for part in report.parts:
            times, broken = {}, []
            for place, fault in enumerate([options.only] if options.only else list(FAULTS)[:options.rounds]):
                progress(f"{part}: {fault}")
                took = passes(part, fault, folder / f"{part}{place}", certificates, pathlib.Path(made.root))
                if took is None:
                    broken.append(fault)
                else:
                    times[fault] = took
            slowest = max(times, key=times.get, default=None)
            whom = "Seam" if part == "seam" else "the receiver"
            figure = f"{len(times)} ended right, the slowest {times.get(slowest, 0):.1f} s after it had passed ({slowest})"
            report.row(f"{len(times) + len(broken)} faults on the way to {whom}",
                       figure + (f"; not: {', '.join(broken)}" if broken else ""), not broken)
    report.exit()


if __name__ == "__main__":
    main()
