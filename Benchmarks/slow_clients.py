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

from contenders import ROOT, Contender, sparekey
from measures import percentiles
from webhooks import request

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


def connections(port):
    """How many connections to the port stand, as the kernel has it."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


def certificate(folder):
    """A certificate for this run alone."""
    pair = {"certificate_file": str(folder / "c.pem"), "private_key_file": str(folder / "k.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench",
         "-keyout", pair["private_key_file"], "-out", pair["certificate_file"]], check=True, capture_output=True)
    return pair


class GoodTraffic:
    """A lane for each connection; what is due is sent, answered and timed."""

    def __init__(self, port, tls, name, seconds):
        self.port, self.tls, self.times = port, tls, []
        self.requests = [request(f"msg_{name}{number:06d}") for number in range(RATE * seconds)]

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return ssl._create_unverified_context().wrap_socket(connection) if self.tls else connection

    def run(self):
        """Median and 99th percentile of the latencies."""
        failures = []
        start = time.monotonic() + 0.2

        def lane(number):
            try:
                with contextlib.closing(self.connect()) as connection:
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
                        self.times.append(time.monotonic() - due)
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=lane, args=[number]) for number in range(LANES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            sys.exit(f"good traffic failed: {failures[0]}")
        return percentiles(self.times)


@contextlib.contextmanager
def slow_clients(port, tls, kind, seconds):
    """slowhttptest with its connections standing."""
    scheme = "https" if tls else "http"
    process = subprocess.Popen(
        ["slowhttptest", *KINDS[kind], "-c", str(CONNECTIONS), "-r", "500", "-l", str(seconds + 120), "-p", "300",
         "-u", f"{scheme}://127.0.0.1:{port}/webhooks/seam"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        most = 0
        while (found := connections(port)) < CONNECTIONS:
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


def measure(binary, kind, tls, rounds, seconds, folder):
    """Undisturbed and disturbed by turns, for a machine is not as fast at every moment; figures are medians over the rounds."""
    name = f"{kind}, {'TLS' if tls else 'plain'}"
    folder = folder / name.replace(", ", "-")
    folder.mkdir()
    listen = {"header_timeout": "5m"} if kind == "header" else {}
    if tls:
        listen["tls"] = certificate(folder)
    before, during, held = [], [], []
    with Contender("sparekey", "Sparekey", sparekey(binary, listen=listen)).running(folder) as server:
        GoodTraffic(server.port, tls, "warm", 1).run()
        rest = server.memory("VmRSS")
        for number in range(rounds):
            before.append(GoodTraffic(server.port, tls, f"before{number}", seconds).run())
            with slow_clients(server.port, tls, kind, seconds):
                during.append(GoodTraffic(server.port, tls, f"during{number}", seconds).run())
                held.append(connections(server.port))
                memory = server.memory("VmRSS")
            if kind == "header" and held[-1] < CONNECTIONS:
                sys.exit(f"{name}: only {held[-1]} slow connections were still held at the end")

    def median(runs, part):
        return statistics.median(run[part] for run in runs)

    return {
        "slow clients": name, "held": min(held), "before p50 ms": median(before, "p50_ms"), "before p99 ms": median(before, "p99_ms"),
        "during p50 ms": median(during, "p50_ms"), "during p99 ms": median(during, "p99_ms"),
        "ratio p99": median(during, "p99_ms") / median(before, "p99_ms"), "memory MB": memory, "memory before MB": rest,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement, two in a round")
    parser.add_argument("--only", help="plain, tls, body or read")
    parser.add_argument("--binary", default=str(ROOT / ".build/release/sparekey"))
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
