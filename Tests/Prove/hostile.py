"""Hostile clients against the running daemon.

mutations  requests of five other servers' tests, generated streams and signed webhooks, all damaged at random and cut at random, on
           hundreds of connections. Whatever is in the log afterwards was signed byte by byte as it stands there, and nothing else was
           answered with 204; nothing hangs; the memory stays where it was after the first tenth.
held       1,000 connections that send a byte now and then and 1,000 that send nothing, held while good traffic is timed.
flood      connections opened and dropped as fast as one process can, while good traffic is timed.
"""

import asyncio
import base64
import contextlib
import json
import multiprocessing
import os
import random
import re
import resource
import socket
import statistics
import threading
import time

from report import ROOT, Report, arguments, progress, scratch

import request_streams
from processes import Daemon, failure_event, raw_request, sign

PARTS = ["mutations", "held", "flood"]
AT_ONCE = 64
#: A connection that is neither answered nor closed by then hangs: the daemon's own longest deadline is 20 s.
HANGS = 40
RATE = 200
LANES = 8
IDS = re.compile(rb"msg_[0-9a-f]{27}")
SPICES = [b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b",", b"\x7f", b"\xff", b"chunked", b"0\r\n\r\n", b"svix-id: msg_a\r\n", b"-1"]


def memory(daemon):
    """Megabytes resident now."""
    line = next(line for line in open(f"/proc/{daemon.pid}/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


class Attacker:
    """Streams from a seed. `signed` is what the daemon may believe: ID to body."""

    def __init__(self, seed, port):
        self.random, self.port, self.signed = random.Random(seed), port, {}
        self.writer = request_streams.Writer(seed)
        files = (ROOT / "Tests/HTTPServerTests/Fixtures").glob("*.jsonl")
        self.corpus = [base64.b64decode(json.loads(line)["b64"]) for file in sorted(files) for line in file.open()]

    def webhook(self):
        """A true one. Most are damaged on the way: then they are none."""
        event = json.dumps(failure_event("c0ffee00-0000-4000-8000-000000000000", "d0", filling="f" * self.random.randrange(300)))
        headers, body = sign(event)
        self.signed[headers["svix-id"]] = body
        return raw_request(self.port, headers, body)

    def has_signed(self, data):
        """Whether a true ID is in it."""
        return any(name.decode() in self.signed for name in IDS.findall(data))

    def stream(self):
        kind = self.random.random()
        if kind < 0.3:
            data = self.random.choice(self.corpus)
        elif kind < 0.6:
            data = self.writer.stream()
        else:
            data = b"".join(self.webhook() for _ in range(self.random.choice([1, 1, 2])))
            if self.random.random() < 0.1:
                return data
        for _ in range(self.random.choice([0, 1, 1, 2, 4])):
            data = self.damaged(data)
        return data

    def damaged(self, data):
        place = self.random.randrange(len(data) + 1)
        match self.random.randrange(6):
            case 0: return data[:place] + self.random.choice(SPICES) + data[place:]
            case 1: return data[:place] + data[place + self.random.choice([1, 1, 2, 8]):]
            case 2: return data[:place] + bytes([self.random.randrange(256)]) + data[place + 1:]
            case 3: return data[:place]
            case 4:
                other = self.random.choice(self.corpus)
                return data[:place] + other[self.random.randrange(len(other) + 1):]
            case _:
                end = min(len(data), place + self.random.randrange(1, 60))
                return data[:end] + data[place:end] + data[end:]

    def pieces(self, data):
        """Mostly whole, sometimes cut."""
        if self.random.random() < 0.7:
            return [data]
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(self.random.choice([1, 2, 5])))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)])]


async def next_bytes(reader, until):
    """What comes until then, by `time.monotonic`; raises TimeoutError where nothing has."""
    waiting = asyncio.ensure_future(reader.read(65_536))
    await asyncio.wait([waiting], timeout=max(0, until - time.monotonic()))
    # A client that was given no time to look does not know yet what has come: it looks before it calls that a hang.
    for _ in range(8):
        if not waiting.done():
            await asyncio.sleep(0)
    if waiting.done():
        return waiting.result()
    waiting.cancel()
    raise TimeoutError


async def exchange(port, pieces):
    """What the daemon says to a client that sends this and no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0)
        writer.write_eof()
        until = time.monotonic() + HANGS
        while more := await next_bytes(reader, until):
            answer += more
    except TimeoutError:
        raise
    except OSError:
        pass
    finally:
        writer.close()
    return answer


class Volley:
    """Streams sent, and what came of them."""

    def __init__(self, attacker):
        self.attacker, self.sent, self.hung, self.accepted, self.odd = attacker, 0, 0, 0, []

    async def one(self, port):
        data = self.attacker.stream()
        try:
            answer = await asyncio.wait_for(exchange(port, self.attacker.pieces(data)), 10 * HANGS)
        except TimeoutError:
            self.hung += 1
            return
        self.sent += 1
        statuses = [int(line[9:12]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ") and line[9:12].isdigit()]
        good = sum(200 <= status < 300 for status in statuses)
        self.accepted += good
        # A 2xx without a true ID in what was sent, or an answer that is none.
        if good and not self.attacker.has_signed(data) or answer and not answer.startswith(b"HTTP/1.1 "):
            self.odd.append(data)

    async def run(self, port, goes_on):
        async def lane():
            while goes_on(self.sent):
                await self.one(port)

        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


def mutations(report, options, folder):
    daemon = Daemon(folder).start()
    try:
        volley = Volley(Attacker(report.seed, daemon.port))
        began = time.monotonic()
        marks = []

        def goes_on(sent):
            share = max(min(sent / options.rounds, 1), 0)
            if options.minutes:
                share = min(share, (time.monotonic() - began) / 60 / options.minutes)
            if sent % 500 == 0:
                progress(f"{sent} streams")
            if share >= 0.1 and not marks:
                marks.append(memory(daemon))
            return share < 1 and daemon.is_running() and not volley.odd

        asyncio.run(volley.run(daemon.port, goes_on))
        now = memory(daemon) if daemon.is_running() else 0
        minutes = (time.monotonic() - began) / 60
        rows = daemon.query("select svix_id, body from webhook_events where source = 'webhook'")
        as_bytes = lambda body: body if isinstance(body, bytes) else body.encode()
        forged = sum(volley.attacker.signed.get(row["svix_id"]) != as_bytes(row["body"]) for row in rows)
        if volley.odd:
            (ROOT / ".build").mkdir(exist_ok=True)
            (ROOT / ".build/odd-stream").write_bytes(volley.odd[0])
        works = daemon.is_running() and daemon.get("/healthz").status_code == 200
        report.row(
            f"{volley.sent:,} damaged streams in {minutes:.0f} minutes, seed {report.seed}",
            f"{volley.accepted:,} answered with 2xx, {len(rows):,} stored, {forged} of them not as signed; {volley.hung} hung;"
            f" memory {marks[0] if marks else now:.0f} MB after a tenth, {now:.0f} MB at the end",
            works and not forged and not volley.hung and not volley.odd and len(rows) <= volley.accepted
            and len(rows) > 0 and now < (marks[0] if marks else now) + 16)
    finally:
        daemon.kill()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


#: The p99 of good traffic under a flood, at most: milliseconds.
FLOODED = 100


def usual_p99(latencies, slices=5):
    """The median of the p99 of five slices: a moment in which the machine itself stood still is one of them, not the figure."""
    length = max(1, len(latencies) // slices)
    return statistics.median(percentile(latencies[first:first + length], 0.99) for first in range(0, length * slices, length))


def good_traffic(port, seconds):
    """Latencies in ms of signed webhooks, each sent at its own time whether the one before was answered or not, and of none else."""
    messages = [sign(failure_event("c0ffee00-0000-4000-8000-000000000000", "d0")) for _ in range(int(seconds * RATE))]
    latencies, errors, start = [], [], time.monotonic() + 0.2

    def lane(number):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for place in range(number, len(messages), LANES):
                due = start + place / RATE
                time.sleep(max(0, due - time.monotonic()))
                connection.sendall(raw_request(port, *messages[place]))
                answer = b""
                while b"\r\n\r\n" not in answer:
                    more = connection.recv(4096)
                    if not more:
                        raise ConnectionError("a good connection was closed")
                    answer += more
                if not answer.startswith(b"HTTP/1.1 204"):
                    raise ConnectionError(answer[:60])
                latencies.append((time.monotonic() - due) * 1000)
        except OSError as error:
            errors.append(error)

    lanes = [threading.Thread(target=lane, args=[number]) for number in range(LANES)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    if errors:
        raise AssertionError(f"good traffic failed: {errors[0]}")
    return latencies


def hold(port, slow, idle, ready, over):
    """In a process of its own: slow and idle connections, opened again where the daemon ends them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    head = b"POST /webhooks/seam HTTP/1.1\r\nHost: a\r\nX-Slow: "

    def opened(first):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(first)
        connection.setblocking(False)
        return connection

    kinds = [head] * slow + [b""] * idle
    held = [opened(first) for first in kinds]
    ready.set()
    while not over.wait(1):
        for place, first in enumerate(kinds):
            try:
                if first:
                    held[place].send(b"x")
                if held[place].recv(4096, socket.MSG_DONTWAIT) == b"":
                    raise ConnectionError
            except BlockingIOError:
                continue
            except OSError:
                held[place].close()
                held[place] = opened(first)


def flood(port, count, ready, over):
    """In a process of its own: opens and drops."""
    ready.set()
    while not over.is_set():
        for first in (b"", b"G", b"POST / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00"):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    connection.sendall(first)
                count.value += 1
            except OSError:
                pass


@contextlib.contextmanager
def beside(target, *arguments):
    """Runs `target` in a process of its own, which is given two events more: that it is there, and that it shall end."""
    ready, over = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=target, args=(*arguments, ready, over), daemon=True)
    process.start()
    try:
        assert ready.wait(60), "the other side did not come up"
        yield
    finally:
        over.set()
        process.join(30)


def disturbed(report, options, folder, what, target, *more, count=None):
    """Good traffic before and while `target` runs beside it.

    Connections that are held cost nothing, so good traffic keeps its p99. A flood takes a processor for itself and much of the others:
    under it, good traffic goes on.
    """
    daemon = Daemon(folder).start()
    try:
        seconds = options.seconds
        good_traffic(daemon.port, 2)
        before = good_traffic(daemon.port, seconds)
        rest, open_before = memory(daemon), descriptors(daemon)
        with beside(target, daemon.port, *more):
            during = good_traffic(daemon.port, seconds)
            open_during, most = descriptors(daemon), memory(daemon)
        deadline = time.monotonic() + 60
        while descriptors(daemon) > open_before and time.monotonic() < deadline:
            time.sleep(0.1)
        p99, then = usual_p99(before), usual_p99(during)
        bound = FLOODED if count else max(2 * p99, p99 + 10)
        extra = f", {count.value:,} connections" if count else f", {open_during - open_before:,} connections held"
        report.row(
            what, f"p99 of good traffic {p99:.1f} ms before, {then:.1f} ms meanwhile (p50 {statistics.median(before):.1f} and"
            f" {statistics.median(during):.1f}){extra}; memory {rest:.0f} and {most:.0f} MB",
            daemon.is_running() and then <= bound and most < rest + 60 and descriptors(daemon) <= open_before)
    finally:
        daemon.kill()


def main():
    parser = arguments(__doc__, 20_000, PARTS)
    parser.add_argument("--seconds", type=float, default=10, help="how long good traffic is timed (10)")
    parser.add_argument("--connections", type=int, default=1000, help="held of each kind (1,000)")
    options = parser.parse_args()
    report = Report(options, PARTS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    with scratch(options) as folder:
        if "mutations" in report.parts:
            mutations(report, options, folder / "mutations")
        if "held" in report.parts:
            number = options.connections
            disturbed(report, options, folder / "held", f"{number:,} slow and {number:,} idle connections", hold, number, number)
        if "flood" in report.parts:
            opened = multiprocessing.Value("q", 0)
            disturbed(report, options, folder / "flood", "connections opened and dropped", flood, opened, count=opened)
    report.exit()


if __name__ == "__main__":
    main()
