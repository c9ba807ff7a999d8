"""The programs of Tests/Prove in their short form: whether they run, and whether they find what they are there to find."""

import asyncio
import contextlib
import json
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import pytest

from processes import ROOT, environment

PROVE = ROOT / "Tests/Prove"
sys.path.insert(0, str(PROVE))

import hostile  # noqa: E402
from disk import File  # noqa: E402
from kill import Trial  # noqa: E402
from promises import Load  # noqa: E402


def prove(program, *options):
    """Runs a program; returns its rows by what they are about."""
    run = subprocess.run(
        [sys.executable, str(PROVE / program), *map(str, options)], capture_output=True, text=True, timeout=300,
        env=environment())
    print(run.stdout, run.stderr)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert rows, "it has reported nothing"
    skipped = [row for row in rows if row["verdict"] == "skipped"]
    if len(skipped) == len(rows):
        pytest.skip(f"{program} {' '.join(map(str, options))}: {skipped[0]}")
    for row in skipped:
        warnings.warn(f"{program} has left something out: {row}", stacklevel=2)
    return run.returncode, rows


@pytest.mark.parametrize("options", [
    ("kill", "--rounds", 4), ("term", "freeze", "--rounds", 2), ("start", "--rounds", 2, "--stored", 500),
])
def test_ended_under_load(options):
    status, rows = prove("kill.py", *options)
    assert status == 0
    assert {row["verdict"] for row in rows} == {"holds"}


@pytest.mark.parametrize("change, found", [
    ("delete from webhook_events where inbox_id = 7", "1 acknowledged messages of .* are lost"),
    ("update webhook_events set body = replace(body, 'fff', 'fgf') where inbox_id = 9", "is not as it was sent"),
])
def test_what_is_lost_or_changed_is_found(tmp_path, change, found):
    trial = Trial(tmp_path / "trial", 1)
    with contextlib.closing(trial):
        load = Load(trial.books, trial.port, connections=1)
        load.run(most=50)
        load.close()
        trial.compare(everything=True)
        with contextlib.closing(sqlite3.connect(trial.daemon.database, timeout=30)) as database, database:
            database.execute(change)
        with pytest.raises(AssertionError, match=found):
            trial.compare(everything=True)


def test_answers_follow_their_sync():
    status, rows = prove("power.py", "order", "--rounds", 100)
    assert status == 0
    assert {row["verdict"] for row in rows} <= {"holds", "skipped"}


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_a_client_without_time_is_no_server_that_hangs(monkeypatch, says):
    """It looks what has come before it says so; who says nothing is found all the same."""
    monkeypatch.setattr(hostile, "HANGS", 0.2)
    is_asleep, is_over = threading.Event(), threading.Event()

    def serve(listening):
        connection, _ = listening.accept()
        with connection:
            while connection.recv(4096):
                pass
            is_asleep.wait(60)
            if says:
                connection.sendall(says)
            else:
                is_over.wait(60)

    def loop():
        """It is put to sleep once, after it has seen that nothing has come and before it sees that the time is over."""
        made = asyncio.new_event_loop()
        select = made._selector.select

        def slow_select(timeout=None):
            found = select(timeout)
            if not found and timeout and not is_asleep.is_set():
                is_asleep.set()
                time.sleep(0.5)
            return found

        made._selector.select = slow_select
        return made

    def told(port):
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(hostile.exchange(port, [b"GET / HTTP/1.1\r\n\r\n"]))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=[listening], daemon=True)
        server.start()
        try:
            if says:
                assert told(listening.getsockname()[1]) == says
            else:
                with pytest.raises(TimeoutError):
                    told(listening.getsockname()[1])
        finally:
            is_over.set()
            server.join()


def states_after_a_cut(durable, change):
    states = set()
    for seed in range(300):
        file = File(durable)
        file.pending = [change]
        states.add(file.after_power_cut(random.Random(seed)))
    return states


def test_a_file_that_was_emptied_is_whole_or_empty():
    """A part of a WAL that has been moved into the database would bring older pages back."""
    whole = bytes(range(1, 129)) * 256
    assert states_after_a_cut(whole, (0, None)) == {whole, b""}


def test_what_was_being_written_is_new_or_old_or_neither():
    states = states_after_a_cut(b"o" * 32_768, (4096, b"n" * 8192))
    assert {b"o" * 32_768, b"o" * 4096 + b"n" * 8192 + b"o" * 20_480} < states
    assert any(set(state) - set(b"on") for state in states)
    assert all(state[:4096] + state[12_288:] == b"o" * 24_576 for state in states)


def test_power_cut():
    """Also after a failed sync, and that the same cuts lose something with `synchronous=NORMAL`."""
    status, rows = prove("power.py", "cut", "sync", "weak", "--rounds", 4)
    assert status == 0
    assert [row["verdict"] for row in rows] == ["holds"] * 3


def test_faults_of_the_storage():
    status, rows = prove("storage.py", "nth", "lasting", "full", "vanished", "readonly", "corrupt", "--rounds", 4)
    assert status == 0
    assert {row["verdict"] for row in rows} <= {"holds", "skipped"}


def test_faults_of_the_machine():
    status, rows = prove("resources.py", "descriptors", "threads", "stderr", "clock")
    assert status == 0
    assert {row["verdict"] for row in rows} <= {"holds", "skipped"}


def test_nothing_damaged_is_believed():
    status, rows = prove("hostile.py", "mutations", "--rounds", 1000, "--seed", 5)
    assert status == 0, rows


@pytest.mark.parametrize("part", ["seam", "receiver"])
def test_a_fault_on_the_way_passes(part):
    status, rows = prove("network.py", part, "--only", "half an answer")
    assert status == 0, rows


def test_each_deliberate_fault_has_its_place():
    """A fault whose place has changed is put in nowhere, and the strength of the tests is measured without it."""
    from faults import FAULTS
    from strength import faulty

    for file in {fault.file for fault in FAULTS}:
        numbered = [(number, fault) for number, fault in enumerate(FAULTS) if fault.file == file]
        assert f"isFault({numbered[0][0]})" in faulty(file, (ROOT / file).read_text(), numbered)
