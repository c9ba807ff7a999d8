"""What a power cut leaves. `kill -9` keeps what the kernel has not written yet, so it proves too little.

order   in the system calls of the running daemon (strace), plain and TLS: each of ROUNDS answers follows a sync of the WAL that
        began after the page with its message was written
cut     ROUNDS power cuts under load: the files are laid anew from what was synced and any part of the rest, torn in the middle of
        sectors as well; what was acknowledged is there, once, as it was sent
sync    the same where a sync fails before the power does, and the kernel drops what it could not write
weak    the same as cut with `synchronous=NORMAL`: has to be found out
"""

import contextlib
import re
import signal
import ssl
import subprocess
import threading
import time

from report import Report, arguments, progress, scratch

from certificates import Certificates
from disk import Disk, SYNC, Volume, build
from kill import GUESTS_EACH_ROUND, Trial
from promises import Books, Load
from processes import Daemon, until
from system_calls import read_trace

PARTS = ("order", "cut", "sync", "weak")
TRACED = "trace=recvfrom,recvmsg,sendto,sendmsg,pwrite64,fdatasync,fsync"
PORT = re.compile(r"->127\.0\.0\.1:(\d+)\]")
MESSAGE = re.compile(r"msg_[0-9a-f]{27}")


def check_order(lines, books, acknowledged):
    """`acknowledged`: the messages that were answered with 204, by the sender's port and in order. Returns what is wrong."""
    calls = read_trace(lines)
    first_write, syncs, answers = {}, [], {port: [] for port in acknowledged}
    for call in calls:
        if call.name == "pwrite64" and call.path.endswith("-wal"):
            for message_id in MESSAGE.findall(call.arguments):
                first_write.setdefault(message_id, call)
        elif call.name in ("fdatasync", "fsync") and call.path.endswith("-wal"):
            if call.result == 0 and call.ended >= 0:
                syncs.append(call)
        elif call.name in ("sendto", "sendmsg"):
            # TLS 1.2 shows what is an answer: a record of type 23.
            if '"HTTP/1.1 204' in call.arguments or '"\\27\\3\\3' in call.arguments:
                port = PORT.search(call.path)
                if port and int(port[1]) in answers:
                    answers[int(port[1])].append(call)
    faults = []
    for port, numbers in acknowledged.items():
        if len(answers[port]) != len(numbers):
            faults.append(f"{len(answers[port])} answers in the trace instead of {len(numbers)}")
            continue
        for number, answer in zip(numbers, answers[port]):
            write = first_write.get(books.message_id(number))
            if write is None:
                faults.append(f"{books.message_id(number)} was never written")
            elif not any(write.ended < sync.began and sync.ended < answer.began for sync in syncs):
                faults.append(f"{books.message_id(number)} was answered before it was synced")
    return faults


def run_order(folder, options, report):
    certificates = Certificates(folder / "certificates")
    certificate, key = certificates.make("server")
    context = ssl.create_default_context(cafile=str(certificates.root))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    trial = subprocess.run(["strace", "-o", folder / "trial", "true"], capture_output=True, text=True)
    if trial.returncode != 0:
        report.skip("each answer follows the sync that covers it", trial.stderr.strip())
        return
    for name, settings, tls in [
        ("plain", {}, None),
        ("TLS", {"listen.tls.certificate_file": str(certificate), "listen.tls.private_key_file": str(key)}, context),
    ]:
        home = folder / name
        home.mkdir()
        trace = home / "trace"
        books = Books(report.chance.randrange(2**31))
        daemon = Daemon(home, **settings)
        # -D: the daemon is this program's child, the tracer is not.
        daemon.wrapper = ["strace", "-D", "-f", "-yy", "-s", "4200", "-e", TRACED, "-e", "signal=none", "-o", str(trace), "--"]
        daemon.start()
        load = Load(books, daemon.port, context=tls)
        load.run(seconds=600, most=options.rounds)
        load.close()
        status = daemon.stop(seconds=60)
        lines = until("whole trace", lambda: (found := trace.read_text().splitlines()) and "exited with" in found[-1] and found)
        acknowledged = {connection.local_port: connection.acknowledged for connection in load.connections}
        faults = check_order(lines, books, acknowledged)
        # The same trace without its syncs has to be found out.
        without = check_order([line for line in lines if "sync(" not in line], books, acknowledged)
        whole = status == 0 and books.count == sum(map(len, acknowledged.values())) >= options.rounds
        report.row(f"each answer follows the sync that covers it, {name} (strace)",
                   faults[0] if faults else f"{books.count:,} answers over 16 connections, {len(without):,} faults found without the syncs",
                   whole and not faults and len(without) == books.count)


class Cut:
    """A trial whose daemon's disk tells what it does, and loses its power."""

    def __init__(self, folder, library, chance, weak=False):
        self.chance = chance
        self.disk = None

        def prepare(daemon):
            self.disk = Disk(library, daemon, weak=weak)
            daemon.secrets.update(self.disk.variables)
            self.volume = Volume(folder, daemon.database.name)

        self.trial = Trial(folder, chance.randrange(2**31), prepare)

    def power(self):
        """The daemon is dead; so is now what it had not synced."""
        self.volume.replay(self.disk.log.read_bytes())
        self.volume.cut_power(self.chance)
        self.restart_records()

    def restart_records(self):
        self.disk.log.write_bytes(b"")
        self.volume = Volume(self.trial.daemon.folder, self.trial.daemon.database.name)

    def round(self, fails_sync=False):
        trial, chance = self.trial, self.chance
        self.disk.mend()
        if chance.random() < 0.15:
            trial.daemon.start(wait=False)
            time.sleep(chance.uniform(0, 0.2))
            trial.daemon.kill()
            self.power()
        trial.start()
        trial.compare()
        trial.add_guests(GUESTS_EACH_ROUND)
        load = Load(trial.books, trial.port)
        stops = chance.random() < 0.15

        def end():
            if fails_sync:
                # One sync, of the WAL or of the database, with what comes after it.
                self.disk.fail("EIO", first=chance.randint(1, 5), count=chance.choice([1, 1, 2]), kinds=SYNC)
                time.sleep(chance.uniform(0.02, 0.3))
            if stops:
                trial.daemon.process.send_signal(signal.SIGTERM)
                time.sleep(chance.uniform(0, 0.1))
            trial.daemon.kill()

        moment = threading.Timer(chance.uniform(0.02, 0.4), end)
        moment.start()
        load.pause = 0.002
        load.run()
        moment.join()
        load.close()
        self.power()


def run_cuts(part, folder, library, options, report):
    words = {
        "cut": "power cut under load", "sync": "failed sync, then power cut, under load",
        "weak": "the same power cuts with synchronous=NORMAL have to lose something",
    }[part]
    rounds = count = guests = world = 0
    failed_syncs = 0
    end = time.monotonic() + options.minutes * 60
    loss = None
    # Not every cut falls where something was acknowledged and not yet synced.
    most = max(25, options.rounds) if part == "weak" else options.rounds
    while loss is None and (rounds < most or (part != "weak" and time.monotonic() < end)):
        # A database of its own now and then: its creation is cut as well.
        world += 1
        cut = Cut(folder / f"{part}-{world}", library, report.chance, weak=part == "weak")
        with contextlib.closing(cut.trial):
            try:
                cut.trial.daemon.kill()
                cut.power()
                for _ in range(max(1, min(20, most - rounds))):
                    cut.round(fails_sync=part == "sync")
                    failed_syncs += cut.disk["failed"]
                    rounds += 1
                    progress(f"{part}: {rounds} rounds, {count + cut.trial.books.count} acknowledged")
                cut.disk.mend()
                cut.trial.start()
                cut.trial.settle()
            except AssertionError as failure:
                loss = str(failure)
                if part != "weak":
                    raise
        count += cut.trial.books.count
        guests += len(cut.trial.guests)
    if part == "weak":
        report.row(words, f"found in round {rounds + 1}: {loss}" if loss else f"not found in {rounds} rounds",
                   loss is not None and "lost" in loss)
        return
    figure = f"{rounds:,} cuts, {count:,} acknowledged events, 0 lost; {guests:,} pulls for {guests:,} failed codes"
    if part == "sync":
        figure += f"; {failed_syncs:,} failed syncs"
    report.row(words, figure, part != "sync" or failed_syncs > 0)


def main():
    options = arguments(__doc__, 5, PARTS).parse_args()
    report = Report(options, PARTS)
    with scratch(options) as folder:
        library = build(folder)
        report.each(options, lambda part: run_order(folder, options, report) if part == "order"
                    else run_cuts(part, folder, library, options, report))
    report.exit()


if __name__ == "__main__":
    main()
