"""Signed webhooks over keep-alive connections, as many as the daemon answers, and the books on what it has promised."""

import base64
import collections
import contextlib
import hashlib
import hmac
import json
import selectors
import socket
import threading
import time
import uuid

from processes import PATIENCE, WEBHOOK_SECRET, in_hours, raw_request

KEY = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
FAILED = "access_code.failed_to_set_on_device"
SET = "access_code.set_on_device"


class Books:
    """Which messages were sent, which acknowledged. A message's number says all about it, so that half a million take no room.

    A guest's failure is told several times, as Seam does. One message in a hundred tells of the failure of a code that Seam does
    not know, most others of a code that was set.
    """

    def __init__(self, seed):
        self.seed = seed
        self.time = in_hours(0)
        self.sent = 0
        self.acknowledged = bytearray()
        self.count = 0
        self.unanswered = collections.deque()
        # Failures of guests' codes that wait to be sent, and those that were, by number.
        self.due = collections.deque()
        self.guests = {}
        self.statuses = collections.Counter()
        # Of all bodies from now on, where it is to be another than usual; what was sent before cannot be compared meanwhile.
        self.length = None

    def next(self):
        """The next message's number: one that was not answered comes again, as Svix sends it."""
        if self.unanswered:
            return self.unanswered.popleft()
        number = self.sent
        self.sent += 1
        self.acknowledged.append(0)
        if self.due and number % 8 == 0:
            self.guests[number] = self.due.popleft()
        return number

    def note(self, number, status):
        self.statuses[status] += 1
        if status == 204:
            self.count += not self.acknowledged[number]
            self.acknowledged[number] = 1
        else:
            self.unanswered.append(number)

    def message_id(self, number):
        return f"msg_{self.seed:08x}{number:019d}"

    def identifier(self, kind, number):
        return str(uuid.UUID(int=(self.seed << 96) + (kind << 64) + number))

    def is_stranger(self, number):
        return number % 100 == 1 and number not in self.guests

    def code(self, number):
        guest = self.guests.get(number)
        return guest[0] if guest else self.identifier(2, number)

    def body(self, number):
        guest = self.guests.get(number)
        # Most are as long as Seam's, some fill several pages.
        length = self.length or (24_000 if number % 97 == 5 else number * 7919 % 1500)
        return json.dumps({
            "event_id": self.identifier(1, number),
            "event_type": FAILED if guest or self.is_stranger(number) else SET,
            "workspace_id": "398d80b7-3f96-47c2-b85a-6f8ba21d07be", "created_at": self.time, "occurred_at": self.time,
            "access_code_id": self.code(number), "device_id": guest[1] if guest else self.identifier(3, number % 50),
            "connected_account_id": "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05", "filling": "f" * length,
        })

    def request(self, number, port):
        message_id, timestamp, body = self.message_id(number), str(int(time.time())), self.body(number).encode()
        code = hmac.digest(KEY, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
        headers = {
            "svix-id": message_id, "svix-timestamp": timestamp,
            "svix-signature": f"v1,{base64.b64encode(code).decode()}", "Content-Type": "application/json",
        }
        return raw_request(port, headers, body)


class Connection:
    def __init__(self, port, context=None):
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = port
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
        self.local_port = self.socket.getsockname()[1]
        self.number = None
        self.received = b""
        # Every number that was answered with 204, in order.
        self.acknowledged = []

    def send(self, number, request):
        self.number = number
        self.socket.sendall(request)

    def answer(self):
        """The status once a whole answer is there; None before. Raises ConnectionError where the connection has ended."""
        more = self.socket.recv(65_536)
        if not more:
            raise ConnectionResetError("closed")
        self.received += more
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        # None of the answers has a body.
        self.received = rest
        return int(head.split(b" ", 2)[1])


class Load:
    """A closed loop on each connection: the next message goes out when the last is answered."""

    def __init__(self, books, port, connections=16, context=None):
        self.books, self.port, self.context = books, port, context
        self.stopped = threading.Event()
        self.selector = selectors.DefaultSelector()
        self.lost = 0
        self.pause = 0.0
        self.connections = []
        for _ in range(connections):
            with contextlib.suppress(OSError):
                self.connections.append(self._connect())

    def _connect(self):
        connection = Connection(self.port, self.context)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _send(self, connection):
        number = self.books.next()
        try:
            connection.send(number, self.books.request(number, self.port))
        except OSError:
            self._drop(connection)

    def _drop(self, connection):
        """What was under way has no answer."""
        self.lost += 1
        self.books.unanswered.append(connection.number)
        connection.number = None
        self.selector.unregister(connection.socket)
        connection.socket.close()

    def run(self, seconds=PATIENCE, most=None, reconnects=False):
        """Runs until `stopped` is set, `most` messages more are acknowledged, the time is over or every connection has ended;
        then waits for the answers to what is under way. Returns whether all of it was answered."""
        end = time.monotonic() + seconds
        goal = None if most is None else self.books.count + most
        for key in list(self.selector.get_map().values()):
            if key.data.number is None:
                self._send(key.data)
        patience = None
        while self.selector.get_map():
            now = time.monotonic()
            is_over = self.stopped.is_set() or now > end or (goal is not None and self.books.count >= goal)
            if is_over:
                patience = patience or now + PATIENCE
                if not any(key.data.number is not None for key in self.selector.get_map().values()):
                    break
                if now > patience:
                    raise AssertionError(f"no answer within {PATIENCE} s")
            for key, _ in self.selector.select(0.05):
                connection = key.data
                try:
                    status = connection.answer()
                except OSError:
                    if connection.number is not None:
                        self._drop(connection)
                    else:
                        self.selector.unregister(connection.socket)
                    if reconnects and not is_over:
                        with contextlib.suppress(OSError):
                            self._send(self._connect())
                    continue
                if status is None:
                    continue
                self.books.note(connection.number, status)
                if status == 204:
                    connection.acknowledged.append(connection.number)
                elif self.pause:
                    time.sleep(self.pause)
                connection.number = None
                if not is_over:
                    self._send(connection)
        return self.lost == 0

    def close(self):
        for key in list(self.selector.get_map().values()):
            if key.data.number is not None:
                self._drop(key.data)
            else:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
        self.selector.close()
