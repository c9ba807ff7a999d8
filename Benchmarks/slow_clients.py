#!/usr/bin/env python3
"""What 2,000 slow clients, held by slowhttptest, do to the acknowledgement of good webhooks.

Good traffic is a steady 200 signed webhooks a second over eight kept connections, each sent at its own time whether the one before
has been answered or not, and its latency counted from that time. It is measured undisturbed, then while 2,000 connections are
held in the middle of a request's header (the header's deadline is raised to five minutes, so that they stay), over plain HTTP
and over TLS, then with slow bodies and slow readers at the default deadlines. Fails where a p99 is more than twice the
undisturbed one.

    make slow-clients
    slow_clients.py --only tls --rounds 5
"""

import argparse
import contextlib
import json
import pathlib
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from contenders import ROOT, free_port
from webhooks import BODY, SECRET, sign_requests

CONNECTIONS = 2_000
RATE = 200
LANES = 8
LIMIT = 2.0
# slowhttptest's options for what it does after the connection stands.
KINDS = {
    "header": ["-H", "-t", "POST", "-i", "10", "-x", "8"],
    "body": ["-B", "-s", "1000000", "-i", "1", "-x", "8"],
    "read": ["-X", "-k", "50", "-n", "5", "-w", "1", "-y", "8", "-z", "1"],
}


class Daemon:
    def __init__(self, binary, folder, tls, **listen):
        self.binary, self.folder, self.tls, self.listen = binary, folder, tls, listen
        self.port, self.admin_port = free_port(), free_port()

    def __enter__(self):
        self.folder.mkdir()
        listen = {"host": "127.0.0.1", "port": self.port, **self.listen}
        if self.tls:
            listen["tls"] = certificate(self.folder)
        (self.folder / "sparekey.yaml").write_text(json.dumps({
            "listen": listen, "admin": {"port": self.admin_port}, "database": {"path": str(self.folder / "events.db")},
            "webhook": {"secret": SECRET}, "seam": {"api_key": "seam_bench_key", "base_url": "http://127.0.0.1:9"},
            "delivery": {"manual": True}, "log": {"level": "error"},
        }))
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.folder / "sparekey.yaml"], stdout=self.log,
            stderr=self.log)
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the daemon did not start:\n" + (self.folder / "log").read_text()[-2000:])
            time.sleep(0.01)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()

    def connections(self):
        """How many connections to the daemon stand, as the kernel has it."""
        wanted = f":{self.port:04X}"
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[1].endswith(wanted) and line.split()[3] == "01" for line in lines)

    def memory(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1000

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl._create_unverified_context()
            connection = context.wrap_socket(connection)
        return connection


def certificate(folder):
    """A certificate for this run alone."""
    pair = {"certificate_file": str(folder / "c.pem"), "private_key_file": str(folder / "k.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench",
         "-keyout", pair["private_key_file"], "-out", pair["certificate_file"]], check=True, capture_output=True)
    return pair


class GoodTraffic:
    """A lane for each connection; what is due is sent, answered and timed."""

    def __init__(self, daemon, name, seconds):
        self.daemon, self.latencies = daemon, []
        file = daemon.folder / f"requests-{name}"
        sign_requests(file, RATE * seconds, name)
        self.requests = [self.request(line.split(" ", 2)) for line in file.read_text().splitlines()]

    def request(self, signed):
        names = zip(("svix-id", "svix-timestamp", "svix-signature"), signed)
        head = ["POST /webhooks/seam HTTP/1.1", f"Host: 127.0.0.1:{self.daemon.port}", f"Content-Length: {len(BODY)}"]
        return "\r\n".join(head + [f"{name}: {value}" for name, value in names]).encode() + b"\r\n\r\n" + BODY

    def run(self):
        """The latencies in milliseconds, sorted."""
        failures = []
        start = time.monotonic() + 0.2

        def lane(number):
            try:
                with contextlib.closing(self.daemon.connect()) as connection:
                    for index in range(number, len(self.requests), LANES):
                        due = start + index / RATE
                        time.sleep(max(0, due - time.monotonic()))
                        connection.sendall(self.requests[index])
                        answer = b""
                        while b"\r\n\r\n" not in answer:
                            more = connection.recv(4096)
                            if not more:
                                raise ConnectionError("the daemon closed a good connection")
                            answer += more
                        if not answer.startswith(b"HTTP/1.1 204"):
                            raise ConnectionError(answer.decode())
                        self.latencies.append((time.monotonic() - due) * 1000)
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=lane, args=[number]) for number in range(LANES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            sys.exit(f"good traffic failed: {failures[0]}")
        return sorted(self.latencies)


@contextlib.contextmanager
def slow_clients(daemon, kind, seconds):
    """slowhttptest with its connections standing."""
    scheme = "https" if daemon.tls else "http"
    process = subprocess.Popen(
        ["slowhttptest", *KINDS[kind], "-c", str(CONNECTIONS), "-r", "500", "-l", str(seconds + 120), "-p", "300",
         "-u", f"{scheme}://127.0.0.1:{daemon.port}/webhooks/seam"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        most = 0
        while (found := daemon.connections()) < CONNECTIONS:
            most = max(most, found)
            # Bodies and readers are refused as they come, so they need not all stand at one time.
            if process.poll() is not None or time.monotonic() > deadline or (kind != "header" and time.monotonic() > deadline - 56):
                break
            time.sleep(0.05)
        if kind == "header" and found < CONNECTIONS:
            sys.exit(f"only {most} slow connections stand")
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def percentile(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))]


def measure(binary, kind, tls, rounds, seconds, folder):
    """Undisturbed and disturbed by turns, for a machine is not as fast at every moment; figures are medians over the rounds."""
    listen = {"header_timeout": "5m"} if kind == "header" else {}
    name = f"{kind}, {'TLS' if tls else 'plain'}"
    before, during, held = [], [], []
    with Daemon(binary, folder / name.replace(", ", "-"), tls, **listen) as daemon:
        GoodTraffic(daemon, "warm", 1).run()
        rest = daemon.memory()
        for number in range(rounds):
            before.append(GoodTraffic(daemon, f"before{number}", seconds).run())
            with slow_clients(daemon, kind, seconds):
                during.append(GoodTraffic(daemon, f"during{number}", seconds).run())
                held.append(daemon.connections())
                memory = daemon.memory()
            if kind == "header" and held[-1] < CONNECTIONS:
                sys.exit(f"{name}: only {held[-1]} slow connections were still held at the end")

    def median(runs, part):
        return statistics.median(percentile(run, part) for run in runs)

    return {
        "slow clients": name, "held": min(held), "before p50 ms": median(before, 0.5), "before p99 ms": median(before, 0.99),
        "during p50 ms": median(during, 0.5), "during p99 ms": median(during, 0.99),
        "ratio p99": median(during, 0.99) / median(before, 0.99), "memory MB": memory, "memory before MB": rest,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement, two in a round")
    parser.add_argument("--only", help="plain, tls, body or read")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / ".build/release/sparekey")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not shutil.which("slowhttptest"):
        sys.exit("slowhttptest is missing: make slow-clients installs it")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384) if hard > 0 else 16_384, hard))
    runs = {"plain": ("header", False), "tls": ("header", True), "body": ("body", False), "read": ("read", False)}
    rows = []
    with tempfile.TemporaryDirectory(prefix="sparekey-slow-") as folder:
        for name, (kind, tls) in runs.items():
            if options.only in (None, name):
                rows.append(measure(options.binary, kind, tls, options.rounds, options.seconds, pathlib.Path(folder)))
                row = rows[-1]
                print(
                    f"{row['slow clients']:14} {row['held']:5} held   p50 {row['before p50 ms']:6.2f} -> {row['during p50 ms']:6.2f} ms   "
                    f"p99 {row['before p99 ms']:6.2f} -> {row['during p99 ms']:6.2f} ms   {row['ratio p99']:.2f} times   "
                    f"{row['memory before MB']:.0f} -> {row['memory MB']:.0f} MB", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    worst = max(row["ratio p99"] for row in rows)
    if worst > LIMIT:
        sys.exit(f"good traffic became {worst:.1f} times slower at p99, more than {LIMIT}")


if __name__ == "__main__":
    main()
