"""The programs of Tests/Prove in their short form: whether they run, and whether they find what they are there to find."""

import json
import subprocess
import sys

import pytest

from processes import ROOT, environment

PROVE = ROOT / "Tests/Prove"


def prove(program, *options):
    """Runs a program; returns its rows by what they are about."""
    run = subprocess.run(
        [sys.executable, str(PROVE / program), *map(str, options)], capture_output=True, text=True, timeout=300,
        env=environment())
    print(run.stdout, run.stderr)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert rows, "it has reported nothing"
    return run.returncode, rows


@pytest.mark.parametrize("options", [
    ("kill", "--rounds", 4), ("term", "freeze", "--rounds", 2), ("start", "--rounds", 2, "--stored", 500),
])
def test_ended_under_load(options):
    status, rows = prove("kill.py", *options)
    assert status == 0
    assert {row["verdict"] for row in rows} == {"holds"}


def test_answers_follow_their_sync():
    status, rows = prove("power.py", "order", "--rounds", 100)
    assert status == 0
    assert {row["verdict"] for row in rows} <= {"holds", "skipped"}


def test_power_cut():
    """Also that the same cuts lose something with `synchronous=NORMAL`."""
    status, rows = prove("power.py", "cut", "weak", "--rounds", 5)
    assert status == 0
    assert [row["verdict"] for row in rows] == ["holds", "holds"]
