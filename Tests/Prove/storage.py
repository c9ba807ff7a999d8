"""Faults of the storage under a daemon that takes webhooks: 503 and never a false 204, one line of the log, the process goes on, and
204 again within 5 seconds after the cause is gone, without a person.

nth       EIO, ENOSPC, EINTR at the n-th storage system call after the start, n from 1 to ROUNDS
lasting   every write and sync fails for a while: EIO, ENOSPC, EROFS
full      a small file system that is filled, and emptied
slow      each sync takes two seconds: what takes longer than five is refused, and kept all the same
vanished  the folder is moved away, and back
readonly  the folder cannot be written at the start
locked    another program holds SQLite's write lock for longer than the daemon waits
corrupt   a page of the index that each message goes into is overwritten, and put back
"""

import contextlib
import sqlite3
import subprocess
import time

from report import Report, arguments, progress, scratch

from disk import Disk, SYNC, TRUNCATE, WRITE, build
from promises import Books, Connection, Load
from processes import Daemon, until

PARTS = ("nth", "lasting", "full", "slow", "vanished", "readonly", "locked", "corrupt")
RECOVERY = 5.0


class Bench:
    """A daemon whose database lies in a folder of its own, and the books on what it was sent."""

    def __init__(self, folder, seed, library=None, connections=4, data=None):
        folder.mkdir()
        self.daemon = Daemon(folder, **{"log.level": "notice"})
        self.data = data or folder / "data"
        self.data.mkdir(exist_ok=True)
        self.daemon.database = self.data / "sparekey.db"
        self.daemon.settings["database.path"] = str(self.daemon.database)
        self.disk = None
        if library:
            self.disk = Disk(library, self.daemon, tells=False)
            self.daemon.secrets.update(self.disk.variables)
        self.books = Books(seed)
        self.connections = connections
        self.offset = 0

    def start(self):
        self.daemon.start()
        self.daemon.keep_ports()
        self.offset = self.daemon.stderr.stat().st_size
        return self

    @property
    def port(self):
        return self.daemon.port

    def send(self, most=20, seconds=30):
        load = Load(self.books, self.port, self.connections)
        load.pause = 0.01
        load.run(most=most, seconds=seconds, reconnects=True)
        load.close()

    def status(self):
        """What one message is answered with; it is sent again later where that is not 204."""
        number = self.books.next()
        try:
            connection = Connection(self.port)
            connection.send(number, self.books.request(number, self.port))
            while (status := connection.answer()) is None:
                pass
            connection.socket.close()
        except OSError:
            self.books.unanswered.append(number)
            raise
        self.books.note(number, status)
        return status

    def seconds_to_recover(self):
        """From now to the first 204."""
        began = time.monotonic()
        while True:
            status = self.status()
            if status == 204:
                return time.monotonic() - began
            if status != 503:
                raise AssertionError(f"answered {status}")
            if time.monotonic() - began > 2 * RECOVERY:
                raise AssertionError(f"still {status} {2 * RECOVERY:.0f} s after the cause was gone: {self.alerts()[-3:]}")
            time.sleep(0.02)

    def alerts(self):
        """What was said since the start at a level that somebody is to notice."""
        return [line for line in self.daemon.log(self.offset) if line["level"] in ("warning", "error", "critical")
                # There is no Seam in these trials.
                and "Seam" not in line.get("error", "") and "127.0.0.1:9" not in line.get("error", "")]

    def close(self):
        self.daemon.kill()

    def check(self, most_alerts=1):
        if not self.daemon.is_running():
            raise AssertionError(f"the daemon ended with {self.daemon.process.returncode}: {self.daemon.output()[-1000:]}")
        if set(self.books.statuses) - {204, 503}:
            raise AssertionError(f"answers: {dict(self.books.statuses)}")
        alerts = self.alerts()
        if len(alerts) > most_alerts:
            raise AssertionError(f"{len(alerts)} lines instead of {most_alerts}: {[line['message'] for line in alerts][:6]}; {alerts[-1]}")
        return alerts

    def compare(self):
        """What was acknowledged is there after the process is gone, as it was sent."""
        self.daemon.kill()
        self.offset = 0
        if self.disk:
            self.disk.mend()
        self.start()
        with contextlib.closing(sqlite3.connect(f"file:{self.daemon.database}?mode=ro", uri=True, timeout=30)) as database:
            found = dict(database.execute("select svix_id, body from webhook_events"))
            damage = database.execute("pragma integrity_check").fetchone()[0]
        if damage != "ok":
            raise AssertionError(f"the database is damaged: {damage}")
        for number in range(self.books.sent):
            if self.books.acknowledged[number] and found.get(self.books.message_id(number)) != self.books.body(number):
                raise AssertionError(f"{self.books.message_id(number)} was acknowledged and is not there")


def run_nth(folder, library, options, report):
    for error in ("EIO", "ENOSPC", "EINTR"):
        bench = Bench(folder / f"nth-{error}", report.chance.randrange(2**31), library, connections=2)
        with contextlib.closing(bench):
            bench.start().send()
            failed_starts = refusals = hit = 0
            slowest = 0.0
            for number in range(1, options.rounds + 1):
                bench.daemon.kill()
                bench.offset = bench.daemon.stderr.stat().st_size
                bench.disk.fail(error, first=number)
                if not started(bench):
                    failed_starts += 1
                    # As systemd does, a second later.
                    if not started(bench):
                        raise AssertionError(f"{error} at call {number}: a second start failed: {bench.daemon.output()[-500:]}")
                before = bench.books.statuses[503]
                for _ in range(60):
                    if bench.status() == 503 or bench.disk["failed"]:
                        break
                slowest = max(slowest, bench.seconds_to_recover())
                refusals += bench.books.statuses[503] - before
                hit += bench.disk["failed"] > 0
                bench.check(most_alerts=2)
                if number % 25 == 0:
                    bench.compare()
                progress(f"nth {error}: {number}, {failed_starts} starts failed, {refusals} answers 503")
            bench.compare()
            report.row(f"{error} at the n-th storage call, n = 1 to {options.rounds}",
                       f"{hit} faults met, {bench.books.count:,} acknowledged, 0 lost; {refusals} answers 503; {failed_starts} starts failed "
                       f"and succeeded the second time; back to 204 after {slowest:.2f} s at most", slowest < RECOVERY)


def started(bench):
    """Whether the daemon came up; one that does not has to say why in one line and exit with 1."""
    offset = bench.daemon.stderr.stat().st_size if bench.daemon.stderr.exists() else 0
    bench.daemon.start(wait=False)
    until("start or end", lambda: not bench.daemon.is_running() or any(line["message"] == "Ready" for line in bench.daemon.log(offset)))
    lines = bench.daemon.log(offset)
    if any(line["message"] == "Ready" for line in lines):
        return True
    status = bench.daemon.process.wait()
    stopped = [line for line in lines if line["message"] == "Stopped"]
    if status != 1 or len(stopped) != 1:
        raise AssertionError(f"the start ended with {status} and said {lines}")
    bench.offset = bench.daemon.stderr.stat().st_size
    return False


def outage(bench, begin, end, seconds=1.5):
    """Webhooks before, during and after. Returns how many were answered 503 and 204 meanwhile, and the seconds to the first 204 after."""
    bench.send()
    begin()
    before, acknowledged = bench.books.statuses[503], bench.books.count
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        bench.status()
        time.sleep(0.02)
    refused = bench.books.statuses[503] - before
    taken = bench.books.count - acknowledged
    end()
    recovery = bench.seconds_to_recover()
    bench.send()
    return refused, taken, recovery


def told(bench, report, what, result):
    refused, taken, recovery = result
    alerts = bench.check()
    bench.compare()
    report.row(what, f"{refused} answers 503, {taken} answers 204 meanwhile, {len(alerts)} line in the log; back to 204 after {recovery:.2f} s",
               recovery < RECOVERY and refused > 0 and taken == 0 and len(alerts) <= 1)


def run_lasting(folder, library, options, report):
    for error in ("EIO", "ENOSPC", "EROFS"):
        bench = Bench(folder / f"lasting-{error}", report.chance.randrange(2**31), library).start()
        with contextlib.closing(bench):
            result = outage(bench, lambda: bench.disk.fail(error, count=2**40, kinds=WRITE | SYNC | TRUNCATE), bench.disk.mend, seconds=2)
            told(bench, report, f"every write and sync fails for 2 s: {error}", result)
    bench = Bench(folder / "lasting-idle", report.chance.randrange(2**31), library).start()
    with contextlib.closing(bench):
        bench.send()
        bench.disk.fail("EIO", count=2**40, kinds=WRITE | SYNC | TRUNCATE)
        until("503", lambda: bench.status() == 503)
        ready = bench.daemon.get("/readyz").status_code
        bench.disk.mend()
        began = time.monotonic()
        until("readiness without a webhook", lambda: bench.daemon.get("/readyz").status_code == 200, seconds=15)
        report.row("ready again without a webhook after writes failed", f"/readyz {ready}, then 200 after {time.monotonic() - began:.1f} s",
                   ready == 503)


def run_full(folder, _, options, report):
    what = "a file system that is full"
    mounted = folder / "small"
    mounted.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", mounted], capture_output=True, text=True)
    if made.returncode != 0:
        return report.skip(what, made.stderr.strip())
    try:
        bench = Bench(folder / "full", report.chance.randrange(2**31), data=mounted / "data").start()
        with contextlib.closing(bench):
            ballast = mounted / "ballast"

            def fill():
                with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1024))

            def first_refusal():
                # What the WAL has is used up first.
                fill()
                until("503", lambda: bench.status() == 503)

            result = outage(bench, first_refusal, ballast.unlink)
            told(bench, report, what, result)
    finally:
        subprocess.run(["umount", mounted], check=False)


def run_slow(folder, library, options, report):
    bench = Bench(folder / "slow", report.chance.randrange(2**31), library, connections=16).start()
    with contextlib.closing(bench):
        bench.send()
        bench.disk["sync_microseconds"] = 2_000_000
        began = time.monotonic()
        before = bench.books.count
        bench.send(most=48)
        seconds, count, refused = time.monotonic() - began, bench.books.count - before, bench.books.statuses[503]
        bench.disk["sync_microseconds"] = 0
        recovery = bench.seconds_to_recover()
        bench.send()
        alerts = bench.check()
        bench.compare()
        report.row("each sync takes 2 s", f"{count} answers 204 in {seconds:.0f} s, {refused} answers 503 after 5 s, {len(alerts)} line in the "
                   f"log; back to 204 after {recovery:.2f} s", len(alerts) == (refused > 0) and count > 0 and seconds > 2 and recovery < RECOVERY)


def run_vanished(folder, _, options, report):
    bench = Bench(folder / "vanished", report.chance.randrange(2**31)).start()
    with contextlib.closing(bench):
        away = bench.data.with_name("away")
        result = outage(bench, lambda: bench.data.rename(away), lambda: away.rename(bench.data))
        told(bench, report, "the folder is moved away, and back", result)
    bench = Bench(folder / "replaced", report.chance.randrange(2**31)).start()
    with contextlib.closing(bench):
        away = bench.data.with_name("away-too")

        def unmount():
            bench.data.rename(away)
            bench.data.mkdir()

        def mount():
            if list(bench.data.iterdir()):
                raise AssertionError(f"made anew meanwhile: {list(bench.data.iterdir())}")
            bench.data.rmdir()
            away.rename(bench.data)

        result = outage(bench, unmount, mount)
        told(bench, report, "an empty folder in its place for a while", result)


def run_readonly(folder, _, options, report):
    what = "a folder that cannot be written at the start"
    bench = Bench(folder / "readonly", report.chance.randrange(2**31))
    mounted = subprocess.run(["mount", "--bind", bench.data, bench.data], capture_output=True, text=True)
    if mounted.returncode != 0:
        return report.skip(what, mounted.stderr.strip())
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", bench.data], check=True)
        with contextlib.closing(bench):
            failed = not started(bench)
            line = [line for line in bench.daemon.log() if line["message"] == "Stopped"][-1:]
            subprocess.run(["mount", "-o", "remount,rw,bind", bench.data], check=True)
            began = time.monotonic()
            bench.start()
            status = bench.status()
            seconds = time.monotonic() - began
            report.row(what, f"exit 1 with one line that names the folder; after that {status} in {seconds:.2f} s",
                       failed and status == 204 and str(bench.data) in line[0]["error"] and seconds < RECOVERY)
    finally:
        subprocess.run(["umount", bench.data], check=False)


def run_locked(folder, _, options, report):
    bench = Bench(folder / "locked", report.chance.randrange(2**31)).start()
    with contextlib.closing(bench):
        other = sqlite3.connect(bench.daemon.database, isolation_level=None, timeout=30)
        result = outage(bench, lambda: other.execute("begin immediate"), lambda: other.execute("rollback"), seconds=6)
        other.close()
        told(bench, report, "another program holds the write lock", result)


def run_corrupt(folder, _, options, report):
    bench = Bench(folder / "corrupt", report.chance.randrange(2**31)).start()
    with contextlib.closing(bench):
        bench.send(most=300)
        bench.daemon.stop()
        with contextlib.closing(sqlite3.connect(bench.daemon.database)) as database:
            page = database.execute("select rootpage from sqlite_master where name = 'sqlite_autoindex_webhook_events_1'").fetchone()[0]
        offset = (page - 1) * 4096
        with bench.daemon.database.open("r+b") as file:
            file.seek(offset)
            good = file.read(4096)
            file.seek(offset)
            file.write(report.chance.randbytes(4096))
        bench.start()

        def put_back():
            with bench.daemon.database.open("r+b") as file:
                file.seek(offset)
                file.write(good)

        refused = taken = 0
        stop = time.monotonic() + 2
        while time.monotonic() < stop:
            status = bench.status()
            refused, taken = refused + (status == 503), taken + (status == 204)
            time.sleep(0.02)
        put_back()
        recovery = bench.seconds_to_recover()
        bench.send()
        told(bench, report, "a page of the database is overwritten, and put back", (refused, taken, recovery))


def main():
    options = arguments(__doc__, 20, PARTS).parse_args()
    report = Report(options, PARTS)
    with scratch(options) as folder:
        library = build(folder)
        report.each(options, lambda part: globals()[f"run_{part}"](folder, library, options, report))
    report.exit()


if __name__ == "__main__":
    main()
