#!/usr/bin/env python3
"""How many webhooks are verified, made durable and acknowledged, against what else could be done on the same machine.

Every contender listens on loopback, one at a time, and is driven by one wrk with requests signed beforehand, each sent once. Rounds are
interleaved, so that what else the machine does hits all alike; figures are medians over the rounds. After each run the rows in
the database are compared with the acknowledgements.

    make bench                                everything, a few minutes
    bench.py --only sparekey,nginx --rounds 1 --connections 256
"""

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from chart import chart

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
KEY = b"sparekey-benchmark-key-0"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
# As long as Seam's own events are.
BODY = json.dumps({
    "event_id": "b5e5f2a0-6f0e-4a40-9d3a-1f2a7b2c3d4e", "event_type": "device.connected",
    "workspace_id": "398d80b7-3f96-47c2-b85a-6f8ba21d07be", "created_at": "2026-05-01T12:00:00.000Z",
    "occurred_at": "2026-05-01T12:00:00.000Z", "device_id": "5e0e0d70-7b53-4b53-8a0c-0d7a2b1c3d4e",
    "connected_account_id": "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05", "device_custom_metadata": {"room": "12"},
    "connected_account_custom_metadata": {},
}).encode()


def sign_requests(path, count, name):
    """A line "id timestamp signature" for each request."""
    timestamp = str(int(time.time()))
    with open(path, "w") as file:
        for number in range(count):
            message_id = f"msg_{name}{number:08d}"
            code = hmac.digest(KEY, f"{message_id}.{timestamp}.".encode() + BODY, hashlib.sha256)
            file.write(f"{message_id} {timestamp} v1,{base64.b64encode(code).decode()}\n")


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Contender:
    """A server process. `command` gets port and folder; `rows` counts what it stored, or is None."""

    def __init__(self, name, label, command, table=True, most=60_000):
        self.name, self.label, self.command, self.table, self.most = name, label, command, table, most

    @contextlib.contextmanager
    def running(self, folder):
        port = free_port()
        arguments, variables = self.command(port, folder)
        began = time.monotonic()
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                arguments, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True)
        try:
            self.wait(process, port, folder)
            yield Running(process, port, time.monotonic() - began)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def wait(self, process, port, folder):
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{self.label} did not start:\n" + (folder / "log").read_text()[-2000:])
            time.sleep(0.005)

    def rows(self, folder):
        if not self.table:
            return None
        with contextlib.closing(sqlite3.connect(folder / "events.db")) as database:
            return database.execute("SELECT count(*) FROM webhook_events").fetchone()[0]


class Running:
    def __init__(self, process, port, start_seconds):
        self.process, self.port, self.start_seconds = process, port, start_seconds

    def processes(self):
        """The server and its children."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                found += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory(self, field):
        """VmRSS or VmHWM of all processes, in MB."""
        total = 0
        for pid in self.processes():
            total += int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
        return total / 1000


def nginx(port, folder):
    (folder / "nginx.conf").write_text(f"""
        daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes auto;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}; proxy_temp_path {folder};
            fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
            server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 204; }} }}
        }}""")
    return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], {}


def sparekey(binary):
    def command(port, folder):
        config = {
            "listen": {"host": "127.0.0.1", "port": port}, "admin": {"host": "127.0.0.1", "port": free_port()},
            # Nobody answers there: the webhooks are all that the daemon has.
            "seam": {"base_url": "http://127.0.0.1:9"}, "database": {"path": str(folder / "events.db")},
            "log": {"level": "warning"},
        }
        (folder / "sparekey.yaml").write_text(json.dumps(config))
        secrets = {"SPAREKEY_WEBHOOK_SECRET": SECRET, "SPAREKEY_SEAM_API_KEY": "seam_bench"}
        return [binary, "serve", "--config", str(folder / "sparekey.yaml")], secrets

    return command


def bench_server(mode):
    def command(port, folder):
        return [str(ROOT / ".build/release/bench-server"), mode, str(port), SECRET, str(folder / "events.db")], {}

    return command


def fastapi(port, folder):
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "fastapi_receiver:app", "--port", str(port),
               "--no-access-log", "--log-level", "warning"]
    return command, {"SECRET": SECRET, "DATABASE": str(folder / "events.db")}


def node(port, folder):
    return ["node", str(HERE / "node_receiver.js")], {
        "SECRET": SECRET, "DATABASE": str(folder / "events.db"), "PORT": str(port),
    }


def drive(contender, connections, seconds, scratch):
    """One run; returns its figures."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = pathlib.Path(name)
        sign_requests(folder / "requests", contender.most * (seconds + 1), os.urandom(4).hex())
        (folder / "body").write_bytes(BODY)
        with contender.running(folder) as server:
            at_rest = server.memory("VmRSS")
            cpu = server.cpu_seconds()
            output = subprocess.run(
                ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", str(HERE / "wrk.lua"),
                 f"http://127.0.0.1:{server.port}", "--", str(folder / "requests"), str(folder / "body")],
                capture_output=True, text=True, timeout=seconds + 60)
            match = re.search(r"^RESULT (.*)$", output.stdout, re.M)
            if not match:
                sys.exit(f"wrk failed against {contender.label}: {output.stdout}{output.stderr}")
            result = json.loads(match[1])
            cpu = server.cpu_seconds() - cpu
            peak = server.memory("VmHWM")
        stored = contender.rows(folder)
        acknowledged = result["requests"] - result["refused"]
        if result["refused"] or result["broken"]:
            sys.exit(f"{contender.label}: {result['refused']} refused, {result['broken']} broken")
        # What was committed when wrk hung up has a row, and its answer went nowhere.
        if stored is not None and not acknowledged <= stored <= acknowledged + 2 * connections:
            sys.exit(f"{contender.label}: {acknowledged} acknowledged, {stored} stored")
        return {
            "per_second": acknowledged / (result["microseconds"] / 1e6), "p50_ms": result["p50"], "p99_ms": result["p99"],
            "cpu_us": cpu * 1e6 / max(1, acknowledged), "rest_mb": at_rest, "peak_mb": peak,
            "start_ms": server.start_seconds * 1000,
        }


def disk(scratch, seconds=1.0):
    """The disk alone: fdatasync after each 4 kB appended, and one SQLite commit after the other."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        syncs, commits = [], []
        with open(f"{name}/file", "wb", buffering=0) as file:
            end = time.perf_counter() + seconds
            while (began := time.perf_counter()) < end:
                file.write(b"x" * 4096)
                os.fdatasync(file.fileno())
                syncs.append(time.perf_counter() - began)
        database = sqlite3.connect(f"{name}/events.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE webhook_events (inbox_id INTEGER PRIMARY KEY, svix_id TEXT UNIQUE, body TEXT)")
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            database.execute("INSERT INTO webhook_events (svix_id, body) VALUES (?, ?)", (f"msg_{began}", BODY.decode()))
            commits.append(time.perf_counter() - began)
        database.close()

    def figures(times):
        times.sort()
        return {
            "per_second": len(times) / sum(times), "p50_ms": times[len(times) // 2] * 1000,
            "p99_ms": times[len(times) * 99 // 100] * 1000,
        }

    return {"fdatasync": figures(syncs), "commit": figures(commits)}


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def table(contenders, figures, connections):
    base = figures[contenders[0].name][connections]["per_second"]
    print(f"\n{connections} connections")
    print(f"{'':34} {'acks/s':>8} {'ratio':>6} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>7} {'rest MB':>8} {'peak MB':>8} {'start ms':>8}")
    for contender in contenders:
        row = figures[contender.name].get(connections)
        if row:
            print(
                f"{contender.label:34} {row['per_second']:8.0f} {row['per_second'] / base:6.3f} {row['p50_ms']:8.2f} "
                f"{row['p99_ms']:8.2f} {row['cpu_us']:7.1f} {row['rest_mb']:8.1f} {row['peak_mb']:8.1f} {row['start_ms']:8.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--connections", default="1,64,256,1000")
    parser.add_argument("--only", help="names of contenders, with commas")
    parser.add_argument("--binary", default=str(ROOT / ".build/release/sparekey"))
    parser.add_argument("--scratch", default=str(ROOT / ".build"), help="a folder on the disk to be measured")
    parser.add_argument("--json", help="where the figures go")
    parser.add_argument("--chart", help="where the chart goes")
    options = parser.parse_args()

    contenders = [
        Contender("nginx", "nginx, return 204 (stores nothing)", nginx, table=False, most=120_000),
        Contender("none", "Sparekey without storage", bench_server("none"), table=False, most=120_000),
        Contender("sparekey", "Sparekey", sparekey(options.binary)),
        Contender("each", "Swift, one commit per webhook", bench_server("each"), most=20_000),
        Contender("node", "Node, group commit through sqlite3", node, most=40_000),
        Contender("fastapi", "FastAPI, uvicorn, svix, sqlite3", fastapi, most=20_000),
    ]
    if options.only:
        contenders = [contender for contender in contenders if contender.name in options.only.split(",")]
    counts = [int(count) for count in options.connections.split(",")]
    runs = {contender.name: {count: [] for count in counts} for contender in contenders}
    disks = []
    for number in range(options.rounds):
        disks.append(disk(options.scratch))
        for count in counts:
            for contender in contenders:
                print(f"\rround {number + 1}: {contender.label}, {count} connections\033[K", end="", file=sys.stderr, flush=True)
                runs[contender.name][count].append(drive(contender, count, options.seconds, options.scratch))
    print("\r\033[K", end="", file=sys.stderr)
    figures = {name: {count: median(of) for count, of in counted.items()} for name, counted in runs.items()}
    for count in counts:
        table(contenders, figures, count)
    print("\nThe disk alone, one after the other:")
    alone = {what: median([found[what] for found in disks]) for what in disks[0]}
    for what, row in alone.items():
        print(f"{what:34} {row['per_second']:8.0f}/s {row['p50_ms']:10.3f} ms p50 {row['p99_ms']:8.3f} ms p99")
    if options.json:
        labels = {contender.name: contender.label for contender in contenders}
        pathlib.Path(options.json).write_text(
            json.dumps({"labels": labels, "disk": alone, "figures": figures, "runs": runs}, indent=1) + "\n")
    if options.chart:
        count = 256 if 256 in counts else counts[-1]
        bars = [(contender.label, figures[contender.name][count]["per_second"]) for contender in contenders]
        pathlib.Path(options.chart).write_text(chart(f"Acknowledged webhooks per second, {count} connections", bars))


if __name__ == "__main__":
    main()
