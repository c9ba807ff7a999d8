"""204 means on disk: seen from outside, in the system calls of the running daemon."""

import shutil
import subprocess
import threading
import uuid

import pytest
import requests

from processes import failure_event, sign, until
from system_calls import TRACED, check_trace

READ = '10 recvfrom(9<socket:[1]>, "POST /webhooks/seam HTTP/1.1\\r\\n"..., 65536, 0, NULL, NULL) = 700'
WRITE = '11 pwrite64(7</var/lib/s.db-wal>, "frame"..., 4096, 32) = 4096'
SYNC = "11 fdatasync(7</var/lib/s.db-wal>) = 0"
SEND = '10 sendto(9<socket:[1]>, "HTTP/1.1 204 No Content\\r\\n"..., 80, MSG_NOSIGNAL, NULL, 0) = 80'
SYNC_BEGINS = "11 fdatasync(7</var/lib/s.db-wal> <unfinished ...>"
SYNC_ENDS = "11 <... fdatasync resumed>) = 0"


@pytest.mark.parametrize("trace", [
    [READ, WRITE, SYNC, SEND],
    [READ, WRITE, SYNC_BEGINS, SYNC_ENDS, SEND],
    [READ, WRITE, SYNC, SEND, READ, WRITE, SYNC, SEND],
    ["10 recvfrom(9<socket:[1]>, <unfinished ...>", '10 <... recvfrom resumed>"POST"..., 65536, 0, NULL, NULL) = 7',
     WRITE, SYNC, SEND],
])
def test_the_checker_accepts(trace):
    assert check_trace(trace) == (sum("204" in line for line in trace), [])


@pytest.mark.parametrize("trace", [
    [READ, WRITE, SEND, SYNC],
    [READ, WRITE, SYNC_BEGINS, SEND, SYNC_ENDS],
    [READ, WRITE, SYNC_BEGINS, SEND],
    [WRITE, SYNC, READ, SEND],
    [WRITE, READ, SYNC, SEND],
    [SYNC_BEGINS, READ, WRITE, SYNC_ENDS, SEND],
    [READ, SYNC, WRITE, SEND],
    [READ, WRITE, SYNC.replace("= 0", "= -1 EIO (Input/output error)"), SEND],
    [READ, WRITE, SYNC.replace("s.db-wal", "s.db"), SEND],
    [READ, WRITE, SYNC, SEND, READ, SEND],
    [READ, WRITE, SYNC, "10 close(9<socket:[1]>) = 0", SEND],
    [SEND],
])
def test_the_checker_refuses(trace):
    _, faults = check_trace(trace)
    assert len(faults) == 1


@pytest.fixture
def strace(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trial = subprocess.run(["strace", "-f", "-o", tmp_path / "trial", "true"], capture_output=True, text=True)
    if trial.returncode != 0:
        pytest.skip(f"ptrace is not permitted here: {trial.stderr.strip()}")
    return tmp_path / "trace"


@pytest.mark.parametrize("senders, each", [(1, 40), (16, 12)])
def test_no_204_before_the_sync(make_daemon, strace, senders, each):
    daemon = make_daemon()
    # -D: the daemon is this test's child, the tracer is not.
    daemon.wrapper = ["strace", "-D", "-f", "-y", "-s", "32", "-e", TRACED, "-e", "signal=none", "-o", str(strace), "--"]
    daemon.start()
    statuses = []

    def send():
        session = requests.Session()
        for _ in range(each):
            headers, body = sign(failure_event(str(uuid.uuid4()), str(uuid.uuid4())))
            statuses.append(session.post(daemon.url, data=body, headers=headers, timeout=30).status_code)

    threads = [threading.Thread(target=send) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * (senders * each)
    assert daemon.stop() == 0
    lines = until("whole trace", lambda: (found := strace.read_text().splitlines()) and "exited with" in found[-1] and found)
    count, faults = check_trace(lines)
    assert faults == []
    assert count == senders * each
    # The same trace without its syncs must be found out: the check reads what the daemon really does.
    _, faults = check_trace([line for line in lines if "fdatasync" not in line and "fsync" not in line])
    assert len(faults) == senders * each
