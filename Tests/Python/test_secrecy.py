"""A canary PIN goes the whole way at debug level; it and the secrets are looked for everywhere, and are where they belong."""

import base64
import contextlib
import json
import sqlite3

import pytest

from processes import (
    ADMIN_TOKEN, API_KEY, DELIVERY_SECRET, WEBHOOK_SECRET, environment, failure_event, post, run, until,
)

BACKUP_PIN = "90317462"
ORIGINAL_PIN = "58201937"
PINS = [BACKUP_PIN, ORIGINAL_PIN]
SECRETS = [API_KEY, ADMIN_TOKEN]
for secret in (WEBHOOK_SECRET, DELIVERY_SECRET):
    SECRETS += [secret, secret.removeprefix("whsec_"), base64.b64decode(secret.removeprefix("whsec_")).decode()]

TELL = """#!/bin/sh
cat > "$1.message"
tr '\\0' '\\n' < /proc/$$/environ > "$1.environ"
tr '\\0' '\\n' < /proc/$$/cmdline > "$1.cmdline"
tr '\\0' '\\n' < /proc/$PPID/cmdline > "$1.parent"
mv "$1.message" "$1.done"
"""


def found(needles, haystack):
    if isinstance(haystack, bytes):
        return [needle for needle in needles if needle.encode() in haystack]
    return [needle for needle in needles if needle in haystack]


def places(database, needles):
    """(table or view, column) of every value that holds a needle."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("select name from sqlite_master where type in ('table', 'view')")]
        return {
            (name, column)
            for name in names
            for row in connection.execute(f'select * from "{name}"')
            for column in row.keys()
            if row[column] is not None
            and found(needles, row[column] if isinstance(row[column], bytes) else str(row[column]))
        }


def test_nothing_leaks(sandbox, make_daemon, receiver, tmp_path):
    tell = tmp_path / "tell"
    tell.write_text(TELL)
    tell.chmod(0o700)
    told = tmp_path / "told"
    daemon = make_daemon(
        sandbox_url=sandbox.url,
        **{"log.level": "debug", "delivery.webhook.url": receiver.url, "delivery.command": [str(tell), str(told)],
           "delivery.manual": True, "delivery.retry_initial": "50ms"},
    )
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    # The ways by which things go wrong say something, too.
    receiver.status = 500
    daemon.start()
    sandbox.control("webhooks/create", url=daemon.url, secret=WEBHOOK_SECRET)
    device_id = sandbox.device(name="Front door")
    sandbox.control("pool/set", device_id=device_id, next_code=BACKUP_PIN)
    sandbox.control("faults/add", kind="null_code", route="/access_codes/pull_backup_access_code")
    sandbox.control("faults/add", kind="html", route="/access_codes/get")
    code_id = sandbox.failed_code(device_id, code=ORIGINAL_PIN)
    post(daemon.url, failure_event(code_id, device_id, event_type="access_code.set_on_device", code=ORIGINAL_PIN))
    post(daemon.url, f'{{"event_type": "access_code.set_on_device", "code": "{ORIGINAL_PIN}"')
    post(daemon.url, failure_event(code_id, device_id, code=ORIGINAL_PIN), secret=DELIVERY_SECRET)

    receiver.next("substitution.created")
    receiver.status = 204
    delivered = "select * from deliveries where kind = 'created' and state = 'delivered'"
    until("two deliveries", lambda: len(daemon.query(delivered)) == 2)
    (row,) = daemon.query("select * from substitutions")
    assert row["backup_code"] == BACKUP_PIN, "the canary did not go the whole way"
    until("pulled event", lambda: daemon.query("select * from webhook_events where event_type like '%backup%'"))

    # Where it belongs.
    message = json.loads(tmp_path.joinpath("told.done").read_text())
    assert message["data"]["backup_code"] == BACKUP_PIN and BACKUP_PIN in message["data"]["message"]
    authorized = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    assert BACKUP_PIN in daemon.get("/api/substitutions", headers=authorized).text

    # And nowhere else.
    for path in ("/", "/metrics", "/healthz", "/readyz", "/api/substitutions"):
        answer = daemon.get(path)
        assert found(PINS + SECRETS, answer.text + str(answer.headers)) == [], path
    for kind in ("environ", "cmdline", "parent"):
        assert found(PINS + SECRETS, tmp_path.joinpath(f"told.{kind}").read_text()) == [], kind
    until("claim", lambda: daemon.query("select * from deliveries where channel = 'manual' and kind = 'created'"))
    check = run("check", "--config", daemon.config, "--json", env=environment(**daemon.secrets))
    assert check.returncode == 2
    assert found(PINS + SECRETS, check.stdout + check.stderr) == []

    assert daemon.stop(seconds=10) == 0
    said = daemon.output()
    assert '"level":"debug"' in said, "nothing was said at debug level"
    assert found(PINS + SECRETS, said) == []
    held = places(daemon.database, PINS)
    assert ("substitutions", "backup_code") in held and ("webhook_events", "body") in held
    assert held <= {
        ("substitutions", "backup_code"), ("webhook_events", "body"), ("substitution_log", "backup_code"),
    }
    assert places(daemon.database, SECRETS) == set()
    for file in tmp_path.glob("sparekey.db*"):
        assert found(SECRETS, file.read_bytes()) == [], file


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_the_file_is_private(make_daemon, umask):
    daemon = make_daemon()
    daemon.wrapper = ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
    daemon.start()
    for suffix in ("", "-wal", "-shm", ".lock"):
        mode = daemon.database.with_name(f"sparekey.db{suffix}").stat().st_mode & 0o777
        assert mode == 0o640, (suffix, oct(mode))
