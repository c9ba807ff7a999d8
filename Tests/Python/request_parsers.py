"""What Sparekey's parser, h11 and httptools make of a stream of requests, in the same words.

Each gives a reading: the requests it took for complete, and how it ended: "end" (all bytes belong to them), "more" (a request
has begun and is not complete), "closed" (the connection ends with the last request; what follows is not looked at), or
"refused".
"""

import collections
import os
import subprocess
import threading

import h11
import httptools

from processes import ROOT

Reading = collections.namedtuple("Reading", "requests end reason")
Request = collections.namedtuple("Request", "method target fields body")


def parse_requests_binary():
    return os.environ.get("SPAREKEY_PARSE_REQUESTS", str(ROOT / ".build/debug/parse-requests"))


def read_sparekey(streams):
    """Readings of many streams, by one process."""
    process = subprocess.Popen([parse_requests_binary()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def write():
        with process.stdin:
            for stream in streams:
                process.stdin.write(len(stream).to_bytes(4, "big") + stream)

    writer = threading.Thread(target=write)
    writer.start()
    readings = [_sparekey_reading(line.decode()) for line in process.stdout]
    writer.join()
    assert process.wait() == 0, "the parser trapped"
    assert len(readings) == len(streams)
    return readings


def _sparekey_reading(line):
    requests, end, reason = [], "end", ""
    for word in line.rstrip("\n").split("\t"):
        kind, *parts = word.split(":")
        if kind == "request":
            method, target, body, fields = parts
            pairs = [tuple(bytes.fromhex(half) for half in field.split("=")) for field in fields.split(",") if field]
            requests.append(Request(bytes.fromhex(method), bytes.fromhex(target), pairs, bytes.fromhex(body)))
        elif kind:
            end, reason = {"close": "closed"}.get(kind, kind), ":".join(parts)
    return Reading(requests, end, reason)


def read_h11(stream):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(stream)
    requests, head, body = [], None, b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                began = head is not None or connection.trailing_data[0] != b""
                return Reading(requests, "more" if began else "end", "")
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                requests.append(Request(bytes(head.method), bytes(head.target), list(head.headers), body))
                head = None
                # Answered, as by a server, so that the next may come; 404, for 200 to CONNECT would end HTTP.
                connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return Reading(requests, "closed", "")
                connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return Reading(requests, "refused", str(error))


class _Messages:
    """httptools' callbacks."""

    def __init__(self):
        self.requests, self.parser = [], None
        self.has_begun = self.is_closed = False

    def on_message_begin(self):
        self.target, self.fields, self.body = b"", [], b""
        self.has_begun = True

    def on_url(self, part):
        self.target += part

    def on_header(self, name, value):
        # llhttp leaves it to its user to take the blanks behind a value away (RFC 9110 5.5).
        self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self):
        # Taken here, for trailers come by the same callback.
        self.head = (self.parser.get_method(), self.target, list(self.fields))
        self.is_closed = not self.parser.should_keep_alive()

    def on_body(self, part):
        self.body += part

    def on_message_complete(self):
        self.requests.append(Request(*self.head, self.body))
        self.has_begun = False


def read_httptools(stream):
    messages = _Messages()
    messages.parser = httptools.HttpRequestParser(messages)
    end, reason = None, ""
    try:
        messages.parser.feed_data(stream)
    except httptools.HttpParserUpgrade:
        end = "upgrade"
    except httptools.HttpParserError as error:
        end, reason = "refused", f"{type(error).__name__}: {error}"
    if messages.requests and messages.is_closed and not messages.has_begun:
        # It refuses bytes after the last request; whoever closes does not look at them.
        end = "closed"
    return Reading(messages.requests, end or ("more" if messages.has_begun else "end"), reason)
