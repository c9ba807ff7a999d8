import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Python"))

from container import Container, Unavailable, base_root  # noqa: E402


def package():
    """The Debian package under test: SPAREKEY_DEB, else what `make deb` has built."""
    named = os.environ.get("SPAREKEY_DEB")
    found = [pathlib.Path(named)] if named else sorted(ROOT.glob(".build/deb/*.deb"))
    if not found:
        raise pytest.UsageError("no Debian package: make deb, or set SPAREKEY_DEB")
    return found[-1]


@pytest.fixture(scope="session")
def base():
    try:
        folder = pathlib.Path(os.environ.get("SPAREKEY_ROOTS", ROOT / ".build/roots"))
        folder.mkdir(parents=True, exist_ok=True)
        return base_root(folder)
    except Unavailable as reason:
        pytest.skip(f"SKIPPED, nothing was tested under a real systemd: {reason}")


@pytest.fixture(scope="module")
def make_container(base, tmp_path_factory):
    containers = []

    def make():
        container = Container(base, tmp_path_factory.mktemp("container"))
        containers.append(container)
        return container

    yield make
    for container in containers:
        container.close()


@pytest.fixture(scope="module")
def machine(make_container):
    """A machine with the package installed, and nothing else done."""
    container = make_container()
    container.install(package())
    try:
        container.boot()
    except Unavailable as reason:
        pytest.skip(f"SKIPPED, nothing was tested under a real systemd: {reason}")
    return container


def pytest_terminal_summary(terminalreporter):
    """Figures, and what was skipped and why."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(str(report.longrepr))
