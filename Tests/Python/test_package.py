"""The Debian package, made from the program under test: what is in it, and that its scripts are sound.

What it does on a machine is `make systemd-test`.
"""

import gzip
import os
import re
import shutil
import subprocess

import pytest

from processes import ROOT, binary, run


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """(the unpacked files, the control files)"""
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "patchelf", "strip"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = tmp_path_factory.mktemp("package")
    built = subprocess.run(
        [ROOT / "config/debian/build", binary(), folder], env={**os.environ, "DEB_COMPRESSION": "none"}, capture_output=True,
        text=True, timeout=300,
    )
    assert built.returncode == 0, built.stderr
    subprocess.run(["dpkg-deb", "--raw-extract", built.stdout.strip(), folder / "root"], check=True)
    return folder / "root", folder / "root/DEBIAN"


def test_files(package):
    root, control = package
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "DEBIAN" not in path.parts}
    assert found >= {
        "usr/bin/sparekey", "etc/sparekey/sparekey.yaml", "usr/lib/systemd/system/sparekey.service",
        "usr/lib/systemd/system/sparekey.socket", "usr/lib/systemd/system/sparekey@.service",
        "usr/lib/systemd/system/sparekey@.socket", "usr/lib/sysusers.d/sparekey.conf", "usr/lib/tmpfiles.d/sparekey.conf", "usr/lib/systemd/system-preset/60-sparekey.preset",
        "usr/share/doc/sparekey/copyright", "usr/share/doc/sparekey/changelog.Debian.gz",
        "usr/share/doc/sparekey/examples/mail-guest", "usr/share/sparekey/alerts/sparekey.rules.yaml",
        "usr/share/sparekey/grafana/sparekey.json", "usr/share/sparekey/messages/de.yaml",
    }
    assert control.joinpath("conffiles").read_text() == "/etc/sparekey/sparekey.yaml\n"
    assert root.joinpath("etc/sparekey/sparekey.yaml").stat().st_mode & 0o777 == 0o640
    assert "@" not in control.joinpath("control").read_text().replace("sparekey@", "").replace("@example.org", "")


def test_every_command_has_a_man_page(package):
    folder = package[0] / "usr/share/man/man1"
    pages = {path.name.removesuffix(".1.gz"): gzip.decompress(path.read_bytes()).decode() for path in folder.iterdir()}
    listed = re.findall(r"^  ([a-z]+) ", run("--help").stdout.split("SUBCOMMANDS:")[1], re.M)
    assert {f"sparekey-{name}" for name in listed} <= set(pages) and len(listed) >= 9
    for name, text in pages.items():
        assert text.startswith(".TH ") and ".SH SYNOPSIS" in text, name
    assert r"\fB\-\-sandbox\fR" in pages["sparekey-serve"]
    assert "/etc/sparekey/sparekey.yaml" in pages["sparekey"]
    if shutil.which("groff"):
        for name, text in pages.items():
            read = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, capture_output=True, text=True, timeout=60)
            assert (read.returncode, read.stderr) == (0, ""), name


def test_completions(package):
    share = package[0] / "usr/share"
    bash = share / "bash-completion/completions/sparekey"
    assert subprocess.run(["bash", "-n", bash], timeout=60).returncode == 0
    assert "complete -o filenames -F" in bash.read_text() and "--since" in bash.read_text()
    assert share.joinpath("zsh/vendor-completions/_sparekey").read_text().startswith("#compdef sparekey")
    assert "complete -c 'sparekey'" in share.joinpath("fish/vendor_completions.d/sparekey.fish").read_text()


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts(package, script):
    path = package[1] / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", path], timeout=60).returncode == 0
    assert "set -e" in path.read_text()


def test_the_readme_leaves_no_pattern_to_a_shell_that_may_not_look():
    """The user's own shell expands what `sudo` is given, and /etc/sparekey is closed to it."""
    commands = [line for line in ROOT.joinpath("README.md").read_text().splitlines() if line.lstrip().startswith("sudo ")]
    assert len(commands) > 5
    assert [line for line in commands if re.search(r"/etc/sparekey/\S*[*?\[]", re.sub(r"'[^']*'", "", line))] == []
