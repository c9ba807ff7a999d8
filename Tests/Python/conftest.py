import pathlib

import pytest

from processes import Daemon, Receiver, Sandbox, binary


def pytest_configure(config):
    if not pathlib.Path(binary()).exists():
        raise pytest.UsageError(f"{binary()} is missing: swift build --product sparekey, or set SPAREKEY_BINARY")


@pytest.fixture
def sandbox(tmp_path):
    """A simulated Seam of this test's own."""
    sandbox = Sandbox(tmp_path)
    yield sandbox
    sandbox.kill()
    print(sandbox.output())


@pytest.fixture
def make_daemon(tmp_path):
    """Makes daemons, not started, in this test's folder; ends them afterwards and shows what they said."""
    daemons = []

    def make(folder=tmp_path, **settings):
        daemon = Daemon(folder, **settings)
        daemons.append(daemon)
        return daemon

    yield make
    for daemon in daemons:
        daemon.kill()
        said = daemon.output()
        print(said[-20_000:])
        assert "Fatal error" not in said, "the daemon trapped"


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()
