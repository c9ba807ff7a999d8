"""What is measured: a contender under wrk, the disk alone, and Sparekey at a steady rate while everything else hangs."""

import collections
import contextlib
import json
import os
import pathlib
import re
import selectors
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

from contenders import HERE, Contender, sparekey
from webhooks import BODY, event, request, sign_requests

# A second, of good webhooks while everything else hangs.
SIEGE_RATE = 200


def drive(contender, connections, seconds, scratch):
    """One run under wrk; returns its figures."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = pathlib.Path(name)
        most = min(contender.most, 20_000 * connections)
        sign_requests(folder / "requests", most * (seconds + 1), os.urandom(4).hex())
        (folder / "body").write_bytes(BODY)
        with contender.running(folder) as server:
            at_rest = server.memory("VmRSS")
            cpu = server.cpu_seconds()
            output = subprocess.run(
                ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", str(HERE / "wrk.lua"),
                 f"http://127.0.0.1:{server.port}", "--", str(folder / "requests"), str(folder / "body")],
                capture_output=True, text=True, timeout=seconds + 60, preexec_fn=stay_on_last_processor)
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


def stay_on_last_processor():
    """For wrk: the kernel would move it beside the thread whose answer wakes it and leave the other processor idle, or not, from
    one run to the next; then it is that which is measured. The servers may run on all processors."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def percentiles(times):
    times = sorted(times)
    return {"p50_ms": times[len(times) // 2] * 1000, "p99_ms": times[len(times) * 99 // 100] * 1000}


def disk(scratch, seconds=2.0):
    """The disk alone: fdatasync after each 4 kB appended, and one SQLite commit after the other; and commits at the pace of
    `under_siege`, which take longer, for whoever waits between two of them finds the processor and the disk asleep."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        with open(f"{name}/file", "wb", buffering=0) as file:
            def sync():
                file.write(b"x" * 4096)
                os.fdatasync(file.fileno())

            found = {"fdatasync": timed(sync, seconds)}
        database = sqlite3.connect(f"{name}/events.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE webhook_events (inbox_id INTEGER PRIMARY KEY, svix_id TEXT UNIQUE, body TEXT)")

        def commit():
            database.execute(
                "INSERT INTO webhook_events (svix_id, body) VALUES (?, ?)", (f"msg_{time.perf_counter()}", BODY.decode()))

        found["commit"] = timed(commit, seconds)
        found["paced_commit"] = timed(commit, 3 * seconds, rate=SIEGE_RATE)
        database.close()
    return found


def timed(work, seconds, rate=None):
    """What `work` takes, run after run, or `rate` of them a second."""
    times, start = [], time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        if rate and now < (due := start + len(times) / rate):
            time.sleep(due - now)
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return {"per_second": len(times) / seconds, **percentiles(times)}


class Hanging:
    """A server that takes connections and never answers: the kernel accepts, and nobody reads."""

    def __enter__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listening.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self.listening.close()

    def calls(self):
        """How many have called so far."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self.listening.accept()[0].close()
                count += 1
        return count


def under_siege(binary, scratch, failovers=10_000, deliveries=200, rate=SIEGE_RATE, seconds=15):
    """Acknowledgements at `rate` a second, open loop, beside queued failovers while Seam and every delivery hang."""
    with tempfile.TemporaryDirectory(dir=scratch) as name, Hanging() as seam, Hanging() as receiver:
        folder = pathlib.Path(name)
        command = sparekey(
            binary, seam={"base_url": seam.url},
            delivery={"webhook": {"url": receiver.url + "/guests"}, "timeout": "15s"})
        with Contender("sparekey", "Sparekey", command).running(folder) as server:
            fill(server.port, folder / "events.db", failovers + deliveries)
            add_deliveries(folder / "events.db", deliveries)
            # No worker sleeps longer than 5 s without looking.
            time.sleep(7)
            latencies = open_loop(server.port, rate, seconds)
            memory = server.memory("VmRSS")
            calls, told = seam.calls(), receiver.calls()
        with contextlib.closing(sqlite3.connect(folder / "events.db")) as database:
            queued = database.execute("SELECT count(*) FROM failovers WHERE state IN ('pending', 'waiting')").fetchone()[0]
        if not calls or not told or queued != failovers:
            sys.exit(f"nothing hangs: {calls} calls to Seam, {told} deliveries under way, {queued} failovers queued")
        return {**percentiles(latencies), "max_ms": max(latencies) * 1000, "rss_mb": memory, "requests": len(latencies)}


def fill(port, path, count):
    """Sends `count` failures of as many access codes and waits until each has its failover."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for first in range(0, count, 16):
            some = range(first, min(first + 16, count))
            connection.sendall(b"".join(
                request(f"msg_fail{number:06d}", event(
                    "access_code.failed_to_set_on_device", event_id=f"event-{number:06d}",
                    access_code_id=f"code-{number:06d}", device_id=f"device-{number % 200:03d}"))
                for number in some))
            answered = b""
            while answered.count(b"\r\n\r\n") < len(some):
                answered += connection.recv(65_536)
            if answered.count(b" 204 ") != len(some):
                sys.exit(f"refused while filling: {answered[:200]}")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.closing(sqlite3.connect(path)) as database:
            if database.execute("SELECT count(*) FROM failovers").fetchone()[0] == count:
                return
        time.sleep(0.2)
    sys.exit("the failovers were not opened in time")


def add_deliveries(path, count):
    """Turns the newest failovers into stays whose guests are still to be told."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database, database:
        now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        rows = database.execute(
            "SELECT failover_id, access_code_id, device_id FROM failovers ORDER BY access_code_id DESC LIMIT ?", (count,)).fetchall()
        for number, (failover, code, device) in enumerate(rows):
            database.execute("UPDATE failovers SET state = 'substituted', reason = 'pulled' WHERE failover_id = ?", (failover,))
            database.execute(
                f"""INSERT INTO substitutions (substitution_id, failover_id, original_access_code_id, device_id,
                    backup_access_code_id, backup_code, recorded_at, updated_at) VALUES (?, ?, ?, ?, ?, '1234', {now}, {now})""",
                (f"substitution-{number}", failover, code, device, f"backup-{number}"))
            database.execute(
                f"""INSERT INTO deliveries (delivery_id, substitution_id, channel, kind, created_at, next_attempt_at)
                    VALUES (?, ?, 'webhook', 'created', {now}, {now})""",
                (f"delivery-{number}", f"substitution-{number}"))


def open_loop(port, rate, seconds, connections=32):
    """Sends at fixed times whatever the answers do; a latency counts from when its request was due."""
    selector = selectors.DefaultSelector()
    # In turn, so that none is idle for so long that the server closes it.
    idle = collections.deque(socket.create_connection(("127.0.0.1", port)) for _ in range(connections))
    for connection in idle:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
    due_of, latencies = {}, []
    requests = [request(f"msg_siege{number:06d}") for number in range(rate * seconds)]
    start = time.perf_counter() + 0.1
    sent = 0
    while len(latencies) < len(requests):
        due = start + sent / rate
        while sent < len(requests) and idle and time.perf_counter() >= due:
            connection = idle.popleft()
            due_of[connection] = due
            connection.sendall(requests[sent])
            sent += 1
            due = start + sent / rate
        wait = due - time.perf_counter() if sent < len(requests) and idle else 10
        ready = selector.select(max(0, wait))
        for key, _ in ready:
            answer = key.fileobj.recv(4096)
            latencies.append(time.perf_counter() - due_of.pop(key.fileobj))
            if b" 204 " not in answer:
                sys.exit(f"refused at a steady rate: {answer[:200]}")
            idle.append(key.fileobj)
        if not ready and wait == 10:
            sys.exit("no answer for 10 s at a steady rate")
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return latencies
