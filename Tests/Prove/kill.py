"""Ends the daemon at random moments under signed load, starts it again, and compares with what it had acknowledged.

kill    kill -9, also while it starts, and while it is stopped
term    SIGTERM: exit 0, and what was stored was answered
freeze  SIGSTOP and SIGCONT: nothing is refused
start   the first 204 after the start, with --stored events in the database, half of the starts after a kill -9
"""

import contextlib
import signal
import sqlite3
import statistics
import threading
import time

from report import Report, arguments, progress, scratch

from promises import Connection, Load, Books
from processes import PATIENCE, Daemon, Sandbox, in_hours, until

PARTS = ("kill", "term", "freeze", "start")
GUESTS_EACH_ROUND = 3


class Trial:
    """A daemon with a simulated Seam, and the books on what it has acknowledged."""

    def __init__(self, folder, seed, prepare=lambda daemon: None):
        folder.mkdir()
        self.books = Books(seed)
        self.daemon = None
        self.sandbox = Sandbox(folder)
        try:
            self._begin(folder, prepare)
        except BaseException:
            self.close()
            raise

    def _begin(self, folder, prepare):
        # Only webhooks tell of failures: a sweep that finds one would hide a lost webhook.
        self.sandbox.control("faults/add", kind="server_error", route="/events/list", count=0)
        self.daemon = Daemon(folder, sandbox_url=self.sandbox.url, **{
            "reconcile.horizon": "0s", "reconcile.state_interval": "1d", "reconcile.interval": "1h", "log.level": "notice",
        })
        prepare(self.daemon)
        self.daemon.start()
        self.daemon.keep_ports()
        self.port = self.daemon.port
        self.guests = []
        self.device = None
        self.compared = 0

    def add_guests(self, count):
        """Guests whose codes fail, each of which three webhooks will tell."""
        for _ in range(count):
            if len(self.guests) % 250 == 0:
                self.device = self.sandbox.device(pool_size=300)
            code = self.sandbox.failed_code(self.device, starts_at=in_hours(1))
            self.guests.append(code)
            self.books.due.extend([(code, self.device)] * 3)

    def start(self):
        """Seconds from the start of the process to its first 204."""
        began = time.monotonic()
        self.daemon.start(wait=False)
        number = self.books.next()
        while True:
            with contextlib.suppress(OSError):
                connection = Connection(self.port)
                connection.send(number, self.books.request(number, self.port))
                while (status := connection.answer()) is None:
                    pass
                break
            if not self.daemon.is_running():
                raise AssertionError(f"the daemon ended with {self.daemon.process.returncode}: {self.daemon.output()[-2000:]}")
            if time.monotonic() - began > PATIENCE:
                raise AssertionError("no answer after the start")
            time.sleep(0.001)
        self.books.note(number, status)
        connection.socket.close()
        if status != 204:
            raise AssertionError(f"the first answer was {status}")
        return time.monotonic() - began

    def compare(self, everything=False):
        """Each acknowledged message is there once, as it was sent. What was compared before is compared again at the end."""
        books = self.books
        first = 0 if everything else self.compared
        found = 0
        with contextlib.closing(sqlite3.connect(f"file:{self.daemon.database}?mode=ro", uri=True, timeout=PATIENCE)) as database:
            rows = database.execute(
                "select svix_id, body from webhook_events where svix_id between ? and ? order by svix_id",
                (books.message_id(first), books.message_id(books.sent)))
            for message_id, body in rows:
                number = int(message_id[-19:])
                found += books.acknowledged[number]
                if body != books.body(number):
                    raise AssertionError(f"{message_id} is not as it was sent")
        promised = sum(books.acknowledged[first:])
        if found != promised:
            raise AssertionError(f"{promised - found} acknowledged messages of {promised} are lost")
        # What is still unanswered may be acknowledged later.
        self.compared = min(self.books.unanswered, default=books.sent)

    def settle(self):
        """Waits until all is worked off, and holds the failovers, the pulls and the deliveries to what was acknowledged."""
        books, daemon = self.books, self.daemon
        while books.unanswered or books.due:
            load = Load(books, self.port)
            load.run(most=max(1, len(books.unanswered)) + 8 * len(books.due))
            load.close()
        until("end of the work", lambda: daemon.query("""
            select not exists (select 1 from webhook_events where disposition = 'pending')
                and not exists (select 1 from failovers where state in ('pending', 'waiting')) as settled
            """)[0]["settled"], seconds=600)
        self.compare(everything=True)
        faults = []
        wrong = daemon.query("""
            select count(*) as count from webhook_events where svix_id is not null and disposition <>
                case when event_type = 'access_code.set_on_device' then 'ignored' else 'handled' end
            """)[0]["count"]
        if wrong:
            faults.append(f"{wrong} events with the wrong disposition")
        events = daemon.query("select count(*) as count, count(distinct event_id) as ids from webhook_events")[0]
        if events["count"] != events["ids"]:
            faults.append(f"{events['count'] - events['ids']} events twice")
        expected = {code: ("substituted", "pulled") for code in self.guests}
        strangers = {books.code(number) for number in range(books.sent) if books.is_stranger(number)}
        expected |= {code: ("not_needed", "code_deleted") for code in strangers}
        failovers = daemon.query("select access_code_id, state, reason from failovers")
        states = {row["access_code_id"]: (row["state"], row["reason"]) for row in failovers}
        for code, state in expected.items():
            if states.get(code) != state:
                faults.append(f"failover of {code}: {states.get(code)} instead of {state}")
        if len(states) != len(expected):
            faults.append(f"{len(states)} failovers instead of {len(expected)}")
        counters = self.sandbox.control("counters")
        if counters["backups_pulled"] != len(self.guests):
            faults.append(f"{counters['backups_pulled']} backups pulled for {len(self.guests)} codes")
        told = daemon.query("""
            select s.original_access_code_id as code, s.backup_access_code_id as backup, count(d.delivery_id) as deliveries
            from substitutions s left join deliveries d on d.substitution_id = s.substitution_id and d.kind = 'created'
            group by s.substitution_id
            """)
        for row in told:
            if row["deliveries"] != 1:
                faults.append(f"{row['deliveries']} deliveries for {row['code']}")
            if self.sandbox.code(row["code"])["pulled_backup_access_code_id"] != row["backup"]:
                faults.append(f"another backup than Seam's for {row['code']}")
        if {row["code"] for row in told} != set(self.guests):
            faults.append("substitutions and guests are not the same")
        if daemon.query("pragma integrity_check") != [{"integrity_check": "ok"}] or daemon.query("pragma foreign_key_check"):
            faults.append("the database is damaged")
        if faults:
            raise AssertionError("; ".join(faults[:10]))

    def close(self):
        for child in (self.daemon, self.sandbox):
            if child is not None:
                child.kill()


def ended(trial, chance, send, window=0.35):
    """A load during which `send` is called at a random moment from another thread. Returns the load, whose end came by itself or
    with the daemon's."""
    load = Load(trial.books, trial.port)
    moment = threading.Timer(chance.uniform(0.01, window), lambda: send(load))
    moment.start()
    load.run()
    moment.join()
    load.close()
    return load


def kill_round(trial, chance, window):
    kind = chance.random()
    if kind < 0.1:
        # While it opens the database, and before it listens.
        trial.daemon.start(wait=False)
        time.sleep(chance.uniform(0, 0.15))
        trial.daemon.kill()
    seconds = trial.start()
    trial.compare()
    trial.add_guests(GUESTS_EACH_ROUND)

    def send(_):
        if kind > 0.9:
            trial.daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0, 0.1))
        trial.daemon.kill()

    ended(trial, chance, send, window)
    return seconds


def term_round(trial, chance, window):
    trial.start()
    trial.compare()
    trial.add_guests(GUESTS_EACH_ROUND)
    ended(trial, chance, lambda _: trial.daemon.process.send_signal(signal.SIGTERM), window)
    status = trial.daemon.process.wait(timeout=15)
    if status != 0:
        raise AssertionError(f"exit status {status} after SIGTERM")
    stored = {row["svix_id"] for row in trial.daemon.query(
        "select svix_id from webhook_events where svix_id >= ?", trial.books.message_id(trial.compared))}
    unanswered = [number for number in trial.books.unanswered if trial.books.message_id(number) in stored]
    if unanswered:
        raise AssertionError(f"{len(unanswered)} messages were stored at SIGTERM and not answered")


def freeze_round(trial, chance, window):
    if not trial.daemon.is_running():
        trial.start()
    trial.add_guests(GUESTS_EACH_ROUND)
    refused = sum(trial.books.statuses.values()) - trial.books.statuses[204]

    def send(load):
        trial.daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0, 0.5))
        trial.daemon.process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
        load.stopped.set()

    load = ended(trial, chance, send, window)
    if load.lost or sum(trial.books.statuses.values()) - trial.books.statuses[204] != refused:
        raise AssertionError(f"{load.lost} connections lost, {trial.books.statuses}")
    trial.compare()


ROUNDS = {"kill": kill_round, "term": term_round, "freeze": freeze_round}
WORDS = {"kill": "kill -9 under load over 16 connections", "term": "SIGTERM under the same load",
         "freeze": "SIGSTOP and SIGCONT under the same load"}


def run_rounds(part, folder, options, report):
    trial = Trial(folder / part, report.chance.randrange(2**31))
    with contextlib.closing(trial):
        trial.daemon.kill()
        starts, rounds = [], 0
        end = time.monotonic() + options.minutes * 60
        while rounds < options.rounds or time.monotonic() < end or trial.books.count < options.acknowledged:
            starts.append((trial.books.count, ROUNDS[part](trial, report.chance, options.window)))
            rounds += 1
            progress(f"{part}: {rounds} rounds, {trial.books.count} acknowledged")
        if not trial.daemon.is_running():
            trial.start()
        trial.settle()
        figure = f"{rounds:,} rounds, {trial.books.count:,} acknowledged events, 0 lost; {len(trial.guests):,} pulls for " \
                 f"{len(trial.guests):,} failed codes"
        report.row(WORDS[part], figure)
        late = [seconds for count, seconds in starts if count >= 100_000 and seconds]
        if part == "kill" and late:
            report.row("start to the first 204 after those kills, from 100,000 events on",
                       f"median {statistics.median(late) * 1000:.0f} ms, worst {max(late) * 1000:.0f} ms of {len(late):,}")


def run_starts(folder, options, report):
    trial = Trial(folder / "start", report.chance.randrange(2**31))
    with contextlib.closing(trial):
        load = Load(trial.books, trial.port, connections=64)
        load.run(seconds=3600, most=options.stored - trial.books.count)
        load.close()
        until("end of the work", lambda: not trial.daemon.query(
            "select 1 from webhook_events where disposition = 'pending' limit 1"), seconds=600)
        times = []
        for number in range(options.rounds):
            if number % 2:
                trial.daemon.stop()
            else:
                ended(trial, report.chance, lambda _: trial.daemon.kill())
            times.append(trial.start())
        trial.settle()
        worst = max(times) * 1000
        report.row(f"start to the first 204 with {options.stored:,} events stored",
                   f"median {statistics.median(times) * 1000:.0f} ms, worst {worst:.0f} ms of {len(times)} starts",
                   worst < options.limit)


def main():
    parser = arguments(__doc__, 5, PARTS)
    parser.add_argument("--acknowledged", type=int, default=0, help="go on until so many events are acknowledged in each part (0)")
    parser.add_argument("--window", type=float, default=0.35, help="seconds of load within which the moment lies (0.35)")
    parser.add_argument("--stored", type=int, default=2000, help="events in the database for the part start (2000)")
    parser.add_argument("--limit", type=float, default=5000, help="milliseconds that a start may take (5000)")
    options = parser.parse_args()
    report = Report(options, PARTS)
    with scratch(options) as folder:
        report.each(options, lambda part: run_starts(folder, options, report) if part == "start"
                    else run_rounds(part, folder, options, report), WORDS)
    report.exit()


if __name__ == "__main__":
    main()
