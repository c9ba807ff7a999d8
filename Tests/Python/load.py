"""Webhooks without a pause, each on a connection of its own, with what became of each."""

import contextlib
import socket
import threading
import uuid

from processes import PATIENCE, failure_event, raw_request, read_answer, sign, until


class Load:
    def __init__(self, port, senders=4, event_type="access_code.failed_to_set_on_device", enter=lambda: None):
        """`enter` is called on each sender's thread first, such as to go to another network."""
        self.port = port
        self.event_type = event_type
        self.enter = enter
        # (message ID, status); None for a connection that ended without one, a text for one that could not be made.
        self.answers = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._send) for _ in range(senders)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _send(self):
        self.enter()
        while not self.ended.is_set():
            message_id = f"msg_{uuid.uuid4().hex}"
            event = failure_event(str(uuid.uuid4()), str(uuid.uuid4()), event_type=self.event_type)
            request = raw_request(self.port, *sign(event, message_id=message_id))
            try:
                with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)) as connection:
                    connection.sendall(request)
                    self.answers.append((message_id, read_answer(connection)))
            except OSError as error:
                self.answers.append((message_id, repr(error)))

    def wait_for_more(self, count=4):
        before = len(self.answers)
        until("answers", lambda: len(self.answers) >= before + count)

    def statuses(self):
        return {answer for _, answer in self.answers}

    def acknowledged(self):
        return {message_id for message_id, answer in self.answers if answer == 204}
