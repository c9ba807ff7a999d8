"""systemd takes the unit as it is, and finds it tightly confined."""

import re
import shutil
import subprocess

import pytest

from processes import ROOT, binary


@pytest.fixture
def unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (ROOT / "systemd/sparekey.service").read_text()
    assert text.count("/usr/bin/sparekey") == 1
    path = tmp_path / "sparekey.service"
    path.write_text(text.replace("/usr/bin/sparekey", binary()))
    return path


def test_verify(unit):
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    # What it says of other units of this machine is not ours.
    ours = [line for line in (found.stdout + found.stderr).splitlines() if "sparekey" in line]
    assert (found.returncode, ours) == (0, [])


def test_an_error_is_found(unit):
    unit.write_text(unit.read_text().replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"))
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert "NoNewPrivilege" in found.stdout + found.stderr


def test_security(unit, record_property):
    found = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True, timeout=60
    )
    exposure = re.search(r"Overall exposure level for sparekey\.service: ([0-9.]+)", found.stdout)
    if exposure is None:
        pytest.skip(f"this systemd-analyze has no offline security check: {found.stderr.strip()}")
    record_property("exposure", exposure.group(1))
    assert float(exposure.group(1)) <= 1.5


def test_sysusers(tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    found = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", str(ROOT / "systemd/sparekey.sysusers")],
        capture_output=True, text=True, timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert "sparekey" in found.stdout + found.stderr
