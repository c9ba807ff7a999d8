"""The README's way from a clean Debian 12 to a substitution, word for word."""

import re
import shutil

from conftest import ROOT, package


def commands():
    text = ROOT.joinpath("README.md").read_text()
    section = text.split("## From nothing to a substitution", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.S)
    return block


def test_from_nothing_to_a_substitution(make_container, record_property):
    machine = make_container()
    shutil.copy(package(), machine.path("/root/sparekey_0.1.0-1_amd64.deb"))
    block = commands()
    # The network is there for apt only, before the machine is booted into a network of its own.
    apt, rest = block.split("systemd-run", 1)
    assert "sparekey_0.1.0-1_amd64.deb" in apt
    machine.command(f"cd /root && {apt}")
    machine.boot()
    shown = machine.shell("cd /root\nsystemd-run" + rest).stdout
    assert "Ada" in shown and "substituted" in shown, shown
    assert re.search(r"\buse \d{4,}", shown), "what the guest is to be told, with the PIN"
    record_property("package, bytes", package().stat().st_size)
