"""What an operator does at a terminal while the daemon runs."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import termios
import threading

import pytest

from processes import API_KEY, ROOT, binary, environment, failure_event, post, run, until


def sparekey(daemon, *arguments, **env):
    return run(*arguments, "--config", daemon.config, env=environment(**env))


def waiting_failover(sandbox, daemon):
    """A guest whose lock has no backup code; the next look is far away."""
    device = sandbox.device()
    sandbox.control("pool/empty", device_id=device, refills=False)
    code = sandbox.failed_code(device)
    assert post(daemon.url, failure_event(code, device)).status_code == 204
    until("failover that waits", lambda: daemon.query("select 1 from failovers where state = 'waiting'"))
    return device, code


def state(daemon, code):
    return daemon.query("select state from failovers where access_code_id = ?", code)[0]["state"]


def patient_daemon(sandbox, make_daemon):
    return make_daemon(
        sandbox_url=sandbox.url,
        **{"failover.retry_initial": "1h", "failover.retry_max": "1h", "reconcile.interval": "1h",
           "reconcile.state_interval": "1h"},
    ).start()


def test_a_retry_is_done_by_the_daemon_that_runs(sandbox, make_daemon):
    daemon = patient_daemon(sandbox, make_daemon)
    device, code = waiting_failover(sandbox, daemon)
    sandbox.control("pool/refill", device_id=device)
    trial = sparekey(daemon, "failovers", "retry", "--state", "waiting", "--dry-run")
    assert trial.returncode == 0 and state(daemon, code) == "waiting"
    assert sparekey(daemon, "failovers", "retry", code).returncode == 0
    until("substitution", daemon.substituted)
    assert sandbox.pulls(code) == 1
    kinds = [row["kind"] for row in daemon.query("select kind from journal where access_code_id = ?", code)]
    assert "failover.retried" in kinds and kinds.index("failover.retried") < kinds.index("substitution.recorded")


def test_what_is_cancelled_is_not_pulled_for(sandbox, make_daemon):
    daemon = patient_daemon(sandbox, make_daemon)
    device, code = waiting_failover(sandbox, daemon)
    cancelled = sparekey(daemon, "failovers", "cancel", code, "--format", "json")
    assert [row["action"] for row in json.loads(cancelled.stdout)] == ["cancelled"]
    sandbox.control("pool/refill", device_id=device)
    # Another guest of the same lock is served: the daemon has looked at that lock since.
    other = sandbox.failed_code(device)
    assert post(daemon.url, failure_event(other, device)).status_code == 204
    until("the other's substitution", daemon.substituted)
    assert state(daemon, code) == "cancelled" and sandbox.pulls(code) == 0
    assert sparekey(daemon, "failovers", "retry", code).returncode == 0
    until("its substitution after all", lambda: daemon.substituted(2))


def test_a_code_activates_its_locks_pool(sandbox, make_daemon):
    daemon = make_daemon(sandbox_url=sandbox.url)
    daemon.write_config()
    device = sandbox.device()

    def create(starts_at, ends_at, lock=device):
        return sparekey(daemon, "codes", "create", "--device", lock, "--name", "Ada", "--starts-at", starts_at, "--ends-at", ends_at,
                        SPAREKEY_SEAM_API_KEY=API_KEY)

    made = create("2031-01-10T15:00+01:00", "2031-01-12T11:00:30-05:00")
    assert made.returncode == 0, made.stderr
    code = json.loads(made.stdout)
    # A contract: whoever changes a name breaks somebody's script.
    assert set(code) == {"access_code_id", "device_id", "name", "starts_at", "ends_at", "is_backup_access_code_available"}
    assert (code["device_id"], code["name"]) == (device, "Ada")
    assert (code["starts_at"], code["ends_at"]) == ("2031-01-10T14:00:00.000Z", "2031-01-12T16:00:30.000Z")
    at_seam = sandbox.code(code["access_code_id"])
    assert at_seam["type"] == "time_bound" and at_seam["starts_at"] == code["starts_at"]

    for starts_at, ends_at, words in (
        ("2031-01-10T15:00", "2031-01-12T11:00Z", "no offset from UTC"),
        ("2031-01-10", "2031-01-12T11:00Z", "no offset from UTC"),
        ("tomorrow", "2031-01-12T11:00Z", "no time such as"),
        ("24h", "2031-01-12T11:00Z", "no time such as"),
        ("2031-01-12T12:00+01:00", "2031-01-12T11:00Z", "before --ends-at"),
        ("2021-01-10T15:00Z", "2021-01-12T11:00Z", "has passed"),
    ):
        refused = create(starts_at, ends_at)
        assert refused.returncode == 64 and words in refused.stderr, (starts_at, refused.stderr)
    unknown = create("2031-01-10T15:00Z", "2031-01-12T11:00Z", lock="00000000-0000-4000-8000-000000000000")
    assert unknown.returncode == 1 and "404" in unknown.stderr
    # A lock's name is its owner's.
    poolless = create(
        "2031-01-10T15:00Z", "2031-01-12T11:00Z", lock=sandbox.device(name="\x1b[31mSalto", supports_backup_access_code_pool=False))
    assert poolless.returncode == 1 and "\\u{1B}[31mSalto does not support" in poolless.stderr, poolless.stderr


def test_a_backup_while_the_daemon_writes(sandbox, make_daemon, tmp_path):
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    done = threading.Event()
    sent = []

    def write():
        while not done.is_set():
            assert post(daemon.url, {"event_id": f"e{len(sent)}", "event_type": "lock.locked"}).status_code == 204
            sent.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until("some events", lambda: len(sent) > 20)
        for number in range(3):
            before = len(sent)
            file = tmp_path / f"copy-{number}.db"
            made = sparekey(daemon, "backup", file, "--json")
            assert made.returncode == 0, made.stderr
            assert file.stat().st_mode & 0o777 == 0o600
            with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
                assert copy.execute("pragma integrity_check").fetchall() == [("ok",)]
                count = copy.execute("select count(*) from webhook_events").fetchone()[0]
            assert before <= count <= len(sent) + 1
            assert json.loads(made.stdout)["webhook_events"] == count
    finally:
        done.set()
        writer.join()
    assert sorted(path.name for path in tmp_path.glob("copy-*")) == ["copy-0.db", "copy-1.db", "copy-2.db"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backup_leaves_nothing(daemon_with_much, tmp_path, number):
    """What it has copied so far holds PINs."""
    process = subprocess.Popen(
        [binary(), "backup", tmp_path / "copy.db", "--config", daemon_with_much.config], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("copy.db.partial-*")):
        assert process.poll() is None, "it has ended before its first page"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert list(tmp_path.glob("copy.db*")) == []


@pytest.fixture
def daemon_with_much(make_daemon):
    """So much that no copy of it is done before somebody can interrupt."""
    daemon = make_daemon().start()
    daemon.stop()
    with contextlib.closing(sqlite3.connect(daemon.database)) as database, database:
        database.execute("""
            with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000)
            insert into webhook_events (source, received_at, disposition, body)
            select 'sweep', '2026-11-20T16:20:00.000Z', 'ignored', zeroblob(4000) from n
            """)
    return daemon


def test_output_that_does_not_wait_is_whole(sandbox, make_daemon):
    """Whoever has the other end of a pipe may have made it one that does not wait."""
    daemon = patient_daemon(sandbox, make_daemon)
    for _ in range(60):
        code = sandbox.failed_code(sandbox.device())
        assert post(daemon.url, failure_event(code, "lock")).status_code == 204
    until("failovers", lambda: len(daemon.query("select 1 from failovers")) == 60)
    readable, writable = os.pipe()
    fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writable, False)
    process = subprocess.Popen(
        [binary(), "log", "--format", "json", "--config", daemon.config], env=environment(), stdout=writable)
    os.close(writable)
    # It writes until the pipe is full, and has more.
    until("a full pipe", lambda: len(fcntl.ioctl(readable, termios.FIONREAD, bytes(4))) == 4
          and struct.unpack("i", fcntl.ioctl(readable, termios.FIONREAD, bytes(4)))[0] == 4096)
    with os.fdopen(readable) as output:
        assert len(json.load(output)) == 60
    assert process.wait(timeout=60) == 0


def at_terminal(*arguments, **env):
    """Runs it with a terminal of 80 columns for output and diagnostics, and gives what that shows."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [binary(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
        env=environment(**env))
    os.close(terminal)
    shown = b""
    while True:
        try:
            assert select.select([controller], [], [], 60)[0], "it says nothing more"
            more = os.read(controller, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(controller)
    process.wait(timeout=60)
    return shown.decode().replace("\r\n", "\n")


def test_colour_and_progress_are_for_terminals(sandbox, make_daemon, tmp_path):
    daemon = patient_daemon(sandbox, make_daemon)
    waiting_failover(sandbox, daemon)
    colour = "\x1b[33mwaiting\x1b[0m"
    for command in (["log"], ["failovers", "list"]):
        shown = at_terminal(*command, "--config", daemon.config)
        assert colour in shown
        plain = at_terminal(*command, "--config", daemon.config, NO_COLOR="1")
        assert "waiting" in plain and "\x1b" not in plain
        assert all(len(line) <= 80 for line in plain.splitlines()), plain
        assert "\x1b" not in at_terminal(*command, "--config", daemon.config, TERM="dumb")
        assert "\x1b" not in sparekey(daemon, *command).stdout
    shown = at_terminal("backup", tmp_path / "copy.db", "--config", daemon.config)
    # The line of progress is gone before the result stands there.
    assert "\rCopying: 100 %" in shown and "\r\x1b[K" in shown.rpartition("copy.db: ")[0]
    assert sparekey(daemon, "backup", tmp_path / "other.db").stderr == ""
    checked = at_terminal("check", "--config", daemon.config, **daemon.secrets)
    assert "\rLooking at the clock" in checked and "\x1b[31merror\x1b[0m" in checked


def test_each_event_of_an_access_code_may_be_a_trigger(make_daemon):
    """As Seam's API document has them; `log` finds no database, and nothing wrong with the configuration."""
    types = sorted(set(re.findall(r'"(access_code\.[a-z_]+)"', ROOT.joinpath("Tests/Python/openapi.json").read_text())))
    assert "access_code.failed_to_issue" in types and len(types) > 20
    daemon = make_daemon(**{"failover.trigger_events": types})
    daemon.write_config()
    told = sparekey(daemon, "log")
    assert told.returncode == 1 and "no database yet" in told.stderr, told.stderr
