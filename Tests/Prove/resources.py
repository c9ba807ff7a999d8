"""What a machine that runs short, or whose clock jumps, does to the daemon: it goes on, says so once, and is well again by itself.

descriptors  none left while connections flood in
threads      the kernel gives it no more for a while (as a user of its own; needs root)
memory       64 messages of 1.5 MB at the same time, again and again
stderr       nobody reads the log
clock        its clock jumps by an hour and by a day, both ways, while guests' codes fail
"""

import contextlib
import datetime
import fcntl
import os
import pathlib
import resource
import shutil
import socket
import struct
import subprocess
import threading
import time

import requests

from report import Report, arguments, scratch

from disk import build
from processes import PATIENCE, Sandbox, binary, failure_event, in_hours, sign, until
from storage import Bench

# Without threads, in seconds.
SHORTAGE = 10.0

PARTS = ("descriptors", "threads", "memory", "stderr", "clock")


def memory(pid, name):
    """In MB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def run_descriptors(folder, options, report):
    bench = Bench(folder / "descriptors", report.chance.randrange(2**31)).start()
    with contextlib.closing(bench):
        bench.send()
        pid = bench.daemon.pid
        used = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 120, hard))
        flood, answered, closed = [], 0, 0
        most = 0
        for _ in range(200):
            if not bench.daemon.is_running():
                raise AssertionError(f"the daemon ended with {bench.daemon.process.returncode}: {bench.daemon.output()[-500:]}")
            flood.append(socket.create_connection(("127.0.0.1", bench.port), timeout=PATIENCE))
            # Who says something is served, for those that are idle give way; where the daemon's own calls and readers took what
            # they left, the next in line is told at once, by closing it.
            try:
                answered += bench.status() == 204
            except ConnectionError:
                closed += 1
            most = max(most, len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())))
        cpu = cpu_share(pid)
        for connection in flood:
            connection.close()
        recovery = bench.seconds_to_recover()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        bench.send()
        alerts = bench.check()
        bench.compare()
        report.row("no descriptors left, 200 idle connections more", f"of 200 webhooks meanwhile {answered} answered 204, {closed} closed; "
                   f"{used + 120 - most} descriptors left at the least; {cpu:.0%} of a core at rest; {len(alerts)} line in the log",
                   # The rest of the process needs some: libdispatch ends it where there are none.
                   used + 120 - most > 30 and answered >= 150 and answered + closed == 200 and cpu < 0.2 and recovery < 5)


def cpu_share(pid, seconds=1.0):
    """Of one core, while nothing is asked of it."""
    def ticks():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def run_threads(folder, options, report):
    what = f"no threads for {SHORTAGE:.0f} s, after a rest in which idle ones ended"
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return report.skip(what, "needs root and setpriv")
    os.chmod(folder, 0o755)
    home = folder / "threads"
    bench = Bench(home, report.chance.randrange(2**31), connections=16)
    # A user whom nobody else is, so that only its threads count.
    user = 54_321
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    for path in (home, bench.data):
        os.chown(path, user, user)
    program = home / "sparekey"
    shutil.copy(binary(), program)
    bench.daemon.wrapper = ["prlimit", "--nproc=4096:4096", *become]
    os.chmod(home, 0o755)

    def allow(threads):
        subprocess.run([*become, "prlimit", f"--pid={bench.daemon.pid}", f"--nproc={threads}:4096"], check=True)

    bench.start()
    with contextlib.closing(bench):
        bench.send(most=500)
        # libdispatch's workers end after five seconds without work.
        time.sleep(7)
        before = bench.books.count
        allow(1)
        stop = threading.Timer(SHORTAGE, allow, [4096])
        stop.start()
        bench.send(most=2000, seconds=SHORTAGE - 1)
        stop.join()
        meanwhile = bench.books.count - before
        recovery = bench.seconds_to_recover()
        bench.send()
        alerts = bench.check()
        bench.compare()
        report.row(what, f"{meanwhile:,} webhooks answered 204 meanwhile, {bench.books.statuses[503]} answered 503; "
                   f"{len(alerts)} lines in the log; back to 204 after {recovery:.2f} s", recovery < 5)


def run_memory(folder, options, report):
    bench = Bench(folder / "memory", report.chance.randrange(2**31), connections=64).start()
    with contextlib.closing(bench):
        bench.send()
        before = memory(bench.daemon.pid, "VmRSS")
        bench.books.length = 1_500_000
        bench.send(most=400, seconds=120)
        peak = memory(bench.daemon.pid, "VmHWM")
        bench.books.length = None
        until("smaller memory", lambda: memory(bench.daemon.pid, "VmRSS") < before + 200, seconds=20)
        recovery = bench.seconds_to_recover()
        alerts = bench.check()
        report.row("64 messages of 1.5 MB at once", f"{bench.books.count} acknowledged, {bench.books.statuses[503]} told to come again; memory "
                   f"{before:.0f} MB, {peak:.0f} MB at the most; {len(alerts)} lines in the log", peak < 600 and recovery < 5)


def run_stderr(folder, options, report):
    bench = Bench(folder / "stderr", report.chance.randrange(2**31))
    bench.daemon.settings["log.level"] = "debug"
    bench.start()
    with contextlib.closing(bench):
        bench.daemon.stop()
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        bench.daemon.start(wait=False, stderr=writing)
        os.close(writing)
        refused = 0
        until("start", lambda: answers(bench))
        # Each is refused with a line of its own, until neither the pipe nor the daemon's queue takes another.
        for _ in range(6000 // 50):
            refused += refuse(bench, 50)
        began = time.monotonic()
        bench.send(most=200)
        seconds = time.monotonic() - began
        os.set_blocking(reading, False)
        said = b""

        def read():
            nonlocal said
            with contextlib.suppress(BlockingIOError):
                said += os.read(reading, 1 << 20)
            refuse(bench, 1)
            return b"log lines were dropped" in said

        until("word of what was dropped", read)
        os.close(reading)
        times = said.count(b"log lines were dropped")
        report.row("a full pipe on standard error", f"200 acknowledged in {seconds:.2f} s while nobody read; said {times} times what was dropped",
                   bench.books.statuses[503] == 0 and times == 1 and bench.daemon.is_running())


def answers(bench):
    with contextlib.suppress(OSError):
        return bench.status() == 204


def refuse(bench, count):
    """Requests that nobody signed."""
    with socket.create_connection(("127.0.0.1", bench.port), timeout=PATIENCE) as connection:
        for _ in range(count):
            connection.sendall(b"POST /webhooks/seam HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
            received = b""
            while b"\r\n\r\n" not in received:
                more = connection.recv(4096)
                if not more:
                    return count
                received += more
    return count


def run_clock(folder, options, report):
    home = folder / "clock"
    bench = Bench(home, report.chance.randrange(2**31))
    with contextlib.ExitStack() as ending:
        sandbox = Sandbox(home)
        ending.callback(sandbox.kill)
        ending.callback(bench.daemon.kill)
        try_jumps(home, bench, sandbox, report)


def try_jumps(home, bench, sandbox, report):
    sandbox.control("faults/add", kind="server_error", route="/events/list", count=0)
    offset = home / "offset"
    offset.write_bytes(bytes(8))
    bench.daemon.settings.update({"seam.base_url": sandbox.url, "reconcile.horizon": "0s"})
    bench.daemon.secrets.update({"LD_PRELOAD": str(build(home, "clock")), "PROVE_CLOCK": str(offset)})
    bench.start()
    device = sandbox.device(pool_size=40)
    stay = {"starts_at": in_hours(-60), "ends_at": in_hours(90)}

    def jump(seconds):
        with offset.open("r+b", buffering=0) as file:
            file.write(struct.pack("=q", seconds))

    slowest, count = 0.0, 0
    for name, seconds in (("an hour", 3600), ("a day", 86_400)):
        for sign_of in (1, -1):
            # One is under way while the clock jumps, and one fails after it, told by a sender whose clock is right again.
            before, after = (sandbox.failed_code(device, **stay) for _ in range(2))
            sandbox.control("faults/add", kind="delay", seconds=0.3, route="/access_codes/get", count=1)
            send(bench, failure_event(before, device), 0)
            jump(sign_of * seconds)
            began = time.monotonic()
            send(bench, failure_event(after, device), sign_of * seconds)
            until(f"substitutions after {name}", lambda: bench.daemon.query(
                "select count(*) as count from substitutions where original_access_code_id in (?, ?)", before, after)[0]["count"] == 2)
            slowest = max(slowest, time.monotonic() - began)
            # Those whose clocks differ are refused, and that is said once.
            logged = len(refusals(bench))
            for _ in range(20):
                if send(bench, failure_event(after, device), 0, expected=401) != 401:
                    raise AssertionError("a message a clock's jump away was not refused")
            if len(refusals(bench)) - logged > 1:
                raise AssertionError(f"said {len(refusals(bench)) - logged} times that messages are refused")
            jump(0)
            back = sandbox.failed_code(device, **stay)
            began = time.monotonic()
            send(bench, failure_event(back, device), 0)
            until(f"substitution after the way back from {name}", lambda: bench.daemon.query(
                "select 1 from substitutions where original_access_code_id = ?", back))
            slowest = max(slowest, time.monotonic() - began)
            count += 3
    if sandbox.control("counters")["backups_pulled"] != count:
        raise AssertionError(f"{sandbox.control('counters')['backups_pulled']} pulls for {count} codes")
    if not bench.daemon.is_running():
        raise AssertionError("the daemon ended")
    report.row("the clock jumps by an hour and by a day, both ways and back", f"{count} codes that failed around the jumps, each with its backup "
               f"after {slowest:.1f} s at most, {count} pulls; of 80 messages with the wrong time each flurry is one line", slowest < 10)


def refusals(bench):
    return [line for line in bench.daemon.log(bench.offset) if line["level"] == "warning" and "was refused" in line["message"]]


def send(bench, event, seconds, expected=204):
    headers, body = sign(event, at=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds))
    status = requests.post(bench.daemon.url, data=body, headers=headers, timeout=PATIENCE).status_code
    if status != expected:
        raise AssertionError(f"answered {status} instead of {expected}")
    return status


def main():
    options = arguments(__doc__, 1, PARTS).parse_args()
    report = Report(options, PARTS)
    with scratch(options) as folder:
        report.each(options, lambda part: globals()[f"run_{part}"](folder, options, report))
    report.exit()


if __name__ == "__main__":
    main()
