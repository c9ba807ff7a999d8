"""The program under test as processes: the simulated Seam, the daemon, and whoever sends it signed webhooks."""

import contextlib
import datetime
import http.server
import json
import os
import pathlib
import queue
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import uuid

import requests
import svix.webhooks

ROOT = pathlib.Path(__file__).resolve().parents[2]
API_KEY = "seam_test7Kq2mCanaryApiKey"
WEBHOOK_SECRET = "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0LTAx"
DELIVERY_SECRET = "whsec_Y2FuYXJ5LWRlbGl2ZXJ5LXNlY3JldC0y"
ADMIN_TOKEN = "canary-admin-token-0123456789"
# A machine under load is slow; what is waited for comes at once on an idle one.
PATIENCE = 30


def binary():
    return os.environ.get("SPAREKEY_BINARY", str(ROOT / ".build/debug/sparekey"))


def until(what, condition, seconds=PATIENCE):
    """Returns what `condition` gives once it is true; polls, and fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds} s")
        time.sleep(0.01)


def text(instant):
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def in_hours(hours):
    return text(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours))


def environment(**variables):
    """Nothing of whoever runs the tests but what a program needs to start."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "SWIFT_BACKTRACE": "enable=no", **variables}


def run(*arguments, env=None, **options):
    """Runs `sparekey` to its end."""
    return subprocess.run(
        [binary(), *map(str, arguments)], env=env or environment(), capture_output=True, text=True, timeout=60, **options
    )


class Child:
    """A process whose output goes to files, so that nothing waits for a reader."""

    def __init__(self, folder, name):
        folder.mkdir(exist_ok=True)
        self.stdout = folder / f"{name}.out"
        self.stderr = folder / f"{name}.err"
        self.process = None

    def spawn(self, arguments, env, **options):
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self.process = subprocess.Popen(
                arguments, env=env, stdin=subprocess.DEVNULL, **{"stdout": out, "stderr": err, **options}
            )

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def output(self):
        return "".join(file.read_text() for file in (self.stdout, self.stderr) if file.exists())

    def kill(self):
        if self.is_running():
            self.process.kill()
        if self.process is not None:
            self.process.wait(timeout=PATIENCE)

    def stop(self, sent=signal.SIGTERM, seconds=PATIENCE):
        """Sends a signal and returns the exit status."""
        self.process.send_signal(sent)
        return self.process.wait(timeout=seconds)


class Sandbox(Child):
    """`sparekey sandbox`, steered through its control routes."""

    def __init__(self, folder, *options):
        super().__init__(folder, "sandbox")
        self.session = requests.Session()
        self.spawn([binary(), "sandbox", "--port", "0", "--seed", "7", *options], environment())
        self.url = until("address of the sandbox", self._address)

    def _address(self):
        if not self.is_running():
            raise AssertionError(f"the sandbox ended: {self.output()}")
        line = self.stdout.read_text()
        return line.split(" at ")[1].strip() if line.endswith("\n") else None

    def control(self, path, **body):
        answer = self.session.post(f"{self.url}/sandbox/{path}", json=body, timeout=PATIENCE)
        assert answer.ok, answer.text
        return answer.json()

    def device(self, **body):
        return self.control("devices/create", **body)["device"]["device_id"]

    def failed_code(self, device_id, **body):
        """A guest's code that cannot be set, in the middle of the stay."""
        stay = {"starts_at": in_hours(-1), "ends_at": in_hours(72), "name": "Guest"}
        code = self.control("access_codes/create", device_id=device_id, **{**stay, **body})["access_code"]
        self.control("access_codes/fail", access_code_id=code["access_code_id"])
        return code["access_code_id"]

    def pulls(self, code_id):
        return self.control("counters")["pulls"].get(code_id, 0)

    def code(self, code_id):
        answer = self.session.post(
            f"{self.url}/access_codes/get", json={"access_code_id": code_id}, timeout=PATIENCE,
            headers={"authorization": f"Bearer {API_KEY}"},
        )
        assert answer.ok, answer.text
        return answer.json()["access_code"]


class Daemon(Child):
    """`sparekey serve` with a database of its own. `settings` are keys such as "log.level"; secrets go by environment."""

    def __init__(self, folder, sandbox_url="http://127.0.0.1:9", **settings):
        super().__init__(folder, "daemon")
        self.folder = folder
        self.database = folder / "sparekey.db"
        self.config = folder / "sparekey.yaml"
        self.settings = {
            "listen.host": "127.0.0.1", "listen.port": 0, "admin.host": "127.0.0.1", "admin.port": 0,
            "seam.base_url": sandbox_url, "database.path": str(self.database),
            "failover.retry_initial": "50ms", "failover.retry_max": "1s", "log.format": "json",
            **settings,
        }
        self.secrets = {
            "SPAREKEY_SEAM_API_KEY": API_KEY, "SPAREKEY_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SPAREKEY_ADMIN_TOKEN": ADMIN_TOKEN,
        }
        self.wrapper = []
        self.url = self.admin_url = None

    def write_config(self, **changes):
        """JSON is YAML."""
        self.settings.update(changes)
        tree = {}
        for key, value in self.settings.items():
            *sections, name = key.split(".")
            node = tree
            for section in sections:
                node = node.setdefault(section, {})
            node[name] = value
        self.config.write_text(json.dumps(tree, indent=1))

    def start(self, wait=True, **options):
        self.write_config()
        env = environment(**self.secrets, **options.pop("env", {}))
        offset = self.stderr.stat().st_size if self.stderr.exists() else 0
        self.spawn([*self.wrapper, binary(), "serve", "--config", str(self.config)], env, **options)
        if wait:
            until("daemon that is ready", lambda: self._is_ready(offset))
        return self

    def _is_ready(self, offset):
        if not self.is_running():
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.output()}")
        for line in self.log(offset):
            if line["message"] == "Ready":
                self.url, self.admin_url = line["webhooks"], line["admin"]
                return True
        return False

    def log(self, offset=0):
        with self.stderr.open("rb") as file:
            file.seek(offset)
            lines = file.read().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}\n")]

    def says(self, message):
        return any(line["message"].startswith(message) for line in self.log())

    @property
    def port(self):
        return int(self.url.split(":")[2].split("/")[0])

    def keep_ports(self):
        """So that a sender finds the daemon again after the next start."""
        self.settings["listen.port"] = self.port
        self.settings["admin.port"] = int(self.admin_url.split(":")[2])

    def get(self, path, **options):
        return requests.get(self.admin_url + path, timeout=PATIENCE, **options)

    def metric(self, name):
        """The value of a series, by its name and labels as `/metrics` prints them."""
        for line in self.get("/metrics").text.splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return None

    def query(self, sql, *arguments):
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=PATIENCE)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, arguments)]

    def substituted(self, count=1):
        rows = self.query("select * from substitution_log")
        return rows if len(rows) >= count else None


def failure_event(code_id, device_id, **members):
    return {
        "event_id": str(uuid.uuid4()), "event_type": "access_code.failed_to_set_on_device",
        "workspace_id": str(uuid.uuid4()), "created_at": in_hours(0), "occurred_at": in_hours(0),
        "access_code_id": code_id, "device_id": device_id, "connected_account_id": str(uuid.uuid4()), **members,
    }


def sign(event, secret=WEBHOOK_SECRET, message_id=None, at=None):
    """The headers and the body that Svix would send."""
    body = event if isinstance(event, str) else json.dumps(event)
    message_id = message_id or f"msg_{uuid.uuid4().hex[:27]}"
    at = at or datetime.datetime.now(datetime.timezone.utc)
    signature = svix.webhooks.Webhook(secret).sign(message_id, at, body)
    headers = {
        "content-type": "application/json", "svix-id": message_id, "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": signature,
    }
    return headers, body.encode()


def post(url, event, **options):
    headers, body = sign(event, **options)
    return requests.post(url, data=body, headers=headers, timeout=PATIENCE)


def raw_request(port, headers, body, path="/webhooks/seam"):
    head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def read_answer(connection):
    """The status of one bodiless answer; None where the connection ended before it."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = connection.recv(4096)
        except ConnectionError:
            return None
        if not more:
            return None
        data += more
    return int(data.split(b" ")[1])


class Receiver:
    """Takes webhooks on a free port of this machine."""

    def __init__(self):
        received = self.received = queue.Queue()
        owner = self
        self.status = 204

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(owner.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/seam"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, event_type=None, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while True:
            try:
                headers, body = self.received.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no webhook {event_type} within {seconds} s") from None
            parsed = json.loads(body)
            if event_type in (None, parsed.get("event_type"), parsed.get("type")):
                return headers, body

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def unread_bytes(server_port, client_port):
    """What the kernel holds for the server's end of a connection on 127.0.0.1 and the server has not read yet."""
    wanted = (f":{server_port:04X}", f":{client_port:04X}")
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(wanted[0]) and fields[2].endswith(wanted[1]):
            return int(fields[4].split(":")[1], 16)
    return None


def datagram_socket(address):
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(address)
    listening.settimeout(PATIENCE)
    return listening
