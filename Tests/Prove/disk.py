"""The disk of disk.c, from outside: orders its faults, and works out what a power cut leaves of the files."""

import errno
import mmap
import os
import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
OPEN, READ, WRITE, SYNC, TRUNCATE, UNLINK = 1, 2, 4, 8, 16, 32
EVERYTHING = 63
CREATED, WRITTEN, TRUNCATED, SYNC_BEGUN, SYNCED, SYNC_FAILED, REMOVED, OPENED = range(1, 9)
HEADER = struct.Struct("=IIQqq")


def build(folder, name="disk"):
    """Compiles a library of this folder."""
    library = folder / f"{name}.so"
    subprocess.run(
        [os.environ.get("CC", "clang"), "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library),
         str(HERE / f"{name}.c")], check=True)
    return library


class Disk:
    """Between a daemon and its database. Without faults ordered it only tells."""

    FIELDS = {"calls": 0, "first": 8, "last": 16, "failed": 24, "sync_microseconds": 32}

    def __init__(self, library, daemon, weak=False, tells=True):
        self.log = daemon.folder / "disk.log"
        control = daemon.folder / "disk.control"
        control.write_bytes(bytes(4096))
        with control.open("r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        self.variables = {
            "LD_PRELOAD": str(library), "PROVE_DISK_PREFIX": str(daemon.database), "PROVE_DISK_CONTROL": str(control),
            **({"PROVE_DISK_LOG": str(self.log)} if tells else {}), **({"PROVE_DISK_WEAK": "1"} if weak else {}),
        }

    def __getitem__(self, name):
        return struct.unpack_from("=q", self.page, self.FIELDS[name])[0]

    def __setitem__(self, name, value):
        struct.pack_into("=q", self.page, self.FIELDS[name], value)

    def fail(self, error, first=1, count=1, kinds=EVERYTHING):
        """The calls from the `first` on, counted from now, fail with `error`."""
        self.mend()
        self["calls"] = self["failed"] = 0
        struct.pack_into("=ii", self.page, 40, getattr(errno, error), kinds)
        self["last"] = first + count - 1
        self["first"] = first

    def count(self, kinds=EVERYTHING):
        """Counts the calls from now on, and fails none."""
        self.fail("EIO", first=0, count=0, kinds=kinds)

    def mend(self):
        self["first"] = 0


class File:
    """One file: what is surely on the disk, and what has been done since, in order. A sector is 512 bytes."""

    SECTOR = 512

    def __init__(self, content=b""):
        self.durable = bytearray(content)
        # (offset, data), or (length, None) for a truncation; `lost` are the writes that a failed sync has dropped: a later sync does
        # not bring them back, for Linux marks the pages clean. What the kernel shows of the file is not what the disk holds then.
        self.pending = []
        self.lost = []
        self.begun = {}

    def begin_sync(self, thread):
        self.begun[thread] = len(self.pending)

    def end_sync(self, thread, succeeded):
        count = self.begun.pop(thread, 0)
        done, self.pending = self.pending[:count], self.pending[count:]
        self.begun = {other: max(0, mark - count) for other, mark in self.begun.items()}
        if succeeded:
            # A page that was written again since the failure is dirty again, and goes to the disk as it is now.
            for change in done:
                self._apply(self.durable, change)
                self.lost = [old for old in self.lost if not self._replaces(change, old)]
        else:
            self.lost += [change for change in done if change[1] is not None]
            # How long a file is stands in the file system's journal.
            self.pending = [change for change in done if change[1] is None] + self.pending

    @staticmethod
    def _replaces(change, old):
        offset, data = change
        if data is None:
            return old[0] >= offset
        return offset <= old[0] and old[0] + len(old[1]) <= offset + len(data)

    @staticmethod
    def _apply(content, change):
        offset, data = change
        if data is None:
            if offset < len(content):
                del content[offset:]
            else:
                content.extend(bytes(offset - len(content)))
            return
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset:offset + len(data)] = data

    def after_power_cut(self, chance):
        """What is on the disk: of each sector that was changed since the last sync any of its states since then, or, where a
        write was cut in its middle, nothing of sense. How long the file is may also be any of what it was."""
        changes = self.lost + self.pending
        if not changes:
            return bytes(self.durable)
        # All or nothing of it is as likely as anything between.
        share = chance.choice([0.0, 1.0, chance.random(), chance.random()])
        size = chance.choice([1, 8]) * self.SECTOR
        lengths = [len(self.durable)]
        touched, written = {}, {}
        content = bytearray(self.durable)
        for offset, data in changes:
            end = offset + len(data) if data is not None else len(content)
            sectors = range(offset // size, (max(end, offset + 1) + size - 1) // size)
            for sector in sectors:
                touched.setdefault(sector, [bytes(self.durable[sector * size:(sector + 1) * size])])
            self._apply(content, (offset, data))
            for sector in sectors:
                touched[sector].append(bytes(content[sector * size:(sector + 1) * size]))
                if data is not None:
                    written[sector] = touched[sector][-1]
            lengths.append(len(content))
        length = len(content) if chance.random() < share else chance.choice(lengths)
        result = bytearray(self.durable)
        garbage = chance.random() < 0.3
        for sector, versions in touched.items():
            version = chance.choice(versions) if chance.random() >= share else versions[-1]
            if share == 0.0:
                version = versions[0]
            elif garbage and sector in written and chance.random() < 0.05:
                # Only what was being written: a disk does not spoil the bytes beside it (SQLite's "powersafe overwrite"), nor those
                # of a file that was only cut short.
                new = written[sector]
                before = versions[0].ljust(len(new), b"\0")
                version = bytes(chance.randrange(256) if old != now else old for old, now in zip(before, new)) + before[len(new):]
            place = sector * size
            if len(result) < place + len(version):
                result.extend(bytes(place + len(version) - len(result)))
            result[place:place + len(version)] = version
        if share == 0.0:
            length = len(self.durable)
        if len(result) < length:
            result.extend(bytes(length - len(result)))
        return bytes(result[:length])


class Volume:
    """A folder: which names lead to which files, surely and since the folder was last synced."""

    def __init__(self, folder, prefix):
        self.folder, self.prefix = str(folder), prefix
        self.files = {}
        # As it was at the start all is on the disk.
        self.durable = {}
        for path in pathlib.Path(folder).glob(prefix + "*"):
            self.files[path.stat().st_ino] = File(path.read_bytes())
            self.durable[str(path)] = self.files[path.stat().st_ino]
        self.pending = []
        self.begun = {}

    def replay(self, log):
        """Follows what the disk has told."""
        data = memoryview(log)
        position = 0
        while position + HEADER.size <= len(data):
            record, thread, inode, offset, length = HEADER.unpack_from(data, position)
            position += HEADER.size
            if position + length > len(data):
                break
            piece = bytes(data[position:position + length])
            position += length
            self._take(record, thread, inode, offset, piece)

    def _take(self, record, thread, inode, offset, piece):
        if record == CREATED:
            file = self.files[inode] = File()
            self.pending.append((piece.decode(), file))
        elif record == OPENED:
            if inode not in self.files and piece.decode() != self.folder:
                raise AssertionError(f"{piece.decode()} was opened, and nothing is known of it")
        elif record == REMOVED:
            self.pending.append((piece.decode(), None))
        elif inode not in self.files:
            if record == SYNC_BEGUN:
                self.begun[thread] = len(self.pending)
            elif record == SYNCED:
                count = self.begun.pop(thread)
                for name, file in self.pending[:count]:
                    self._rename(self.durable, name, file)
                self.pending = self.pending[count:]
        elif record == WRITTEN:
            self.files[inode].pending.append((offset, piece))
        elif record == TRUNCATED:
            self.files[inode].pending.append((offset, None))
        elif record == SYNC_BEGUN:
            self.files[inode].begin_sync(thread)
        else:
            self.files[inode].end_sync(thread, record == SYNCED)

    @staticmethod
    def _rename(names, name, file):
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file

    def cut_power(self, chance):
        """Puts onto the disk what is left. Names come and go in order: file systems keep a journal of them."""
        names = dict(self.durable)
        for name, file in self.pending[:chance.randint(0, len(self.pending))]:
            self._rename(names, name, file)
        left = {name: file.after_power_cut(chance) for name, file in names.items()}
        for path in pathlib.Path(self.folder).glob(self.prefix + "*"):
            path.unlink()
        for name, content in left.items():
            # The index of the WAL is shared memory: nothing of it can be relied upon.
            pathlib.Path(name).write_bytes(chance.randbytes(32_768) if name.endswith("-shm") else content)
