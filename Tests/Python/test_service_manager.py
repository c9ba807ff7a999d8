"""As a service: sockets that somebody else holds, what it says of itself, and the watchdog. No systemd is needed."""

import contextlib
import os
import signal
import socket
import uuid

import pytest

from load import Load
from processes import failure_event, post
from service_manager import ServiceManager


def listening_socket():
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


@pytest.fixture
def make_manager(make_daemon, tmp_path):
    managers = []

    def make(sockets=None, watchdog_seconds=None, **settings):
        sockets = sockets if sockets is not None else {"sparekey.socket": listening_socket()}
        first = next(iter(sockets.values()))
        daemon = make_daemon(**{"listen.port": first.getsockname()[1], **settings})
        manager = ServiceManager(tmp_path, daemon, watchdog_seconds, **sockets)
        managers.append(manager)
        return manager

    yield make
    for manager in managers:
        manager.daemon.kill()
        manager.close()


def an_event():
    return failure_event(str(uuid.uuid4()), str(uuid.uuid4()))


def listening_ports(pid):
    """The TCP ports that a process listens on."""
    sockets = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        # One that it has closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            sockets.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/{pid}/net/{table}").read().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                ports.add(int(fields[1].split(":")[1], 16))
    return ports


def test_the_socket_is_taken_over(make_manager):
    manager = make_manager(sockets={"sparekey.socket": listening_socket(), "admin": listening_socket()})
    daemon = manager.start().daemon
    ports = {name: listening.getsockname()[1] for name, listening in manager.sockets.items()}
    assert listening_ports(daemon.pid) == set(ports.values())
    assert (daemon.port, int(daemon.admin_url.rpartition(":")[2])) == (ports["sparekey.socket"], ports["admin"])
    assert post(daemon.url, an_event()).status_code == 204
    assert daemon.get("/healthz").status_code == 200
    assert not daemon.says("listen.port is not")


def test_another_port_is_opened_beside_it(make_manager):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    manager = make_manager(**{"listen.port": port})
    daemon = manager.start().daemon
    held = manager.sockets["sparekey.socket"].getsockname()[1]
    assert daemon.port == port and listening_ports(daemon.pid) >= {port, held}
    for one in (port, held):
        assert post(f"http://127.0.0.1:{one}/webhooks/seam", an_event()).status_code == 204
    assert daemon.says("listen.port is not the socket unit's")


def test_a_socket_that_does_not_listen_is_named(make_manager):
    manager = make_manager(sockets={"sparekey.socket": socket.socket(socket.AF_INET, socket.SOCK_STREAM)})
    with pytest.raises(AssertionError, match="the daemon ended"):
        manager.start()
    assert manager.daemon.process.returncode == 1
    assert "descriptor 3: cannot take over the socket" in manager.daemon.output()


def test_sockets_of_another_process_are_left_alone(make_daemon):
    daemon = make_daemon()
    daemon.start(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert post(daemon.url, an_event()).status_code == 204


def test_it_says_how_it_is(make_manager):
    manager = make_manager()
    daemon = manager.start().daemon
    assert daemon.url in manager.status()
    daemon.write_config(**{"webhook.tolerance": "for ever"})
    daemon.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", times=2)
    names = [name for name, _ in manager.heard]
    assert "RELOADING" in names[names.index("READY") + 1:]
    assert "reload refused" in manager.status()
    daemon.write_config(**{"webhook.tolerance": "5m"})
    daemon.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", times=3)
    assert "reload refused" not in manager.status()
    # Where it listens is the start's, until the next one.
    daemon.write_config(**{"listen.host": "127.0.0.2", "listen.path": "/elsewhere"})
    daemon.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", times=4)
    assert f"http://127.0.0.1:{daemon.port}/elsewhere" in manager.status()
    assert manager.count("WATCHDOG") == 0, "nobody has asked for it"
    assert daemon.stop() == 0
    assert manager.count("STOPPING") == 1


def test_the_watchdog_ends_what_does_nothing(make_manager):
    manager = make_manager(watchdog_seconds=1.5)
    daemon = manager.start().daemon
    manager.wait_for("WATCHDOG", times=3)
    assert post(daemon.url, an_event()).status_code == 204
    first = daemon.pid
    daemon.process.send_signal(signal.SIGSTOP)
    manager.watch()
    assert daemon.pid != first
    assert post(daemon.url, an_event()).status_code == 204
    assert len(daemon.query("select * from webhook_events")) == 2


@pytest.mark.parametrize("restarts", [int(os.environ.get("SPAREKEY_RESTARTS", "50"))])
def test_restarts_under_load(make_manager, restarts, record_property):
    """No connection is refused or broken, no event that was acknowledged is lost, none is stored twice."""
    manager = make_manager()
    daemon = manager.start().daemon
    with Load(daemon.port) as load:
        for _ in range(restarts):
            load.wait_for_more()
            manager.restart()
    assert load.statuses() == {204}
    assert {row["svix_id"] for row in daemon.query("select svix_id from webhook_events")} == load.acknowledged()
    record_property("restarts", restarts)
    record_property("events", len(load.answers))
