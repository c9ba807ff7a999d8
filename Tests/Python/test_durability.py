"""What was acknowledged is kept, and no original gets a second backup, however and whenever the daemon ends."""

import itertools
import random
import shutil
import signal
import socket
import sqlite3
import threading
import time
import uuid

import pytest
import requests

from processes import (
    PATIENCE, failure_event, post, raw_request, read_answer, sign, unread_bytes, until,
)

EVERYTHING_SETTLED = """
    select not exists (select 1 from webhook_events where disposition = 'pending')
        and not exists (select 1 from failovers where state in ('pending', 'waiting')) as settled
"""


def test_killed_between_pull_and_record(sandbox, make_daemon):
    device_id = sandbox.device(pool_size=2)
    code_id = sandbox.failed_code(device_id)
    # The backup leaves the pool at once, its answer takes longer than the daemon lives.
    sandbox.control("faults/add", kind="delay", seconds=300, route="/access_codes/pull_backup_access_code")
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    assert post(daemon.url, failure_event(code_id, device_id)).status_code == 204
    until("pull", lambda: sandbox.pulls(code_id) == 1)
    daemon.kill()
    assert daemon.query("select * from substitutions") == []
    backup_id = until("backup", lambda: sandbox.code(code_id)["pulled_backup_access_code_id"])

    sandbox.control("faults/clear")
    daemon.start()
    (row,) = until("substitution", daemon.substituted)
    assert row["backup_access_code_id"] == backup_id
    assert row["backup_code"] == sandbox.code(backup_id)["code"]
    (failover,) = daemon.query("select state, reason from failovers")
    assert failover == {"state": "substituted", "reason": "pulled"}
    assert sandbox.control("counters")["backups_pulled"] == 1


@pytest.mark.parametrize("route", ["/access_codes/get", "/devices/get", "/access_codes/pull_backup_access_code"])
def test_killed_while_seam_is_asked(sandbox, make_daemon, route):
    """At each call that a failover makes, before Seam has done anything."""
    device_id = sandbox.device(pool_size=2)
    code_id = sandbox.failed_code(device_id)
    sandbox.control("faults/add", kind="timeout", route=route, count=0)
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    before = sandbox.control("counters")["requests"].get(route, 0)
    assert post(daemon.url, failure_event(code_id, device_id)).status_code == 204
    until(route, lambda: sandbox.control("counters")["requests"].get(route, 0) > before)
    daemon.kill()
    sandbox.control("faults/clear")
    daemon.start()
    until("substitution", daemon.substituted)
    assert sandbox.control("counters")["backups_pulled"] == 1


def test_killed_right_after_the_acknowledgement(sandbox, make_daemon):
    """Before anything has looked at the event, most of the time."""
    device_id = sandbox.device(pool_size=10)
    daemon = make_daemon(sandbox_url=sandbox.url)
    # Only the webhook tells of the failure: a sweep that finds it would hide a lost one.
    for route in ("/events/list", "/access_codes/list"):
        sandbox.control("faults/add", kind="server_error", route=route, count=0)
    codes = [sandbox.failed_code(device_id) for _ in range(8)]
    for code_id in codes:
        daemon.start()
        connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE)
        connection.sendall(raw_request(daemon.port, *sign(failure_event(code_id, device_id))))
        assert connection.recv(12) == b"HTTP/1.1 204"
        daemon.kill()
    daemon.start()
    rows = until("substitutions", lambda: daemon.substituted(len(codes)))
    assert {row["original_access_code_id"] for row in rows} == set(codes)
    assert sandbox.control("counters")["backups_pulled"] == len(codes)


def test_locks_are_read_again_soon_after_a_failure(sandbox, make_daemon):
    device_id = sandbox.device()
    sandbox.control("faults/add", kind="server_error", route="/devices/list")
    daemon = make_daemon(sandbox_url=sandbox.url, **{"reconcile.interval": "1h"}).start()
    until("the lock", lambda: daemon.query("select 1 from devices where device_id = ?", device_id))
    assert daemon.says("The locks could not be read")


class Sender(threading.Thread):
    """Sends each event until it is acknowledged, as Svix does; what it was promised is in `acknowledged`."""

    def __init__(self, url, events):
        super().__init__(daemon=True)
        self.url = url
        self.events = events
        self.acknowledged = []
        self.stopped = threading.Event()

    def run(self):
        session = requests.Session()
        for event in self.events:
            message_id = f"msg_{uuid.uuid4().hex[:27]}"
            while not self.stopped.is_set():
                headers, body = sign(event, message_id=message_id)
                try:
                    answer = session.post(self.url, data=body, headers=headers, timeout=PATIENCE)
                except requests.RequestException:
                    time.sleep(0.005)
                    continue
                if answer.status_code == 204:
                    self.acknowledged.append((message_id, event["event_id"]))
                    break
            if self.stopped.is_set():
                return


def test_killed_twenty_times_under_load(sandbox, make_daemon):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    device_ids = [sandbox.device(pool_size=20) for _ in range(3)]
    code_ids = {sandbox.failed_code(device_ids[number % 3]): device_ids[number % 3] for number in range(24)}
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    daemon.keep_ports()
    codes = itertools.cycle(list(code_ids.items()))
    lock = threading.Lock()

    def endless():
        while True:
            with lock:
                pair = next(codes)
            yield failure_event(*pair)

    senders = [Sender(daemon.url, endless()) for _ in range(4)]
    for sender in senders:
        sender.start()
    for _ in range(20):
        reached = sum(len(sender.acknowledged) for sender in senders)
        until("acknowledgement", lambda: sum(len(sender.acknowledged) for sender in senders) > reached)
        time.sleep(chance.uniform(0, 0.15))
        daemon.kill()
        daemon.start()
    for sender in senders:
        sender.stopped.set()
    for sender in senders:
        sender.join(PATIENCE)
    acknowledged = [pair for sender in senders for pair in sender.acknowledged]
    assert len(acknowledged) >= 20

    until("end of the work", lambda: daemon.query(EVERYTHING_SETTLED)[0]["settled"])
    stored = {row["svix_id"]: row for row in daemon.query("select svix_id, event_id, disposition from webhook_events")}
    for message_id, event_id in acknowledged:
        assert stored[message_id]["event_id"] == event_id
    assert {row["disposition"] for row in stored.values()} <= {"handled", "ignored", "duplicate"}
    rows = daemon.query("select * from substitutions")
    originals = [row["original_access_code_id"] for row in rows]
    assert set(originals) == set(code_ids)
    assert len(originals) == len(code_ids) == len({row["backup_access_code_id"] for row in rows})
    assert sandbox.control("counters")["backups_pulled"] == len(code_ids)
    for row in rows:
        assert sandbox.code(row["original_access_code_id"])["pulled_backup_access_code_id"] == row["backup_access_code_id"]
    assert daemon.query("pragma integrity_check") == [{"integrity_check": "ok"}]
    assert daemon.query("pragma foreign_key_check") == []


def test_stop_answers_what_was_read(make_daemon):
    """With the commit held up, so that requests are read and unanswered at the moment of SIGTERM."""
    daemon = make_daemon().start()
    writer = sqlite3.connect(daemon.database, isolation_level=None)
    writer.execute("begin immediate")
    connections = {}
    for number in range(20):
        connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE)
        headers, body = sign(failure_event(str(uuid.uuid4()), str(uuid.uuid4())))
        connection.sendall(raw_request(daemon.port, headers, body))
        connections[headers["svix-id"]] = connection
    for connection in connections.values():
        local = connection.getsockname()[1]
        until("read request", lambda: unread_bytes(daemon.port, local) == 0)
    daemon.process.send_signal(signal.SIGTERM)
    until("word that it stops", lambda: daemon.says("Stopping"))
    assert daemon.is_running()
    writer.execute("rollback")
    writer.close()
    assert [read_answer(connection) for connection in connections.values()] == [204] * len(connections)
    assert daemon.process.wait(timeout=10) == 0
    stored = {row["svix_id"] for row in daemon.query("select svix_id from webhook_events")}
    assert stored == set(connections)


def test_stop_under_load(make_daemon):
    daemon = make_daemon().start()
    acknowledged, other, lock = set(), [], threading.Lock()

    def send():
        connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE)
        while True:
            headers, body = sign(failure_event(str(uuid.uuid4()), str(uuid.uuid4())))
            try:
                connection.sendall(raw_request(daemon.port, headers, body))
            except ConnectionError:
                return
            status = read_answer(connection)
            if status is None:
                return
            with lock:
                if status == 204:
                    acknowledged.add(headers["svix-id"])
                else:
                    other.append(status)
                    return

    threads = [threading.Thread(target=send, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    until("load", lambda: len(acknowledged) > 100)
    assert daemon.stop(seconds=10) == 0
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert other == []
    # Nothing is left to recover: the WAL is in the database.
    wal = daemon.database.with_name("sparekey.db-wal")
    assert not wal.exists() or wal.stat().st_size == 0
    assert not any(line["level"] in ("error", "critical") for line in daemon.log())
    # Each message was sent once: what is stored but was not answered would be a request that was read and dropped.
    stored = {row["svix_id"] for row in daemon.query("select svix_id from webhook_events")}
    assert stored == acknowledged


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_stop_with_nothing_to_do(make_daemon, sent):
    daemon = make_daemon().start()
    idle = socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE)
    assert daemon.stop(sent, seconds=10) == 0
    assert idle.recv(1) == b""


def test_a_backup_put_back_under_a_daemon_that_runs(make_daemon, tmp_path):
    """As where a webhook has started it amid the restore: the restored database does not get the WAL of the one in between."""
    daemon = make_daemon().start()
    kept, lost, new = (f"msg_{uuid.uuid4().hex[:27]}" for _ in range(3))
    event = failure_event("code", "device")
    assert post(daemon.url, event, message_id=kept).status_code == 204
    assert daemon.stop() == 0
    copy = tmp_path / "copy.db"
    shutil.move(daemon.database, copy)
    daemon.start()
    assert post(daemon.url, failure_event("other", "device"), message_id=lost).status_code == 204
    # As `install` does it.
    daemon.database.unlink()
    shutil.copy(copy, daemon.database)
    until("204", lambda: post(daemon.url, failure_event("new", "device"), message_id=new).status_code == 204)
    assert daemon.stop() == 0
    assert daemon.query("pragma integrity_check") == [{"integrity_check": "ok"}]
    assert {row["svix_id"] for row in daemon.query("select svix_id from webhook_events where svix_id is not null")} == {kept, new}
    (line,) = [line for line in daemon.log() if line["message"].startswith("The database was replaced while it was open")]
    assert line["file"] == f"{daemon.database}-wal.former" and line["level"] == "error"
