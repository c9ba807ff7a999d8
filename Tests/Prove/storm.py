"""A storm: thousands of failures in one minute, and a Seam that refuses what comes too fast.

Every failure has to be drained once, the soonest stay of each lock first, in bounded memory. The failures are watched for a minute
(`failover.draw_delay`), so that all of them are known before the first code is drawn; only a stay whose reading Seam refused just then
may be overtaken.
"""

import concurrent.futures
import itertools
import threading
import time

from report import Report, arguments, progress, scratch

import requests
from processes import Daemon, Sandbox, failure_event, in_hours, sign

PARTS = ["drain"]
LOCKS = 200
WATCHED = 60
REFUSALS = 4
SENDERS = 16


def in_parallel(work, items):
    """Each thread has a connection of its own."""
    own = threading.local()

    def one(item):
        if not hasattr(own, "session"):
            own.session = requests.Session()
        return work(own.session, item)

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(one, items))


def control(session, url, path, **body):
    answer = session.post(f"{url}/sandbox/{path}", json=body, timeout=60)
    assert answer.ok, answer.text
    return answer.json()


def failed_codes(sandbox, count, chance):
    """(code, lock) in a random order; no two stays of the storm begin at the same time."""
    each = -(-count // LOCKS)
    locks = in_parallel(
        lambda session, name: control(session, sandbox.url, "devices/create", name=f"Door {name}", pool_size=each)["device"]["device_id"],
        range(LOCKS))
    begins = [2 + 30 * number / count for number in range(count)]
    chance.shuffle(begins)

    def fail(session, item):
        lock, start = item
        code = control(session, sandbox.url, "access_codes/create", device_id=lock, name="Guest", starts_at=in_hours(start),
                       ends_at=in_hours(start + 48))["access_code"]["access_code_id"]
        control(session, sandbox.url, "access_codes/fail", access_code_id=code)
        return code, lock

    return in_parallel(fail, zip(itertools.cycle(locks), begins))


def send(daemon, codes):
    """Returns after how many seconds the last was acknowledged."""
    signed = [sign(failure_event(code, lock)) for code, lock in codes]
    began = time.monotonic()

    def post(session, message):
        headers, body = message
        for _ in range(5):
            if session.post(daemon.url, data=body, headers=headers, timeout=60).status_code == 204:
                return
            time.sleep(1)
        raise AssertionError("a webhook was not taken")

    in_parallel(post, signed)
    return time.monotonic() - began


def peak(daemon):
    """Megabytes of memory at the most so far."""
    line = next(line for line in open(f"/proc/{daemon.pid}/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def drained(daemon, count, limit):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        done = daemon.query("select count(*) as n from substitutions")[0]["n"]
        progress(f"{done} of {count}")
        if done >= count:
            return True
        time.sleep(0.5)
    return False


def in_order(daemon):
    """How many were drawn before every later stay of their lock."""
    right = 0
    rows = daemon.query(
        "select s.device_id as lock, f.original_starts_at as start from substitutions s join failovers f using (failover_id) order by s.rowid")
    for _, lock in itertools.groupby(sorted(rows, key=lambda row: row["lock"]), key=lambda row: row["lock"]):
        starts = [row["start"] for row in lock]
        right += sum(start == min(starts[place:]) for place, start in enumerate(starts))
    return right


def main():
    parser = arguments(__doc__, 10_000, PARTS)
    parser.add_argument("--limit", type=float, default=1200, help="how long the drain may take, in seconds (1,200)")
    options = parser.parse_args()
    report = Report(options, PARTS)
    with scratch(options) as folder:
        sandbox = Sandbox(folder)
        daemon = Daemon(folder, sandbox.url, **{"failover.draw_delay": f"{WATCHED}s", "failover.retry_initial": "1s",
                                                "failover.retry_max": "15m", "reconcile.interval": "1h"})
        try:
            # The sweep at the start finds nothing yet: what comes, comes by webhook.
            daemon.start()
            rest = peak(daemon)
            codes = failed_codes(sandbox, options.rounds, report.chance)
            sandbox.control("faults/add", kind="rate_limited", retry_after="1", count=REFUSALS)
            seconds = send(daemon, codes)
            began = time.monotonic()
            finished = drained(daemon, len(codes), options.limit)
            took = time.monotonic() - began
            pulls = sandbox.control("counters")["pulls"]
            once = sum(pulls.get(code, 0) == 1 for code, _ in codes)
            rows = daemon.query("select count(*) as n, count(distinct backup_access_code_id) as backups from substitutions")[0]
            order = in_order(daemon)
            most = peak(daemon)
            report.row(
                f"{len(codes):,} failures on {LOCKS} locks within {seconds:.0f} s",
                f"drained {took:.0f} s later; {once:,} pulled exactly once, {rows['backups']:,} backups, {order:,} in the order of the stays, {REFUSALS} requests"
                f" refused; memory {rest:.0f} MB before, {most:.0f} MB at most",
                finished and seconds < 60 and once == rows["n"] == rows["backups"] == len(codes) <= order + REFUSALS and most < 200)
        finally:
            daemon.kill()
            sandbox.kill()
    report.exit()


if __name__ == "__main__":
    main()
