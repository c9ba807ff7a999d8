"""Line coverage, by the Swift tests without the simulation, of the rooms that a 204 and what follows from it depend on.

What only another process can reach is run by the Python tests, which are not counted here: a second process's lock, signals, a
systemd that hands over sockets.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from report import ROOT, Report, arguments

ROOMS = ["HTTPServer", "Signatures", "Crypto", "Ledger", "Policy", "Daemon/Intake.swift"]
BUILD = ROOT / ".build-coverage"
#: What only the commands reach, which the tests start as processes of their own, so that none of it is counted.
LEFT_OUT = {"Ledger/Backup.swift", "Ledger/OperatorRequests.swift"}


def files():
    """(path below Sources, lines, lines run) of each file of the rooms."""
    tools = pathlib.Path(os.path.realpath(shutil.which("swift"))).parent
    subprocess.run(
        ["swift", "test", "--enable-code-coverage", "--scratch-path", BUILD, "--skip", "SimulationTests"], cwd=ROOT, check=True,
        stdout=sys.stderr)
    exported = subprocess.run(
        [tools / "llvm-cov", "export", "-summary-only", BUILD / "debug/sparekeyPackageTests.xctest", "-instr-profile",
         BUILD / "debug/codecov/default.profdata"], check=True, capture_output=True, text=True)
    for file in json.loads(exported.stdout)["data"][0]["files"]:
        path = pathlib.Path(file["filename"])
        if path.is_relative_to(ROOT / "Sources"):
            lines = file["summary"]["lines"]
            yield str(path.relative_to(ROOT / "Sources")), lines["count"], lines["covered"]


def main():
    parser = arguments(__doc__, 1, ROOMS)
    parser.add_argument("--least", type=float, default=0.9, help="the share of a room's lines that has to run (0.9)")
    options = parser.parse_args()
    report = Report(options, ROOMS)
    found = list(files())
    for room in report.parts:
        here = [file for file in found if (file[0] == room or file[0].startswith(room + "/")) and file[0] not in LEFT_OUT]
        count, covered = sum(file[1] for file in here), sum(file[2] for file in here)
        # The three files with the most lines that nothing ran.
        left = sorted(here, key=lambda file: file[2] - file[1])[:3]
        names = ", ".join(f"{pathlib.Path(name).name} {part} of {whole}" for name, whole, part in left if part < whole)
        without = [pathlib.Path(name).name for name in sorted(LEFT_OUT) if name.startswith(room + "/")]
        report.row(f"lines of {room} run by the Swift tests" + (f", without {' and '.join(without)}" if without else ""),
                   f"{covered:,} of {count:,}, {covered / max(count, 1):.1%}" + (f" (least: {names})" if names else ""),
                   covered >= options.least * count > 0)
    report.exit()


if __name__ == "__main__":
    main()
