"""Strength of the tests: puts the faults of faults.py one at a time into a copy of the sources, and asks the tests.

One build holds every fault, and CHOSEN_FAULT says which one is there, so a fault costs the run of the tests of its room; what these
do not catch is given to the other Swift tests, then to the simulation, then to the Python tests, which is all of `make test`.
Before, the tests have to pass with none of the faults chosen.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

from faults import FAULTS, ROOMS
from report import ROOT, Report, arguments

HOME = ROOT / ".build-strength"
TREE = HOME / "tree"
SWITCH = """
private let chosenFault = getenv("CHOSEN_FAULT").flatMap { Int(String(cString: $0)) }

private func isFault(_ number: Int) -> Bool { chosenFault == number }
"""
#: The tests nearest to a room, the quickest first.
NEAREST = {
    "parser": ["RequestParserTests|ConnectionStateTests", "HTTPServerTests|StrictnessTests"],
    "verifier": ["SignaturesTests"],
    "intake": ["IntakeTests|CommitFailureTests", "LedgerTests"],
    "ledger": ["LedgerTests", "FailoverTests|DeliveryTests"],
    "policy": ["PolicyTests", "FailoverTests"],
}
#: What hangs for so long is caught: seconds.
PATIENCE = 400


def copy_tree():
    """The sources as they are, with the faults in them; a file that stays the same is not touched, so that little is built anew."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = {name for name in names.stdout.splitlines() if (ROOT / name).is_file()}
    for name in sorted(wanted):
        content = (ROOT / name).read_bytes()
        numbered = [(number, fault) for number, fault in enumerate(FAULTS) if fault.file == name]
        if numbered:
            content = faulty(name, content.decode(), numbered).encode()
        there = TREE / name
        if not there.exists() or there.read_bytes() != content:
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(content)
            shutil.copymode(ROOT / name, there)
    for there in [path for path in TREE.rglob("*.swift") if ".build" not in path.parts]:
        if str(there.relative_to(TREE)) not in wanted:
            there.unlink()


def faulty(name, source, numbered):
    for number, fault in numbered:
        for old, new in fault.edits:
            if source.count(old) != 1:
                sys.exit(f"{name}: {source.count(old)} places for the fault that {fault.name}: {old!r}")
            source = source.replace(old, new.replace("FAULT", f"isFault({number})"))
    return f"internal import Glibc\n{source}{SWITCH}"


def build():
    for more in (["--build-tests"], ["--product", "sparekey"], ["--product", "parse-requests"]):
        subprocess.run(["swift", "build", *os.environ.get("SWIFT_FLAGS", "").split(), *more], cwd=TREE, check=True, stdout=sys.stderr)
    # The Python tests give a daemon an environment of their own.
    daemon = HOME / "sparekey"
    daemon.write_text(f'#!/bin/sh\nCHOSEN_FAULT=$(cat {HOME}/chosen) exec {TREE}/.build/debug/sparekey "$@"\n')
    daemon.chmod(0o755)


def swift(*more):
    return ["swift", "test", "--skip-build", *os.environ.get("SWIFT_FLAGS", "").split(), *more]


def stages(room, nearest):
    """Whom a fault is given to, in turn."""
    for names in NEAREST[room]:
        yield names, swift("--filter", names)
    if not nearest:
        yield "other Swift tests", swift("--skip", "|".join(["SimulationTests", *NEAREST[room]]))
        yield "simulation", swift("--filter", "SimulationTests")
        # The daemon is a script here, of which no package can be made, and each fault is in its place already.
        yield "Python tests", [
            sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "Tests/Python", "--ignore=Tests/Python/test_package.py",
            "--deselect=Tests/Python/test_prove.py::test_each_deliberate_fault_has_its_place"]


def passes(command, number, log):
    """Whether all tests pass; those that hang do not."""
    (HOME / "chosen").write_text(str(number))
    environment = dict(os.environ, CHOSEN_FAULT=str(number), SPAREKEY_BINARY=str(HOME / "sparekey"))
    with open(log, "a") as output:
        process = subprocess.Popen(command, cwd=TREE, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return process.wait(timeout=PATIENCE) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return False


def main():
    parser = arguments(__doc__, len(FAULTS), ROOMS)
    parser.add_argument("--nearest", action="store_true", help="the tests of the fault's own room only")
    parser.add_argument("--least", type=float, default=0.95, help="the share that has to be caught (0.95)")
    options = parser.parse_args()
    report = Report(options, ROOMS)
    TREE.mkdir(parents=True, exist_ok=True)
    (HOME / "logs").mkdir(exist_ok=True)
    copy_tree()
    build()
    chosen = [(number, fault) for number, fault in enumerate(FAULTS) if fault.room in report.parts]
    chosen = sorted(report.chance.sample(chosen, min(options.rounds, len(chosen))))
    asked = {name: command for room in report.parts for name, command in stages(room, options.nearest)}
    healthy = HOME / "logs/healthy.txt"
    healthy.write_text("")
    for name, command in asked.items():
        if not passes(command, -1, healthy):
            report.row("tests without a fault", f"{name} fail, see {healthy.relative_to(ROOT)}", False)
            report.exit()
    for room in report.parts:
        caught, missed = 0, []
        here = [(number, fault) for number, fault in chosen if fault.room == room]
        for number, fault in here:
            began, log = time.monotonic(), HOME / f"logs/{number}.txt"
            log.write_text("")
            by = next((name for name, command in stages(room, options.nearest) if not passes(command, number, log)), None)
            print(f"{number:3} {room}: {fault.name}: {f'caught by {by}' if by else 'NOT CAUGHT'}"
                  f" ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
            caught, missed = caught + (by is not None), missed + ([] if by else [fault.name])
        if here:
            figure = f"{caught} of {len(here)} deliberate faults caught" + (f"; not: {'; '.join(missed)}" if missed else "")
            report.row(f"strength of the tests: {room}", figure, caught >= options.least * len(here))
    report.exit()


if __name__ == "__main__":
    main()
