"""The daemon as a process: what it accepts, how it is told things, and that nothing outside holds it up."""

import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import uuid

import pytest
import requests
import standardwebhooks

from processes import (
    ADMIN_TOKEN, DELIVERY_SECRET, PATIENCE, WEBHOOK_SECRET, Child, binary, datagram_socket, environment, failure_event, post,
    raw_request, read_answer, run, sign, until,
)

OTHER_SECRET = "whsec_c2Vjb25kLXNlY3JldC13aGlsZS1yb3RhdGluZw=="


def an_event():
    return failure_event(str(uuid.uuid4()), str(uuid.uuid4()))


def test_official_signatures(make_daemon):
    """What svix signs is taken; anything else is refused without a word."""
    daemon = make_daemon().start()
    assert post(daemon.url, an_event()).status_code == 204
    wrong = post(daemon.url, an_event(), secret=OTHER_SECRET)
    assert (wrong.status_code, wrong.content) == (401, b"")
    headers, body = sign(an_event())
    assert requests.post(daemon.url, data=body + b" ", headers=headers, timeout=PATIENCE).status_code == 401
    del headers["svix-signature"]
    assert requests.post(daemon.url, data=body, headers=headers, timeout=PATIENCE).status_code == 401
    # The same scheme under the names of Standard Webhooks, signed by its own library.
    headers, body = sign(an_event())
    at = standardwebhooks.webhooks.datetime.fromtimestamp(int(headers["svix-timestamp"]))
    signature = standardwebhooks.Webhook(WEBHOOK_SECRET).sign("msg_standard", at, body.decode())
    standard = {"webhook-id": "msg_standard", "webhook-timestamp": headers["svix-timestamp"], "webhook-signature": signature}
    assert requests.post(daemon.url, data=body, headers=standard, timeout=PATIENCE).status_code == 204
    assert len(daemon.query("select * from webhook_events")) == 2


def test_from_failure_to_guest(sandbox, make_daemon, receiver):
    """The whole way with the sandbox's own webhooks: the guest's side gets the PIN, signed."""
    daemon = make_daemon(sandbox_url=sandbox.url, **{"delivery.webhook.url": receiver.url})
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    daemon.start()
    sandbox.control("webhooks/create", url=daemon.url, secret=WEBHOOK_SECRET)
    device_id = sandbox.device(name="Front door", time_zone="Europe/Vienna")
    code_id = sandbox.failed_code(device_id, name="Guest 7")
    headers, body = receiver.next("substitution.created")
    message = standardwebhooks.Webhook(DELIVERY_SECRET).verify(body, headers)
    assert message["id"] == headers["webhook-id"]
    backup = sandbox.code(message["data"]["backup_access_code_id"])
    assert message["data"]["original_access_code_id"] == code_id
    assert message["data"]["backup_code"] == backup["code"]
    assert message["data"]["time_zone"] == "Europe/Vienna"
    (row,) = until("delivery", lambda: daemon.query("select * from substitution_log where delivery_state = 'delivered'"))
    assert row["backup_code"] == backup["code"]
    states = {m["state"] for m in sandbox.control("webhooks/messages")["messages"] if m["event_type"].endswith("failed_to_set_on_device")}
    assert states == {"delivered"}


# Configuration


@pytest.mark.parametrize("yaml, key, line", [
    ("listen:\n  port: 8080\n  prot: 1\n", "listen.prot", 3),
    ("seam:\n  timeout: soon\n", "seam.timeout", 2),
    ("\n\nadmin:\n  port: 70000\n", "admin.port", 4),
    ("failover:\n  retry_initial: 10m\n  retry_max: 5m\n", "failover.retry_initial", 2),
])
def test_configuration_errors(tmp_path, yaml, key, line):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml)
    env = environment(SPAREKEY_SEAM_API_KEY="seam_k", SPAREKEY_WEBHOOK_SECRET=WEBHOOK_SECRET)
    found = run("serve", "--config", path, env=env)
    assert found.returncode == 78
    assert found.stdout == ""
    assert re.search(rf"{re.escape(str(path))}:{line}: {re.escape(key)}: .*Fix: ", found.stderr), found.stderr


def test_what_is_required(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("")
    found = run("serve", "--config", path)
    assert found.returncode == 78
    assert "webhook.secret" in found.stderr and "seam.api_key" in found.stderr
    missing = run("serve", "--config", tmp_path / "missing.yaml")
    assert missing.returncode == 78
    assert "missing.yaml" in missing.stderr


@pytest.mark.parametrize("arguments", [["serve", "--no-such"], ["no-such"], ["sandbox", "--port", "x"]])
def test_wrong_usage(arguments):
    found = run(*arguments)
    assert found.returncode == 64
    assert "Usage" in found.stderr
    assert found.stdout == ""


def test_version_and_help():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").stdout)
    found = run("--help")
    assert found.returncode == 0 and "serve" in found.stdout


def test_a_second_daemon_names_the_first(make_daemon):
    daemon = make_daemon().start()
    found = run("serve", "--config", daemon.config, env=environment(**daemon.secrets))
    assert found.returncode == 1
    assert f"in use by the sparekey process {daemon.pid}" in found.stderr
    assert post(daemon.url, an_event()).status_code == 204
    daemon.kill()
    daemon.start()


def test_a_port_that_is_taken(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon = make_daemon(**{"listen.port": other.getsockname()[1]})
        daemon.start(wait=False)
        assert daemon.process.wait(PATIENCE) == 1
        assert str(other.getsockname()[1]) in daemon.output()


# systemd


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_service_manager_is_told(make_daemon, tmp_path, kind):
    if kind == "path":
        name = address = str(tmp_path / "notify")
    else:
        name = f"@sparekey-test-{uuid.uuid4()}"
        address = "\0" + name[1:]
    with datagram_socket(address) as notified:
        daemon = make_daemon().start(env={"NOTIFY_SOCKET": name})
        assert "READY=1" in notified.recv(4096).decode().split("\n")
        daemon.process.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in notified.recv(4096).decode().split("\n")
        assert daemon.process.wait(PATIENCE) == 0


# Reload


def test_reload(make_daemon, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(WEBHOOK_SECRET + "\n")
    secret.chmod(0o600)
    daemon = make_daemon(**{"webhook.secret_file": str(secret)})
    del daemon.secrets["SPAREKEY_WEBHOOK_SECRET"]
    daemon.start()
    assert post(daemon.url, an_event()).status_code == 204
    assert post(daemon.url, an_event(), secret=OTHER_SECRET).status_code == 401

    def reloads():
        return sum("configuration" in line["message"] and "new" in line["message"] for line in daemon.log())

    def reload():
        before = reloads()
        daemon.process.send_signal(signal.SIGHUP)
        until("reload", lambda: reloads() > before)

    # Rotation: both are taken while both are in the file.
    secret.write_text(f"{OTHER_SECRET}\n{WEBHOOK_SECRET}\n")
    reload()
    assert post(daemon.url, an_event(), secret=OTHER_SECRET).status_code == 204
    assert post(daemon.url, an_event()).status_code == 204
    assert daemon.metric("sparekey_reload_success") == 1

    # Refused as a whole: the sound half of a bad configuration does not count.
    secret.write_text(f"{OTHER_SECRET}\n")
    daemon.write_config(**{"webhook.tolerance": "for ever"})
    reload()
    assert daemon.metric("sparekey_reload_success") == 0
    assert post(daemon.url, an_event()).status_code == 204
    assert "webhook.tolerance" in daemon.output()

    daemon.write_config(**{"webhook.tolerance": "5m"})
    reload()
    assert daemon.metric("sparekey_reload_success") == 1
    assert post(daemon.url, an_event()).status_code == 401
    assert post(daemon.url, an_event(), secret=OTHER_SECRET).status_code == 204
    assert daemon.stop(seconds=10) == 0


FILES = ("certificate", "private_key")


def test_a_reload_to_tls_that_the_next_start_could_not_use_is_refused(make_daemon, tmp_path):
    daemon = make_daemon().start()

    def reload(message, **settings):
        before = sum(line["message"].startswith(message) for line in daemon.log())
        daemon.write_config(**settings)
        daemon.process.send_signal(signal.SIGHUP)
        until(message, lambda: sum(line["message"].startswith(message) for line in daemon.log()) > before)

    reload("The new configuration was refused", **{f"listen.tls.{file}_file": str(tmp_path / file) for file in FILES})
    assert daemon.metric("sparekey_reload_success") == 0
    for file in FILES:
        del daemon.settings[f"listen.tls.{file}_file"]
    # What only a restart changes is told for as long as it is not as at the start, and no longer.
    reload("A changed key takes effect at the next start only", **{"listen.host": "127.0.0.2"})
    reload("The configuration was loaded anew", **{"listen.host": "127.0.0.1"})
    assert sum(line["message"].startswith("A changed key") for line in daemon.log()) == 1


def test_a_reload_allows_the_descriptors_that_it_needs(make_daemon):
    daemon = make_daemon(**{"listen.max_connections": 1000})
    daemon.wrapper = ["sh", "-c", 'ulimit -Sn 1024; exec "$@"', "sh"]
    daemon.start()

    def descriptors():
        return resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)[0]

    assert descriptors() == 1256
    daemon.write_config(**{"listen.max_connections": 2000})
    daemon.process.send_signal(signal.SIGHUP)
    until("descriptors", lambda: descriptors() == 2256)


def test_reload_in_the_midst_of_work(sandbox, make_daemon):
    """Reload after reload while failovers are worked off: none is lost, none is done twice."""
    device_id = sandbox.device(pool_size=30)
    code_ids = [sandbox.failed_code(device_id) for _ in range(20)]
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    for code_id in code_ids:
        assert post(daemon.url, failure_event(code_id, device_id)).status_code == 204
        daemon.process.send_signal(signal.SIGHUP)
    rows = until("substitutions", lambda: daemon.substituted(len(code_ids)))
    assert len(rows) == sandbox.control("counters")["backups_pulled"] == len(code_ids)
    assert not any(line["level"] in ("error", "critical") for line in daemon.log())


def test_hangup_at_once(make_daemon):
    """A reload that comes with the word of readiness, as from `systemctl reload` after a start, does not end it."""
    for _ in range(10):
        daemon = make_daemon().start()
        daemon.process.send_signal(signal.SIGHUP)
        until("reload", lambda: daemon.metric("sparekey_reload_success") == 1)
        daemon.kill()


def test_the_log_is_loaded_anew(make_daemon):
    """A reload applies log.level, says what needs a restart, and tells the warnings as a start does."""
    daemon = make_daemon().start()

    def refusals():
        """How many are logged at debug level, after one more of them."""
        assert post(daemon.url, an_event(), secret=OTHER_SECRET).status_code == 401
        # Lines come in order, and the next is always logged.
        daemon.write_config(**{"webhook.tolerance": "soon"})
        reload("The new configuration was refused")
        daemon.write_config(**{"webhook.tolerance": "5m"})
        return said("A request to the webhook path was refused", "debug")

    def said(message, level=None):
        return sum(line["message"].startswith(message) and level in (None, line["level"]) for line in daemon.log())

    def reload(message):
        before = said(message)
        daemon.process.send_signal(signal.SIGHUP)
        until(message, lambda: said(message) > before)

    # The first of a kind is a warning.
    assert refusals() == 0
    assert refusals() == 0
    daemon.write_config(**{"log.level": "debug"})
    reload("The configuration was loaded anew")
    assert refusals() == 1
    daemon.write_config(**{"log.level": "info", "log.format": "text", "delivery.manual": False})
    warning = "nobody tells a guest the new code"
    assert not any(warning in line["message"] for line in daemon.log())
    reload("A changed key takes effect at the next start only")
    until("warning", lambda: any(warning in line["message"] for line in daemon.log()))
    changed = [line["key"] for line in daemon.log() if line["message"].startswith("A changed key")]
    assert changed == ["log.format"]
    assert refusals() == 1
    assert daemon.stop(seconds=10) == 0


def test_only_who_writes_to_the_journal_writes_as_the_journal_reads(make_daemon):
    """The variable is inherited by whoever is started below a unit, with standard error led to a file as well."""
    daemon = make_daemon(**{"log.format": "auto"})
    daemon.start(wait=False, env={"JOURNAL_STREAM": "9:12345"})
    until("readiness", lambda: " Ready" in daemon.output())
    assert re.match(r"\d{4}-\d\d-\d\dT", daemon.output()), daemon.output()


# The API for whoever tells the guests


def test_a_post_without_content_needs_no_length(make_daemon):
    daemon = make_daemon().start()

    def status(url):
        done = subprocess.run(
            ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "-X", "POST", "-H", f"Authorization: Bearer {ADMIN_TOKEN}", url],
            capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout

    assert status(f"{daemon.admin_url}/api/deliveries/claim") == "204"
    assert status(daemon.url) == "411"


# Standard error that nobody reads


def test_a_full_log_pipe_holds_nothing_up(make_daemon):
    daemon = make_daemon(**{"log.level": "debug"})
    reader, writer = os.pipe()
    daemon.start(wait=False, stderr=writer)
    os.close(writer)
    said = b""
    while not (ready := re.search(rb'"message":"Ready".*?"admin":"(.*?)".*?"webhooks":"(.*?)"', said)):
        said += os.read(reader, 4096)
    daemon.admin_url, daemon.url = (group.decode() for group in ready.groups())
    # Each refusal is a line at debug level: some hundred kilobytes for a pipe of 64.
    session = requests.Session()
    headers, body = sign(an_event(), secret=OTHER_SECRET)
    for _ in range(1500):
        assert session.post(daemon.url, data=body, headers=headers, timeout=PATIENCE).status_code == 401
    for _ in range(20):
        headers, body = sign(an_event())
        assert session.post(daemon.url, data=body, headers=headers, timeout=PATIENCE).status_code == 204
    assert daemon.get("/readyz").status_code == 200
    # Nobody reads to the end: it stops all the same.
    assert daemon.stop(seconds=10) == 0
    os.set_blocking(reader, False)
    rest = b""
    while chunk := os.read(reader, 65536):
        rest += chunk
    os.close(reader)
    # Was the pipe full? Else the test shows nothing.
    assert len(rest) > 60_000


def test_a_closed_log_pipe_ends_nothing(make_daemon):
    daemon = make_daemon(**{"log.level": "debug"})
    reader, writer = os.pipe()
    daemon.start(wait=False, stderr=writer)
    os.close(writer)
    said = b""
    while not (ready := re.search(rb'"message":"Ready".*?"webhooks":"(.*?)"', said)):
        said += os.read(reader, 4096)
    os.close(reader)
    url = ready.group(1).decode()
    assert post(url, an_event(), secret=OTHER_SECRET).status_code == 401
    assert post(url, an_event()).status_code == 204
    assert daemon.stop(seconds=10) == 0


# The main job


def test_serve_sandbox(tmp_path):
    """`serve --sandbox` prints commands, and they work."""
    shown = Child(tmp_path, "shown")
    shown.spawn([binary(), "serve", "--sandbox"], environment(TMPDIR=str(tmp_path)))
    try:
        until("backup code", lambda: "Ctrl-C stops it." in shown.stdout.read_text())
        commands = [line.strip() for line in shown.stdout.read_text().splitlines() if line.startswith("  ")]
        database = re.search(r"sqlite3 -box (\S+)", "\n".join(commands)).group(1)
        # As where the configuration of an installed service is not for this user.
        elsewhere = environment(SPAREKEY_CONFIG=str(tmp_path / "missing.yaml"))
        known = run("--help").stdout
        checked = 0
        for command in commands:
            if "in a browser" in command:
                page = requests.get(command.split()[0], timeout=PATIENCE)
                assert page.status_code == 200 and "Guest 1042" in page.text
                continue
            name = re.search(r"sparekey (\w+)", command)
            if name and not re.search(rf"^  {name.group(1)} ", known, re.MULTILINE):
                continue
            found = subprocess.run(["sh", "-c", command], env=elsewhere, capture_output=True, text=True, timeout=PATIENCE)
            assert found.returncode == 0, (command, found.stderr)
            assert found.stdout.strip(), command
            if command.startswith("curl"):
                (row,) = json.loads(found.stdout)
                assert row["original_name"] == "Guest 1042" and row["backup_code"]
            checked += 1
        assert checked >= 2 and database.startswith(str(tmp_path))
        assert shown.stop(signal.SIGINT, seconds=10) == 0
    finally:
        shown.kill()
        print(shown.output())


def test_a_trial_leads_nowhere(tmp_path):
    """With the configuration of a real service, `serve --sandbox` tells no guest, feeds no heartbeat, uses no real log or proxy."""
    outside = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{outside.getsockname()[1]}/"
    real, ran = tmp_path / "real.db", tmp_path / "ran"
    config = tmp_path / "real.yaml"
    config.write_text(json.dumps({
        "database": {"path": str(real)}, "heartbeat": {"url": url, "interval": "1s"},
        "delivery": {"webhook": {"url": url}, "command": ["/bin/touch", str(ran)], "order": ["webhook", "command"]},
    }))
    proxies = {name: url for name in ("http_proxy", "https_proxy", "all_proxy")}
    trial = Child(tmp_path, "trial")
    trial.spawn(
        [binary(), "serve", "--sandbox", "--config", str(config)],
        environment(TMPDIR=str(tmp_path), SPAREKEY_DELIVERY_WEBHOOK_SECRET=DELIVERY_SECRET, **proxies))
    try:
        until("backup code", lambda: "Ctrl-C stops it." in trial.stdout.read_text())
        # Everything that was begun is done after the stop.
        assert trial.stop(seconds=10) == 0
    finally:
        trial.kill()
        print(trial.output())
    outside.setblocking(False)
    with pytest.raises(BlockingIOError):
        outside.accept()
    assert not real.exists() and not ran.exists()
    said = trial.stdout.read_text()
    for key in ("database.path", "delivery.webhook.url", "delivery.command", "heartbeat.url"):
        assert key in said.partition("A backup code")[0], key
    database = re.search(r"sqlite3 -box (\S+)", said).group(1)
    with sqlite3.connect(database) as log:
        assert log.execute("select distinct channel from deliveries").fetchall() == [("manual",)]


def test_a_reader_that_goes_ends_no_trial(tmp_path):
    """As in `sparekey serve --sandbox | head -1`."""
    trial = Child(tmp_path, "trial")
    reader, writer = os.pipe()
    trial.spawn([binary(), "serve", "--sandbox"], environment(TMPDIR=str(tmp_path)), stdout=writer)
    os.close(writer)
    try:
        assert os.read(reader, 1)
        os.close(reader)
        # With it comes the second text.
        until("delivery", lambda: any(
            database.execute("select count(*) from deliveries").fetchone()[0]
            for path in tmp_path.glob("*/sparekey.db")
            for database in [sqlite3.connect(f"file:{path}?mode=ro", uri=True)]))
        assert trial.stop(seconds=10) == 0
    finally:
        trial.kill()
        print(trial.output())


# Admin pages


def test_admin_pages(make_daemon):
    daemon = make_daemon().start()
    assert daemon.get("/healthz").status_code == 200
    assert daemon.get("/readyz").json()["ready"] is True
    assert daemon.get("/api/substitutions").status_code == 401
    assert daemon.get("/api/substitutions", headers={"authorization": "Bearer " + "x" * 28}).status_code == 401
    for scheme in ("Bearer", "bearer"):
        assert daemon.get("/api/substitutions", headers={"authorization": f"{scheme} {ADMIN_TOKEN}"}).json() == []
    assert post(daemon.url, an_event()).status_code == 204
    assert daemon.metric('sparekey_intake_requests_total{result="204",reason="stored"}') == 1


def test_admin_pages_without_the_database(make_daemon, tmp_path):
    """They tell of the outage; what would be as of before it is left out."""
    data, away = tmp_path / "data", tmp_path / "away"
    data.mkdir()
    daemon = make_daemon(**{"database.path": str(data / "sparekey.db")}).start()
    assert daemon.metric('sparekey_failovers{state="waiting"}') == 0
    data.rename(away)
    assert post(daemon.url, an_event()).status_code == 503
    scraped = daemon.get("/metrics")
    assert scraped.status_code == 200 and "sparekey_ready 0\n" in scraped.text
    assert 'sparekey_intake_requests_total{result="503"' in scraped.text
    assert "sparekey_failovers" not in scraped.text and "sparekey_guests_at_risk" not in scraped.text
    page = daemon.get("/")
    assert page.status_code == 503 and page.headers["content-type"].startswith("text/html")
    assert "Webhooks cannot be taken now." in page.text and "The log cannot be read: " in page.text
    assert "guest is at risk" not in page.text
    away.rename(data)
    until("readiness", lambda: daemon.metric("sparekey_ready") == 1)
    assert daemon.metric('sparekey_failovers{state="waiting"}') == 0
    assert daemon.get("/").status_code == 200


def test_hundred_connections_at_once(make_daemon):
    daemon = make_daemon().start()
    statuses = []

    def send():
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as connection:
            connection.sendall(raw_request(daemon.port, *sign(an_event())))
            statuses.append(read_answer(connection))

    threads = [threading.Thread(target=send) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * 100
