"""The servers that are compared, each in its honest usual form, and what is read of a running one."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

from webhooks import SECRET

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Contender:
    """A server process. `command` gets port and folder and returns arguments and environment.

    `table`: whether it stores into `webhook_events` of `events.db`; `most`: requests a second that are signed for it.
    """

    def __init__(self, name, label, command, table=True, most=90_000):
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
            time.sleep(0.001)

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


def sparekey(binary, listen=None, **settings):
    """The daemon as it is installed; nobody answers at its Seam, unless `settings` say otherwise."""
    def command(port, folder):
        config = {
            "listen": {"host": "127.0.0.1", "port": port, **(listen or {})}, "admin": {"host": "127.0.0.1", "port": free_port()},
            "seam": {"base_url": "http://127.0.0.1:9"}, "database": {"path": str(folder / "events.db")},
            "log": {"level": "warning"}, **settings,
        }
        (folder / "sparekey.yaml").write_text(json.dumps(config))
        secrets = {
            "SPAREKEY_WEBHOOK_SECRET": SECRET, "SPAREKEY_SEAM_API_KEY": "seam_bench",
            "SPAREKEY_DELIVERY_WEBHOOK_SECRET": SECRET,
        }
        if "delivery" not in settings:
            del secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"]
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


def all_contenders(binary):
    return [
        Contender("nginx", "nginx, return 204 (stores nothing)", nginx, table=False, most=120_000),
        Contender("none", "Sparekey without storage", bench_server("none"), table=False),
        Contender("sparekey", "Sparekey", sparekey(binary)),
        Contender("each", "Swift, one commit per webhook", bench_server("each"), most=20_000),
        Contender("node", "Node, group commit through sqlite3", node, most=40_000),
        Contender("fastapi", "FastAPI, uvicorn, svix, sqlite3", fastapi, most=20_000),
    ]
