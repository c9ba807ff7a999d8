"""What the programs of this folder have in common: their arguments, and the rows that they print."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Python"))


def arguments(description, rounds, parts):
    """The usual arguments; `parts` are the names of what a program does, all of it where none is named."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often ({rounds})")
    parser.add_argument("--minutes", type=float, default=0, help="go on until this much time is over as well (0)")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random, for the same run again")
    parser.add_argument("--folder", type=pathlib.Path, default=None, help="where databases are laid (a temporary folder)")
    parser.add_argument("--binary", default=None, help="the program under test ($SPAREKEY_BINARY, the debug build)")
    parser.add_argument("--keep", action="store_true", help="leave the folder, to look at it")
    return parser


class Report:
    """Prints a JSON line for each row; `failed` where one of them is not as it should be."""

    def __init__(self, options, parts):
        unknown = set(options.parts) - set(parts)
        if unknown:
            sys.exit(f"there is no part {', '.join(sorted(unknown))}: {', '.join(parts)}")
        self.parts = options.parts or list(parts)
        self.failed = False
        if options.binary:
            os.environ["SPAREKEY_BINARY"] = options.binary
        self.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**31)
        self.chance = random.Random(self.seed)
        print(f"seed {self.seed}", file=sys.stderr)

    def row(self, what, figure, passed=True):
        self.failed = self.failed or not passed
        print(json.dumps({"what": what, "figure": figure, "verdict": "holds" if passed else "BROKEN"}), flush=True)

    def skip(self, what, reason):
        print(json.dumps({"what": what, "figure": f"not tried here: {reason}", "verdict": "skipped"}), flush=True)

    def each(self, options, perform, names=None):
        """Performs each part; one that does not end as it should is a row, and leaves its folder."""
        for part in self.parts:
            try:
                perform(part)
            except AssertionError as failure:
                self.row((names or {}).get(part, part), str(failure), passed=False)
                options.keep = True

    def exit(self):
        sys.exit(1 if self.failed else 0)


@contextlib.contextmanager
def scratch(options):
    """A folder of this run's own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sparekey-prove-", dir=options.folder))
    try:
        yield folder
    except BaseException:
        print(f"what it was about is kept in {folder}", file=sys.stderr)
        raise
    if options.keep:
        print(f"what it was about is kept in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
