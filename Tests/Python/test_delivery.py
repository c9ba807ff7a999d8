"""How the guest's side is told: verified by the published libraries, never lost, the same ID for every repeat."""

import http.server
import json
import pathlib
import queue
import subprocess
import sys
import threading

import pytest
import standardwebhooks
import svix.webhooks

from processes import DELIVERY_SECRET, PATIENCE, ROOT, environment, failure_event, post, run, until

MAIL_GUEST = ROOT / "config/examples/mail-guest"


class Judge:
    """A receiver whose answer to each message the test decides: a status, or None for no answer at all."""

    def __init__(self):
        self.received = queue.Queue()
        self.answer = lambda message: 204
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                owner.received.put((headers, body))
                status = owner.answer(json.loads(body))
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/guests"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.received.get(timeout=PATIENCE)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def judge():
    judge = Judge()
    yield judge
    judge.close()


@pytest.fixture
def failing_guest(sandbox):
    """A daemon's failed guest code, told by webhook: (device, code)."""
    device_id = sandbox.device(name="Front door", time_zone="Europe/Vienna", pool_size=3)
    return device_id, sandbox.failed_code(device_id, name="Guest 7")


def start(make_daemon, sandbox, guest, **settings):
    daemon = make_daemon(
        sandbox_url=sandbox.url, **{"delivery.retry_initial": "50ms", "delivery.retry_max": "200ms", **settings}
    )
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    if "delivery.webhook.url" not in settings:
        del daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"]
    daemon.start()
    device_id, code_id = guest
    assert post(daemon.url, failure_event(code_id, device_id)).status_code == 204
    return daemon


def rows(daemon):
    return daemon.query("select * from deliveries where kind <> 'alert' order by rowid")


def delivered(daemon):
    found = rows(daemon)
    return found if any(row["state"] == "delivered" for row in found) else None


def test_published_libraries_verify(sandbox, make_daemon, judge, failing_guest):
    start(make_daemon, sandbox, failing_guest, **{"delivery.webhook.url": judge.url, "delivery.language": "de"})
    headers, body = judge.next()
    for library in (standardwebhooks.Webhook(DELIVERY_SECRET), svix.webhooks.Webhook(DELIVERY_SECRET)):
        message = library.verify(body, headers)
        assert message["type"] == "substitution.created"
        assert message["data"]["message"].startswith("Guten Tag Guest 7, Ihr Türcode für Front door hat sich geändert.")
        assert message["data"]["backup_code"] in message["data"]["message"]
        with pytest.raises(Exception):
            library.verify(body + b" ", headers)
    with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_b3RoZXI=").verify(body, headers)


def test_killed_while_it_sends(sandbox, make_daemon, judge, failing_guest):
    holding = threading.Event()
    judge.answer = lambda message: holding.wait(PATIENCE) and None
    daemon = start(make_daemon, sandbox, failing_guest, **{"delivery.webhook.url": judge.url})
    first, _ = judge.next()
    daemon.kill()
    assert [row["state"] for row in rows(daemon)] == ["pending"]
    holding.set()
    judge.answer = lambda message: 204
    daemon.start()
    second, _ = judge.next()
    assert second["webhook-id"] == first["webhook-id"]
    (row,) = until("delivery", lambda: delivered(daemon))
    assert row["delivery_id"] == first["webhook-id"]


def test_killed_between_send_and_record(sandbox, make_daemon, judge, failing_guest):
    daemons = []

    def answer(message):
        # The receiver has it; the daemon never learns.
        if daemons:
            daemons.pop().kill()
        return 204

    ready = threading.Event()
    judge.answer = lambda message: (ready.wait(PATIENCE), answer(message))[1]
    daemon = start(make_daemon, sandbox, failing_guest, **{"delivery.webhook.url": judge.url})
    daemons.append(daemon)
    ready.set()
    first, body = judge.next()
    until("end of the daemon", lambda: not daemon.is_running())
    assert [row["state"] for row in rows(daemon)] == ["pending"]
    daemon.start()
    second, again = judge.next()
    assert second["webhook-id"] == first["webhook-id"]
    assert json.loads(again) == json.loads(body)
    until("delivery", lambda: delivered(daemon))


def test_killed_by_its_own_command(sandbox, make_daemon, failing_guest, tmp_path):
    log = tmp_path / "told.log"
    script = tmp_path / "tell"
    script.write_text(f'#!/bin/sh\ncat >> "{log}"\n[ -e "{tmp_path}/killed" ] || {{ : > "{tmp_path}/killed"; kill -9 $PPID; }}\n')
    script.chmod(0o755)
    daemon = start(make_daemon, sandbox, failing_guest, **{"delivery.command": [str(script)]})
    until("end of the daemon", lambda: not daemon.is_running())
    assert [row["state"] for row in rows(daemon)] == ["pending"]
    daemon.start()
    until("delivery", lambda: delivered(daemon))
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(told) == 2 and told[0] == told[1]


def test_killed_between_claim_and_acknowledgement(sandbox, make_daemon, failing_guest):
    daemon = start(make_daemon, sandbox, failing_guest, **{"delivery.claim_lease": "1s"})
    until("substitution", daemon.substituted)
    env = environment(**daemon.secrets)

    def claim():
        result = run("deliveries", "claim", "--json", "--config", daemon.config, env=env)
        return json.loads(result.stdout) if result.returncode == 0 else None

    first = until("claim", claim)
    assert claim() is None
    daemon.kill()
    # The lease runs out though nothing runs, and the next one gets the same.
    assert until("claim that came back", claim) == first
    daemon.start()
    assert run("deliveries", "ack", first["id"], "--config", daemon.config, env=env).returncode == 0
    assert delivered(daemon)
    assert claim() is None


def test_next_way_when_the_first_is_down(sandbox, make_daemon, judge, failing_guest, tmp_path):
    """Down for good: the next is told in time, and the first is asked no more."""
    judge.answer = lambda message: 500
    told = tmp_path / "told.json"
    script = tmp_path / "tell"
    script.write_text(f'#!/bin/sh\ncat > "{told}"\n')
    script.chmod(0o755)
    daemon = start(
        make_daemon, sandbox, failing_guest,
        **{
            "delivery.webhook.url": judge.url, "delivery.command": [str(script)],
            "delivery.order": ["webhook", "command"], "delivery.fallback_after": "1s",
        },
    )
    until("delivery", lambda: delivered(daemon))
    webhook, command = rows(daemon)
    assert (webhook["channel"], webhook["state"], webhook["last_error"]) == ("webhook", "failed", "told_by_command")
    assert (command["channel"], command["state"]) == ("command", "delivered")
    assert webhook["attempts"] > 1
    assert json.loads(told.read_text())["data"]["backup_code"]


def test_purge_beside_a_daemon(sandbox, make_daemon, failing_guest):
    daemon = start(make_daemon, sandbox, failing_guest, **{"retention.pins": "0s"})
    until("substitution", daemon.substituted)
    result = run("purge", "--config", daemon.config, env=environment(**daemon.secrets))
    assert result.returncode == 0, result.stderr
    # The stay goes on: its PIN is needed.
    assert daemon.query("select backup_code from substitutions")[0]["backup_code"]


def test_a_crash_leaves_no_core(make_daemon):
    daemon = make_daemon()
    daemon.wrapper = ["/bin/sh", "-c", 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"', "sh"]
    daemon.start()
    limits = pathlib.Path(f"/proc/{daemon.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


# The worked example


def mail(delivery, tmp_path, sendmail='cat > "$0.mail"; printf "%s\\n" "$@" > "$0.arguments"', arguments=()):
    program = tmp_path / "sendmail"
    program.write_text("#!/bin/sh\n" + sendmail + "\n")
    program.chmod(0o755)
    result = subprocess.run(
        [sys.executable, str(MAIL_GUEST), "--to", "desk@example.com", "--from", "sparekey@example.com",
         "--sendmail", str(program), *arguments],
        input=json.dumps(delivery), capture_output=True, text=True, timeout=PATIENCE, env={"PATH": "/usr/bin:/bin"},
    )
    return result.returncode


def a_delivery(**data):
    return {
        "id": "dlv_1", "type": "substitution.created", "timestamp": "2026-11-20T16:20:02.400Z",
        "data": {"backup_code": "739146", "custom_metadata": {}, "message": "Türcode 739146", **data},
    }


def test_mail_goes_out(tmp_path):
    assert mail(a_delivery(), tmp_path) == 0
    sent = (tmp_path / "sendmail.mail").read_text()
    assert "To: desk@example.com" in sent and "Message-ID: <dlv_1@sparekey.invalid>" in sent
    assert "739146" not in sent.split("\n\n")[0]
    arguments = (tmp_path / "sendmail.arguments").read_text().split("\n")[:-1]
    assert arguments == ["-i", "-f", "sparekey@example.com", "--", "desk@example.com"]
    assert mail(a_delivery(custom_metadata={"mail": "house7@example.com"}), tmp_path) == 0
    assert "To: house7@example.com" in (tmp_path / "sendmail.mail").read_text()


def test_mail_that_cannot_go_now_is_tried_again(tmp_path):
    assert mail(a_delivery(), tmp_path, sendmail="exit 69") == 75
    assert mail(a_delivery(), tmp_path, arguments=["--sendmail", "/no/such/sendmail"]) == 75


@pytest.mark.parametrize("data", [
    {"message": None}, {"custom_metadata": {"mail": "a@example.com\nBcc: b@example.com"}},
    {"custom_metadata": {"mail": "-oQ/tmp"}},
])
def test_mail_that_can_never_go(tmp_path, data):
    assert mail(a_delivery(**data), tmp_path) == 1
    assert not pathlib.Path(tmp_path / "sendmail.mail").exists()


def test_mail_by_the_daemon(sandbox, make_daemon, failing_guest, tmp_path):
    program = tmp_path / "sendmail"
    program.write_text('#!/bin/sh\ncat > "$0.mail"\n')
    program.chmod(0o755)
    daemon = start(
        make_daemon, sandbox, failing_guest,
        **{"delivery.command": [
            sys.executable, str(MAIL_GUEST), "--to", "desk@example.com", "--from", "sparekey@example.com",
            "--sendmail", str(program),
        ]},
    )
    until("delivery", lambda: delivered(daemon))
    assert daemon.query("select backup_code from substitutions")[0]["backup_code"] in (tmp_path / "sendmail.mail").read_text()
