"""Reads what `strace -f -y` wrote and holds it to the promise: no 204 leaves before its event is synced."""

import dataclasses
import re

TRACED = "trace=accept4,accept,recvfrom,recvmsg,read,sendto,sendmsg,write,pwrite64,fdatasync,fsync,close"

_UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESULT = re.compile(r"\) += (-?\d+)(?:<.*>)?(?: .*)?$")
_DESCRIPTOR = re.compile(r"^(\d+)(?:<(.*?)>(?=[,)]|$))?")


@dataclasses.dataclass
class Call:
    name: str
    arguments: str
    began: int
    ended: int
    result: int

    @property
    def descriptor(self):
        match = _DESCRIPTOR.match(self.arguments)
        return int(match.group(1)) if match else None

    @property
    def path(self):
        match = _DESCRIPTOR.match(self.arguments)
        return match.group(2) or "" if match else ""


def read_trace(lines):
    """The calls in the order in which they began. A position is a line's number, which orders all threads: strace writes a
    line before the thread may go on."""
    calls, pending = [], {}
    for position, line in enumerate(lines):
        line = line.rstrip("\n")
        if match := _UNFINISHED.match(line):
            thread, name, arguments = match.groups()
            pending[thread] = Call(name, arguments, position, -1, 0)
            calls.append(pending[thread])
        elif match := _RESUMED.match(line):
            thread, name, rest = match.groups()
            call = pending.pop(thread, None)
            if call is None:
                continue
            call.arguments += rest
            call.ended = position
            found = _RESULT.search(rest)
            call.result = int(found.group(1)) if found else -1
        elif match := _WHOLE.match(line):
            _, name, arguments = match.groups()
            found = _RESULT.search(arguments)
            if found:
                calls.append(Call(name, arguments, position, position, int(found.group(1))))
    return calls


def is_acknowledgement(call):
    return call.name in ("sendto", "sendmsg", "write") and '"HTTP/1.1 204' in call.arguments


def check_trace(lines):
    """Each 204 needs, between the read of its request and the send: a write into the WAL, and then a sync of the WAL that
    began after that write and succeeded before the send began.

    Returns the number of acknowledgements seen and what is wrong with any.
    """
    calls = read_trace(lines)
    last_read, count, faults = {}, 0, []
    writes, syncs = [], []
    for call in calls:
        if call.ended < 0:
            # Cut off by the end of the process: it promised nothing to anybody who came later.
            call.ended = len(lines)
        if call.name == "close":
            last_read.pop(call.descriptor, None)
        elif call.name in ("recvfrom", "recvmsg", "read") and call.result > 0:
            last_read[call.descriptor] = call
        elif call.name == "pwrite64" and call.path.endswith("-wal"):
            writes.append(call)
        elif call.name in ("fdatasync", "fsync") and call.path.endswith("-wal"):
            syncs.append(call)
        elif is_acknowledgement(call):
            count += 1
            request = last_read.get(call.descriptor)
            if request is None:
                faults.append(f"line {call.began + 1}: a 204 without a request")
                continue
            written = [w for w in writes if w.began > request.ended and w.result > 0]
            if not any(
                sync.began > write.ended and sync.result == 0 and sync.ended < call.began
                for sync in syncs if sync.began > request.ended
                for write in written
            ):
                faults.append(f"line {call.began + 1}: a 204 before its commit was synced")
    return count, faults
