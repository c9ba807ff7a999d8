"""What systemd does for a service, for machines without it: holds its sockets, hears its notifications, watches it.

The protocols are systemd's own, over real sockets: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).
"""

import fcntl
import os
import select
import signal
import socket
import sys
import time

from processes import PATIENCE, binary, environment, until

# The descriptors come first, from 3; LISTEN_PID is the process's own, which only it knows.
START = """
import os, sys
count = int(os.environ["LISTEN_FDS"])
for index, given in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(given, 3 + index)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    """Runs a `processes.Daemon` as a unit with the given sockets, a name for each."""

    def __init__(self, folder, daemon, watchdog_seconds=None, **sockets):
        self.daemon = daemon
        self.sockets = sockets
        self.watchdog_seconds = watchdog_seconds
        self.path = folder / "notify"
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(self.path))
        # Every assignment since the start, in order: ("READY", "1").
        self.heard = []
        self.fed_at = None

    def close(self):
        self.notified.close()
        for listening in self.sockets.values():
            listening.close()

    def start(self):
        """Starts the daemon and returns once it has said that it is ready."""
        self.heard = []
        self.drain()
        self.daemon.write_config()
        # Descriptors well above those that they become, so that none is overwritten before it is copied.
        given = [os.dup(listening.fileno()) for listening in self.sockets.values()]
        high = [self._above(descriptor, 100) for descriptor in given]
        variables = {
            "NOTIFY_SOCKET": str(self.path), "LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": ":".join(self.sockets),
        }
        if self.watchdog_seconds:
            variables["WATCHDOG_USEC"] = str(int(self.watchdog_seconds * 1_000_000))
        try:
            offset = self.daemon.stderr.stat().st_size if self.daemon.stderr.exists() else 0
            self.daemon.spawn(
                [sys.executable, "-c", START, ",".join(map(str, high)), binary(), "serve", "--config", str(self.daemon.config)],
                environment(**self.daemon.secrets, **variables), pass_fds=high,
            )
        finally:
            for descriptor in high:
                os.close(descriptor)
        self.wait_for("READY")
        self.fed_at = time.monotonic()
        until("address", lambda: self.daemon._is_ready(offset))
        return self

    @staticmethod
    def _above(descriptor, least):
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
        os.close(descriptor)
        return high

    def drain(self, seconds=0):
        """Hears what has come, or what comes first within `seconds`."""
        while select.select([self.notified], [], [], seconds)[0]:
            for line in self.notified.recv(8192).decode().split("\n"):
                name, _, value = line.partition("=")
                self.heard.append((name, value))
                if name == "WATCHDOG":
                    self.fed_at = time.monotonic()
            seconds = 0

    def count(self, name):
        self.drain()
        return sum(heard == name for heard, _ in self.heard)

    def status(self):
        self.drain()
        return [value for name, value in self.heard if name == "STATUS"][-1]

    def wait_for(self, name, times=1):
        def heard():
            if not self.daemon.is_running():
                raise AssertionError(f"the daemon ended: {self.daemon.output()}")
            return self.count(name) >= times

        until(name, heard)

    def restart(self):
        assert self.daemon.stop(signal.SIGTERM) == 0
        self.start()

    def watch(self):
        """Waits until the watchdog's time is up, kills the daemon as systemd would, and starts it again."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() - self.fed_at < self.watchdog_seconds:
            assert time.monotonic() < deadline, "the watchdog is fed all the time"
            self.drain(0.05)
        self.daemon.kill()
        self.start()
