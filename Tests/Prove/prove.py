"""Runs every program of this folder and ends in one table: what was tried, with which command, what came of it, on which machine."""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def commands(rounds, minutes):
    """Program, parts and options."""
    tenth, fifth = max(1, rounds // 10), max(1, rounds // 5)
    return [
        ["kill.py", "kill", "--rounds", rounds, "--minutes", minutes, "--acknowledged", 500 * rounds, "--window", 0.8],
        ["kill.py", "term", "freeze", "--rounds", tenth],
        ["kill.py", "start", "--rounds", 20, "--stored", 100_000, "--limit", 500],
        ["power.py", "order", "--rounds", 1000],
        ["power.py", "cut", "sync", "weak", "--rounds", fifth, "--minutes", minutes],
        ["storage.py", "--rounds", min(300, fifth * 3)],
        ["resources.py"],
        ["network.py"],
        ["hostile.py", "mutations", "--rounds", 100 * rounds, "--minutes", minutes],
        ["hostile.py", "held", "flood"],
        ["storm.py", "--rounds", 10 * rounds],
        ["strength.py", "--rounds", rounds],
        ["coverage.py"],
    ]


def file_system(folder):
    """Its type and device: those of the mount point that is nearest above the folder."""
    mounts = [line.split() for line in open("/proc/self/mounts")]
    above = [str(folder), *map(str, pathlib.Path(folder).resolve().parents)]
    _, name, kind = max((len(point), name, kind) for name, point, kind, *_ in mounts if point in above)
    return f"{kind} on {name}"


def machine(folder):
    memory = next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{os.cpu_count()} cores, {int(memory) / 2**20:.0f} GB, {platform.system()} {platform.release()}, {file_system(folder)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="kills; the other parts go by it (20)")
    parser.add_argument("--minutes", type=float, default=0, help="kills, power cuts and hostile clients go on for so long at least (0)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--binary", default=None, help="the program under test ($SPAREKEY_BINARY, the debug build)")
    parser.add_argument("--folder", type=pathlib.Path, default=None, help="where databases are laid (a temporary folder)")
    options = parser.parse_args()
    shared = [text for name in ("seed", "binary", "folder") if (value := getattr(options, name)) is not None
              for text in (f"--{name}", str(value))]
    rows, failed, began = [], False, time.monotonic()
    for command in commands(options.rounds, options.minutes):
        shown = " ".join(map(str, command))
        print(f"== {shown}", file=sys.stderr, flush=True)
        run = subprocess.run([sys.executable, str(HERE / command[0]), *map(str, command[1:]), *shared],
                             stdout=subprocess.PIPE, text=True)
        print(run.stdout, end="", file=sys.stderr, flush=True)
        found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        if run.returncode != 0 or not found:
            failed = True
            if not any(row["verdict"] == "BROKEN" for row in found):
                found.append({"what": command[0], "figure": f"ended with {run.returncode}", "verdict": "BROKEN"})
        rows += [(row["what"], shown, row["figure"], row["verdict"]) for row in found]
    print(f"{time.strftime('%Y-%m-%d')}, {machine(options.folder or '/tmp')}, {(time.monotonic() - began) / 60:.0f} minutes\n")
    print("| what | command | figure | verdict |\n|---|---|---|---|")
    for what, shown, figure, verdict in rows:
        print(f"| {what} | `{shown}` | {figure} | {verdict} |")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
