"""A Debian 12 of its own with systemd as its first process, in a container without a network but its own loopback."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import uuid

from processes import until

BOOT_SECONDS = 60
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """Why no systemd can be booted on this machine."""


def base_root(folder):
    """A clean Debian 12 that can boot, made once and kept."""
    for tool in ("debootstrap", "systemd-nspawn", "nsenter"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed")
    if os.geteuid() != 0:
        raise Unavailable("only root may boot a container")
    root = folder / "debian-12"
    if not root.joinpath("etc/debian_version").exists():
        unfinished = folder / f"debian-12.{uuid.uuid4().hex[:8]}"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=systemd-sysv", "bookworm", str(unfinished),
             os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")],
            capture_output=True, text=True, timeout=900,
        )
        if made.returncode != 0:
            raise Unavailable(f"debootstrap failed: {made.stdout[-500:]}")
        unfinished.rename(root)
    return root


class Container:
    def __init__(self, base, folder):
        self.name = f"sparekey-{uuid.uuid4().hex[:8]}"
        self.root = folder / self.name
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.root)], check=True)
        self.process = None
        self.leader = None
        self.log = folder / f"{self.name}.log"

    def path(self, name):
        return self.root / name.lstrip("/")

    def command(self, script):
        """Before it is booted, with the network of this machine."""
        result = subprocess.run(
            ["systemd-nspawn", "-q", "-D", str(self.root), f"--machine={self.name}", "--register=no", "--keep-unit",
             "--resolv-conf=copy-host", "--setenv=DEBIAN_FRONTEND=noninteractive", "--pipe", "bash", "-euo", "pipefail",
             "-c", script],
            capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def install(self, package):
        """As a user would, with what apt finds; systemd is not running."""
        shutil.copy(package, self.path("/root"))
        return self.command(
            f"apt-get update -q && apt-get install -q -y --no-install-recommends /root/{package.name} curl sqlite3")

    def boot(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "-q", "--boot", "-D", str(self.root), f"--machine={self.name}", "--register=no",
                 "--keep-unit", "--private-network", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        try:
            until("systemd that is up", self._is_up, BOOT_SECONDS)
        except AssertionError as error:
            self.close()
            raise Unavailable(f"systemd did not come up in a container: {error}; {self.log.read_text()[-500:]}") from None

    def _child(self):
        if self.process.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self.process.returncode}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None

    def _is_up(self):
        # The first child makes the namespaces, starts the one that stays, and goes.
        self.leader = self._child()
        if self.leader is None:
            return False
        found = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return found in ("running", "degraded")

    def run(self, *command, check=True, input=None, timeout=120):
        result = subprocess.run(
            ["nsenter", "-t", self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/",
             "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root",
             "DEBIAN_FRONTEND=noninteractive", *map(str, command)],
            capture_output=True, text=True, timeout=timeout, input=input,
        )
        if check:
            assert result.returncode == 0, (command, result.returncode, result.stdout, result.stderr)
        return result

    def shell(self, script, **options):
        return self.run("bash", "-euo", "pipefail", "-c", script, **options)

    def property(self, unit, name):
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def journal(self, unit="sparekey.service", *options):
        lines = self.run("journalctl", "-u", unit, "-o", "json", "--no-pager", *options).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def enter_network(self):
        """The calling thread's sockets are the container's from here on."""
        with open(f"/proc/{self.leader}/ns/net") as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def in_network(self, work):
        """What `work` returns on a thread whose network is the container's."""
        result = []

        def run():
            try:
                self.enter_network()
                result.append((True, work()))
            except BaseException as error:
                result.append((False, error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        succeeded, value = result[0]
        if not succeeded:
            raise value
        return value

    def close(self):
        if self.process is not None and self.process.poll() is None:
            if self.leader:
                with contextlib.suppress(ProcessLookupError):
                    # SIGRTMIN+4: systemd's word for powering off.
                    os.kill(int(self.leader), signal.SIGRTMIN + 4)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(timeout=30)
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{self.name}", ignore_errors=True)
