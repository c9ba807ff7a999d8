#!/usr/bin/env python3
"""How many webhooks are verified, made durable and acknowledged, against what else could be done on the same machine.

Every contender listens on loopback, one at a time, and is driven by one wrk with requests signed beforehand, each sent once. Rounds are
interleaved, so that what else the machine does hits all alike; figures are medians over the rounds. After each run the rows in
the database are compared with the acknowledgements.

    make bench                                everything, some ten minutes
    bench.py --only sparekey,nginx --rounds 1 --connections 256
    bench.py --rounds 1 --json F --continue   one more round beside those of F: a busy machine can be measured piece by piece
    bench.py --rounds 0 --json F --continue   only prints what F holds
"""

import argparse
import json
import pathlib
import sys

from chart import chart
from contenders import ROOT, all_contenders
from measures import disk, drive, under_siege
from report import medians, print_report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--connections", default="1,64,256,1000")
    parser.add_argument("--only", help="names of contenders, with commas; `disk` and `siege` count as such")
    parser.add_argument("--binary", default=str(ROOT / ".build/release/sparekey"))
    parser.add_argument("--scratch", default=str(ROOT / ".build"), help="a folder on the disk to be measured")
    parser.add_argument("--json", help="where the figures go")
    parser.add_argument("--continue", dest="goes_on", action="store_true", help="add to the figures of --json")
    parser.add_argument("--chart", help="where the chart goes")
    options = parser.parse_args()

    contenders = all_contenders(options.binary)
    wanted = options.only.split(",") if options.only else [contender.name for contender in contenders] + ["disk", "siege"]
    counts = [int(count) for count in options.connections.split(",")]
    results = {"runs": {}, "disk": [], "siege": []}
    if options.goes_on and options.json and pathlib.Path(options.json).exists():
        results = json.loads(pathlib.Path(options.json).read_text())
    results["labels"] = {contender.name: contender.label for contender in contenders}

    def keep():
        """After each run, so that a later one that fails costs only itself."""
        results["medians"] = medians(results)
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")

    for number in range(options.rounds):
        say = lambda what: print(f"\rround {number + 1}: {what}\033[K", end="", file=sys.stderr, flush=True)
        if "disk" in wanted:
            say("the disk alone")
            results["disk"].append(disk(options.scratch))
        for count in counts:
            for contender in contenders:
                if contender.name in wanted:
                    say(f"{contender.label}, {count} connections")
                    runs = results["runs"].setdefault(contender.name, {}).setdefault(str(count), [])
                    runs.append(drive(contender, count, options.seconds, options.scratch))
                    keep()
        if "siege" in wanted:
            say("Sparekey at a steady rate while Seam and every delivery hang")
            results["siege"].append(under_siege(options.binary, options.scratch))
            keep()
    print("\r\033[K", end="", file=sys.stderr)

    keep()
    print_report(results)
    if options.chart:
        figures = results["medians"]["runs"]
        bars = [
            (contender.label, figures[contender.name]["256"]["per_second"])
            for contender in contenders if "256" in figures.get(contender.name, {})]
        pathlib.Path(options.chart).write_text(chart("Acknowledged webhooks per second, 256 connections", bars))


if __name__ == "__main__":
    main()
