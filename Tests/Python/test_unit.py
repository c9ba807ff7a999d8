"""systemd takes the units as they are, and finds the services tightly confined."""

import os
import re
import shutil
import subprocess

import pytest

from processes import ROOT, binary

UNITS = ROOT / "systemd"
SERVICES = {"sparekey.service": "sparekey.service", "sparekey@.service": "sparekey@one.service"}


@pytest.fixture
def units(tmp_path):
    """All units with the program that is there, by name."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
        text = path.read_text()
        assert text.count("/usr/bin/sparekey") == (path.suffix == ".service")
        tmp_path.joinpath(path.name).write_text(text.replace("/usr/bin/sparekey", binary()))
    # The one thing that an operator has to give an instance's socket.
    drop_in = tmp_path / "sparekey@one.socket.d"
    drop_in.mkdir()
    drop_in.joinpath("port.conf").write_text("[Socket]\nListenStream=8444\n")
    return tmp_path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["sparekey.service", "sparekey.socket", "sparekey@one.service", "sparekey@one.socket"])
def test_verify(units, name):
    template = re.sub("@.*\\.", "@.", name)
    if template != name:
        units.joinpath(name).write_text(units.joinpath(template).read_text().replace("%i", "one"))
    found = analyze("verify", "--man=no", units / name)
    # What it says of other units of this machine is not ours.
    ours = [line for line in (found.stdout + found.stderr).splitlines() if "sparekey" in line]
    assert (found.returncode, ours) == (0, [])


def test_an_error_is_found(units):
    unit = units / "sparekey.service"
    unit.write_text(unit.read_text().replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"))
    found = analyze("verify", "--man=no", unit)
    assert "NoNewPrivilege" in found.stdout + found.stderr


@pytest.mark.parametrize("template", SERVICES)
def test_security(units, template, record_property):
    name = SERVICES[template]
    if name != template:
        units.joinpath(name).write_text(units.joinpath(template).read_text().replace("%i", "one"))
    found = analyze("security", "--offline=true", "--no-pager", units / name)
    exposure = re.search(rf"Overall exposure level for {re.escape(name)}: ([0-9.]+)", found.stdout)
    if exposure is None:
        pytest.skip(f"this systemd-analyze has no offline security check: {found.stderr.strip()}")
    record_property("exposure", exposure.group(1))
    assert float(exposure.group(1)) <= 1.5
    # What it finds missing is named in the unit, with the reason.
    reasons = " ".join(line for line in UNITS.joinpath(template).read_text().splitlines() if line.startswith("# - "))
    missing = re.findall(r"^✗ (\w+)=", found.stdout, re.M)
    assert [name for name in missing if f"{name}=" not in reasons] == []


def test_the_template_differs_where_it_must():
    """Whoever changes one unit changes the other."""
    single = UNITS.joinpath("sparekey.service").read_text().splitlines()
    template = UNITS.joinpath("sparekey@.service").read_text().splitlines()
    different = {line.partition("=")[0] for line in set(single) ^ set(template) if not line.startswith("#")}
    assert different == {"Description", "Wants", "ExecStart", "StateDirectory", "LoadCredential", "Also"}


def test_sysusers(tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    found = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", str(UNITS / "sparekey.sysusers")],
        capture_output=True, text=True, timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert "sparekey" in found.stdout + found.stderr


def test_tmpfiles(tmp_path):
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("systemd-tmpfiles is not installed")
    if os.geteuid() != 0:
        pytest.skip("folders of other users are for root")
    tmp_path.joinpath("etc").mkdir()
    tmp_path.joinpath("etc/passwd").write_text("sparekey:x:999:999::/:/bin/false\n")
    tmp_path.joinpath("etc/group").write_text("root:x:0:\nsparekey:x:999:\n")
    found = subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(UNITS / "sparekey.tmpfiles")],
        capture_output=True, text=True, timeout=60,
    )
    assert found.returncode == 0, found.stderr
    owners = {name: tmp_path.joinpath(name).stat() for name in ("etc/sparekey", "var/lib/sparekey")}
    assert {name: (oct(one.st_mode & 0o777), one.st_uid, one.st_gid) for name, one in owners.items()} == {
        "etc/sparekey": ("0o750", 0, 999), "var/lib/sparekey": ("0o750", 999, 999),
    }
