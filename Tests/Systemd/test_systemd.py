"""The package on a machine of its own, under a real systemd. The tests are one story, in the order of this file."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import uuid

import pytest
import requests

from conftest import ROOT, package
from load import Load
from processes import PATIENCE, failure_event, in_hours, sign, until

SECRET = "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0LTAx"
API_KEY = "seam_test7Kq2mCanaryApiKey"
TOKEN = "canary-admin-token-0123456789"
PIN = "90317462"
RESTARTS = int(os.environ.get("SPAREKEY_RESTARTS", "50"))

CONFIGURATION = """\
listen:
  port: {port}
admin:
  port: {admin}
seam:
  base_url: http://127.0.0.1:4444
database:
  path: {database}
"""


def configuration(port=8443, admin=9464, database="/var/lib/sparekey/sparekey.db", more=""):
    return CONFIGURATION.format(port=port, admin=admin, database=database) + more


def load(machine):
    # Nothing to do follows from these: what is looked at is the way of the webhooks.
    return Load(8443, event_type="device.connected", enter=machine.enter_network)


def stored(machine):
    return set(machine.run("sqlite3", "/var/lib/sparekey/sparekey.db", "SELECT svix_id FROM webhook_events").stdout.split())


def check_that_all_came(load, machine):
    """Every one was answered at the first try, and is stored."""
    assert load.statuses() == {204}
    assert load.acknowledged() <= stored(machine)


def main_pid(machine, unit="sparekey.service"):
    return int(machine.property(unit, "MainPID"))


def get(machine, path, port=9464, **options):
    return machine.in_network(lambda: requests.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE, **options))


def post(machine, event, port=8443):
    headers, body = sign(event)
    url = f"http://127.0.0.1:{port}/webhooks/seam"
    return machine.in_network(lambda: requests.post(url, data=body, headers=headers, timeout=PATIENCE))


def control(machine, path, **body):
    answer = machine.in_network(lambda: requests.post(f"http://127.0.0.1:4444/sandbox/{path}", json=body, timeout=PATIENCE))
    assert answer.ok, answer.text
    return answer.json()


def metric(machine, name):
    for line in get(machine, "/metrics").text.splitlines():
        if line.rpartition(" ")[0] == name:
            return float(line.rpartition(" ")[2])
    return None


def an_event():
    return failure_event(str(uuid.uuid4()), str(uuid.uuid4()))


# Installed


def test_installed_and_not_started(machine, record_property):
    assert machine.run("systemctl", "is-enabled", "sparekey", check=False).stdout.strip() == "disabled"
    assert machine.run("systemctl", "is-active", "sparekey", check=False).stdout.strip() == "inactive"
    owner = "stat -c '%U:%G %a' /etc/sparekey /etc/sparekey/sparekey.yaml /var/lib/sparekey"
    assert machine.shell(owner).stdout.split("\n")[:3] == ["root:sparekey 750", "root:sparekey 640", "sparekey:sparekey 750"]
    assert machine.run("dpkg", "--verify", "sparekey").stdout == ""
    record_property("package, bytes", package().stat().st_size)
    record_property("installed, KiB", machine.run("dpkg-query", "-W", "-f", "${Installed-Size}", "sparekey").stdout)


def test_unconfigured_it_says_what_is_missing_and_rests(machine):
    assert machine.run("systemctl", "start", "sparekey.service", check=False).returncode != 0
    assert machine.property("sparekey.service", "ExecMainStatus") == "78"
    assert machine.property("sparekey.service", "NRestarts") == "0"
    said = "\n".join(line["MESSAGE"] for line in machine.journal())
    assert "webhook.secret" in said and "seam.api_key" in said
    # A webhook that waits at the socket has it started again, but not at once.
    waiting = machine.in_network(lambda: socket.create_connection(("127.0.0.1", 8443), timeout=PATIENCE))

    def starts():
        return [int(line["__MONOTONIC_TIMESTAMP"]) for line in machine.journal() if line["MESSAGE"].startswith("Starting ")]

    first, second = until("another start", lambda: starts()[1:] and starts()[:2])
    assert second - first > 9_000_000, "microseconds"
    waiting.close()
    machine.run("systemctl", "stop", "sparekey.socket")
    until("the end of its rest", lambda: machine.property("sparekey.service", "ActiveState") == "failed")
    machine.run("systemctl", "reset-failed", "sparekey.service")


# Started


def test_started_with_credentials(machine, record_property):
    machine.path("/etc/sparekey/sparekey.yaml").write_text(configuration())
    machine.run("mkdir", "-p", "/etc/credstore")
    for name, secret in (("seam-api-key", API_KEY), ("webhook-secret", SECRET), ("admin-token", TOKEN)):
        machine.shell(f"umask 077; cat > /etc/credstore/sparekey.{name}", input=secret + "\n")
    machine.run("systemd-run", "--unit=seam", "sparekey", "sandbox", "--port", "4444", "--seed", "7")
    until("the simulated Seam", lambda: machine.run("curl", "-s", "http://127.0.0.1:4444/", check=False).returncode == 0)
    began = time.monotonic()
    machine.run("systemctl", "enable", "--now", "sparekey")
    record_property("systemctl enable --now, seconds", round(time.monotonic() - began, 2))
    assert machine.property("sparekey.service", "SubState") == "running"
    assert "Taking webhooks at" in machine.property("sparekey.service", "StatusText")
    assert machine.run("systemctl", "is-enabled", "sparekey.socket").stdout.strip() == "enabled"
    assert machine.property("sparekey.socket", "SubState") == "running"
    assert get(machine, "/readyz").status_code == 200
    assert get(machine, "/api/substitutions", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert post(machine, an_event()).status_code == 204

    pid = main_pid(machine)
    assert machine.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip() == "sparekey"
    status = machine.shell(f"cat /proc/{pid}/status").stdout
    assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    environ = machine.shell(f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout
    for secret in (API_KEY, SECRET, TOKEN):
        assert secret not in environ
    stamps = [int(machine.property("sparekey.service", name)) for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")]
    record_property("from start to ready, milliseconds", round((stamps[1] - stamps[0]) / 1000))
    record_property("memory at rest, KiB", re.search(r"^VmRSS:\s+(\d+)", status, re.M).group(1))


def test_from_failure_to_log(machine):
    control(machine, "webhooks/create", url="http://127.0.0.1:8443/webhooks/seam", secret=SECRET)
    device_id = control(machine, "devices/create", name="Front door")["device"]["device_id"]
    control(machine, "pool/set", device_id=device_id, next_code=PIN)
    code = control(
        machine, "access_codes/create", device_id=device_id, name="Guest", starts_at=in_hours(-1), ends_at=in_hours(72))
    code_id = code["access_code"]["access_code_id"]
    control(machine, "access_codes/fail", access_code_id=code_id)

    def substituted():
        rows = json.loads(machine.run("sparekey", "log", "--format", "json").stdout)
        return [row for row in rows if row.get("access_code_id", row.get("original_access_code_id")) == code_id
                and row.get("state") == "substituted"]

    until("substitution in the log", substituted)


def test_journal(machine):
    lines = machine.journal("sparekey.service", "_COMM=sparekey")
    (ready,) = [line for line in lines if line["MESSAGE"].startswith("Ready")][-1:]
    assert ready["PRIORITY"] == "5"
    assert {line["PRIORITY"] for line in lines} <= {"2", "3", "4", "5", "6"}
    # By its own field, as an operator would look for one guest's code.
    (code_id,) = machine.run("sqlite3", "/var/lib/sparekey/sparekey.db", "SELECT original_access_code_id FROM substitutions").stdout.split()
    found = machine.run("journalctl", "-o", "json", f"SPAREKEY_ACCESS_CODE_ID={code_id}").stdout.splitlines()
    replaced = [json.loads(line) for line in found if "replaces an access code" in line]
    assert replaced and replaced[0]["SPAREKEY_SUBSTITUTION_ID"].startswith("sub_") and replaced[0]["PRIORITY"] == "5"
    said = "\n".join(json.dumps(line) for line in lines)
    for secret in (PIN, API_KEY, SECRET, TOKEN):
        assert secret not in said


def check(machine, who="root", path="/etc/sparekey/sparekey.yaml", **env):
    """The findings of `sparekey check`, by ID."""
    variables = [f"{name}={value}" for name, value in env.items()]
    shown = machine.run("runuser", "-u", who, "--", "env", *variables, "sparekey", "check", "--config", path, "--json", check=False)
    return {finding["id"]: finding for finding in json.loads(shown.stdout)["findings"]}


def test_check_while_only_the_socket_listens(machine):
    machine.run("systemctl", "stop", "sparekey.service")
    assert machine.property("sparekey.socket", "ActiveState") == "active"
    secrets = {"SPAREKEY_SEAM_API_KEY": API_KEY, "SPAREKEY_WEBHOOK_SECRET": SECRET, "SPAREKEY_ADMIN_TOKEN": TOKEN}
    found = check(machine)["listen.ok"]
    assert found["detail"] == "sparekey.socket holds listen.port 8443" and "which does not run" in found["title"]
    # Without a bus systemd tells only root; a port is not called taken for that.
    found = check(machine, "sparekey", **secrets)
    assert "listen.port 8443" in found["listen.unknown"]["detail"] and "listen.port_taken" not in found
    # For another workspace it is in the way.
    machine.path("/etc/sparekey/other.yaml").write_text(configuration(admin=9470, database="/var/lib/sparekey/other/sparekey.db"))
    machine.run("chown", "root:sparekey", "/etc/sparekey/other.yaml")
    findings = check(machine, "root", "/etc/sparekey/other.yaml", **secrets)
    assert "sparekey.socket listens there for sparekey.service" in findings["listen.port_taken"]["detail"]
    machine.path("/etc/sparekey/other.yaml").unlink()
    machine.run("systemctl", "start", "sparekey.service")
    findings = check(machine)
    assert findings["listen.ok"]["title"] == "The daemon runs and has its ports"
    assert f"process {main_pid(machine)}" in findings["listen.ok"]["detail"]


def test_reload(machine):
    machine.path("/etc/sparekey/sparekey.yaml").write_text(configuration(more="log:\n  level: debug\n"))
    machine.run("systemctl", "reload", "sparekey")
    until("reload", lambda: metric(machine, "sparekey_reload_success") == 1)

    pid = main_pid(machine)
    machine.path("/etc/sparekey/sparekey.yaml").write_text(configuration(more="log:\n  level: loud\n"))
    machine.run("systemctl", "reload", "sparekey", check=False)
    until("refusal", lambda: metric(machine, "sparekey_reload_success") == 0)
    until("status", lambda: "reload refused" in machine.property("sparekey.service", "StatusText"))
    assert main_pid(machine) == pid
    assert post(machine, an_event()).status_code == 204
    refused = [line for line in machine.journal() if line["MESSAGE"].startswith("The new configuration was refused")]
    assert refused[-1]["PRIORITY"] == "3" and "log.level" in refused[-1]["SPAREKEY_ERROR"]

    machine.path("/etc/sparekey/sparekey.yaml").write_text(configuration())
    machine.run("systemctl", "reload", "sparekey")
    until("reload", lambda: metric(machine, "sparekey_reload_success") == 1)


def test_watchdog(machine):
    """A process that does nothing is killed and started again, and what came meanwhile is answered."""
    drop_in = machine.path("/etc/systemd/system/sparekey.service.d")
    drop_in.mkdir(parents=True)
    drop_in.joinpath("watchdog.conf").write_text("[Service]\nWatchdogSec=3s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "sparekey")
    pid = main_pid(machine)
    # Longer than the watchdog's time: it is fed.
    time.sleep(7)
    assert main_pid(machine) == pid
    machine.shell(f"kill -STOP {pid}")
    assert post(machine, an_event()).status_code == 204
    until("another process", lambda: main_pid(machine) not in (0, pid))
    # What systemd itself says of the unit.
    said = [line["MESSAGE"] for line in machine.journal() if line.get("_PID") == "1" or line.get("_COMM") == "systemd"]
    assert any("Watchdog timeout" in message for message in said)
    assert int(machine.property("sparekey.service", "NRestarts")) >= 1
    drop_in.joinpath("watchdog.conf").unlink()
    drop_in.rmdir()
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "sparekey")


def test_restarts_under_load(machine, record_property):
    with load(machine) as sent:
        for _ in range(RESTARTS):
            sent.wait_for_more()
            machine.run("systemctl", "restart", "sparekey")
        sent.wait_for_more()
    check_that_all_came(sent, machine)
    record_property("restarts under load", RESTARTS)
    record_property("webhooks meanwhile, each answered 204 at the first try", len(sent.answers))


def test_a_crash_under_load(machine):
    """What was being answered when it was killed is lost to its sender; nothing is refused, and no 204 is untrue."""
    with load(machine) as sent:
        for _ in range(5):
            sent.wait_for_more()
            pid = main_pid(machine)
            machine.shell(f"kill -KILL {pid}")
            until("another process", lambda: main_pid(machine) not in (0, pid))
        sent.wait_for_more()
    assert sent.statuses() <= {204, None}, "a connection was refused"
    assert sent.acknowledged() <= stored(machine)


# Packages


def test_upgrade_under_load(machine, tmp_path):
    binary = machine.path("/usr/bin/sparekey")
    built = subprocess.run(
        [ROOT / "config/debian/build", str(binary), str(tmp_path)], env={**os.environ, "DEB_REVISION": "2"},
        check=True, capture_output=True, text=True,
    )
    newer = pathlib.Path(built.stdout.strip())
    machine.path("/root").joinpath(newer.name).write_bytes(newer.read_bytes())
    pid = main_pid(machine)
    configured = machine.path("/etc/sparekey/sparekey.yaml").read_text()
    with load(machine) as sent:
        sent.wait_for_more()
        machine.run("dpkg", "-i", f"/root/{newer.name}")
        sent.wait_for_more()
    check_that_all_came(sent, machine)
    assert main_pid(machine) != pid
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "sparekey").stdout.endswith("-2")
    assert machine.path("/etc/sparekey/sparekey.yaml").read_text() == configured
    assert machine.run("systemctl", "is-enabled", "sparekey").stdout.strip() == "enabled"


def test_an_instance_beside_it(machine):
    """Another workspace on the same machine: its own configuration, database, ports and secrets."""
    database = "/var/lib/sparekey/two/sparekey.db"
    machine.path("/etc/sparekey/two.yaml").write_text(configuration(8444, 9465, database))
    machine.run("chown", "root:sparekey", "/etc/sparekey/two.yaml")
    for name, secret in (("seam-api-key", API_KEY), ("webhook-secret", SECRET)):
        machine.shell(f"umask 077; cat > /etc/credstore/sparekey.two.{name}", input=secret + "\n")
    drop_in = machine.path("/etc/systemd/system/sparekey@two.socket.d")
    drop_in.mkdir()
    drop_in.joinpath("port.conf").write_text("[Socket]\nListenStream=8444\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "sparekey@two.socket", "sparekey@two.service")
    assert get(machine, "/readyz", port=9465).status_code == 200
    assert post(machine, an_event(), port=8444).status_code == 204
    assert machine.run("sqlite3", database, "SELECT count(*) FROM webhook_events WHERE source = 'webhook'").stdout.strip() == "1"
    # Its secrets are found where its unit finds them, and a new one goes there.
    findings = check(machine, path="/etc/sparekey/two.yaml")
    assert "configuration.error" not in findings and "secrets.ok" in findings
    assert "sparekey@two.socket holds listen.port 8444" in findings["listen.ok"]["detail"]
    registered = machine.run(
        "sparekey", "webhook", "register", "--config", "/etc/sparekey/two.yaml", "--url", "https://two.example/webhooks/seam").stdout
    assert "/etc/credstore/sparekey.two.webhook-secret (mode 0600, owner root)" in registered
    assert "sudo systemctl restart sparekey@two\n" in registered
    assert "sudo sparekey check --config /etc/sparekey/two.yaml\n" in registered
    assert machine.path("/etc/credstore/sparekey.webhook-secret").read_text() == SECRET + "\n"
    # The log of the other is not for it to write, even if its configuration says so.
    machine.path("/etc/sparekey/two.yaml").write_text(configuration(8444, 9465))
    machine.run("systemctl", "restart", "sparekey@two", check=False)
    assert machine.run("systemctl", "is-active", "sparekey@two", check=False).stdout.strip() != "active"
    assert machine.run("systemctl", "is-active", "sparekey").stdout.strip() == "active"
    machine.run("systemctl", "disable", "--now", "sparekey@two.socket", "sparekey@two.service")


def test_remove_keeps_and_purge_deletes(machine):
    machine.run("apt-get", "remove", "-y", "sparekey")
    assert machine.run("systemctl", "is-active", "sparekey.service", "sparekey.socket", check=False).stdout.split() == ["inactive"] * 2
    for kept in ("/var/lib/sparekey/sparekey.db", "/etc/sparekey/sparekey.yaml", "/etc/credstore/sparekey.seam-api-key"):
        assert machine.path(kept).exists(), kept
    assert not machine.path("/usr/bin/sparekey").exists()
    machine.run("apt-get", "purge", "-y", "sparekey", input="")
    for gone in ("/var/lib/sparekey", "/etc/sparekey", "/etc/credstore/sparekey.seam-api-key"):
        assert not machine.path(gone).exists(), gone
    left = machine.shell("find / -xdev -name '*sparekey*' -not -path '/proc/*' -not -path '/root/*' -not -path '/run/*' -not -path '/tmp/*' -not -path '/var/tmp/*' || true").stdout.split()
    # Drop-ins are the operator's, the cache apt's.
    assert [path for path in left if not path.startswith(("/etc/systemd/system/sparekey@two", "/var/cache/", "/sys/"))] == []
