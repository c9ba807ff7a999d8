"""Webhooks as Seam's sender makes them, signed beforehand."""

import base64
import hashlib
import hmac
import json
import time

KEY = b"sparekey-benchmark-key-0"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def event(event_type, **fields):
    """As long as Seam's own events are."""
    return json.dumps({
        "event_id": "b5e5f2a0-6f0e-4a40-9d3a-1f2a7b2c3d4e", "event_type": event_type,
        "workspace_id": "398d80b7-3f96-47c2-b85a-6f8ba21d07be", "created_at": "2026-05-01T12:00:00.000Z",
        "occurred_at": "2026-05-01T12:00:00.000Z", "device_id": "5e0e0d70-7b53-4b53-8a0c-0d7a2b1c3d4e",
        "connected_account_id": "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05", "device_custom_metadata": {"room": "12"},
        "connected_account_custom_metadata": {}, **fields,
    }).encode()


BODY = event("device.connected")


def headers(message_id, body, timestamp):
    code = hmac.digest(KEY, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return message_id, timestamp, f"v1,{base64.b64encode(code).decode()}"


def sign_requests(path, count, name):
    """A line "id timestamp signature" for each request with BODY."""
    timestamp = str(int(time.time()))
    with open(path, "w") as file:
        for number in range(count):
            file.write(" ".join(headers(f"msg_{name}{number:08d}", BODY, timestamp)) + "\n")


def request(message_id, body=BODY):
    """The bytes of one request, signed now."""
    signed = headers(message_id, body, str(int(time.time())))
    return (
        "POST /webhooks/seam HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Svix-Webhooks/1.84.0\r\nAccept: */*\r\n"
        "svix-id: {}\r\nsvix-timestamp: {}\r\nsvix-signature: {}\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n".format(*signed, len(body))
    ).encode() + body
