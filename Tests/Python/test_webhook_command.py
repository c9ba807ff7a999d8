"""`sparekey webhook` against the simulated Seam, as an operator runs it."""

import json
import os
import stat

import pytest

from processes import API_KEY, WEBHOOK_SECRET, environment, failure_event, post, run

PUBLIC_URL = "https://sparekey.example/webhooks/seam"


class Operator:
    def __init__(self, sandbox, daemon):
        self.sandbox, self.daemon = sandbox, daemon
        self.secret_file = daemon.folder / "webhook-secret"
        self.env = {"SPAREKEY_SEAM_API_KEY": API_KEY}
        daemon.settings.update({"webhook.public_url": PUBLIC_URL, "webhook.secret_file": str(self.secret_file)})
        daemon.secrets.pop("SPAREKEY_WEBHOOK_SECRET")

    def run(self, *arguments, **env):
        self.daemon.write_config()
        found = run("webhook", *arguments, "--config", self.daemon.config, env=environment(**{**self.env, **env}))
        for webhook in self.webhooks():
            assert webhook["secret"][6:] not in found.stdout + found.stderr, "a secret is printed"
        assert API_KEY not in found.stdout + found.stderr
        return found

    def webhooks(self):
        answer = self.sandbox.session.post(
            self.sandbox.url + "/webhooks/list", json={}, headers={"authorization": f"Bearer {API_KEY}"})
        return answer.json()["webhooks"]


@pytest.fixture
def operator(sandbox, make_daemon):
    return Operator(sandbox, make_daemon(sandbox_url=sandbox.url))


def test_register_from_nothing_to_a_failover(operator, sandbox):
    """The newcomer's path: the configuration names a file that is not there yet."""
    registered = operator.run("register")
    assert registered.returncode == 0, registered.stderr
    (webhook,) = operator.webhooks()
    assert webhook["url"] == PUBLIC_URL
    assert operator.secret_file.read_text() == webhook["secret"] + "\n"
    facts = operator.secret_file.stat()
    assert stat.S_IMODE(facts.st_mode) == 0o600 and facts.st_uid == os.geteuid()
    assert "systemctl reload-or-restart sparekey" in registered.stdout and "sparekey check" in registered.stdout
    # Exactly what the daemon uses.
    listed = json.loads(operator.run("list", "--format", "json").stdout)
    assert [set(row) for row in listed] == [{"webhook_id", "url", "is_public_url", "event_types", "missing_event_types"}]
    assert listed[0]["missing_event_types"] == [] and "access_code.failed_to_issue" in listed[0]["event_types"]
    assert "*" not in webhook["event_types"]

    device = sandbox.device()
    daemon = operator.daemon.start()
    code = sandbox.failed_code(device)
    assert post(daemon.url, failure_event(code, device), secret=webhook["secret"]).status_code == 204


def test_register_again_changes_what_has_to_change(operator):
    operator.run("register")
    (webhook,) = operator.webhooks()
    before = operator.secret_file.stat()
    again = operator.run("register")
    assert again.returncode == 0 and "Unchanged" in again.stdout and "already" in again.stdout
    assert operator.webhooks() == [webhook] and operator.secret_file.stat().st_mtime_ns == before.st_mtime_ns

    # A further trigger is a further event; one that somebody has added goes.
    operator.daemon.settings["failover.trigger_events"] = ["access_code.failed_to_issue", "access_code.delay_in_issuing"]
    assert "Updated" in operator.run("register").stdout
    (updated,) = operator.webhooks()
    assert set(updated["event_types"]) == {*webhook["event_types"], "access_code.delay_in_issuing"}
    assert updated["webhook_id"] == webhook["webhook_id"]


def test_a_file_that_is_there_keeps_who_may_read_it(operator):
    operator.secret_file.write_text(WEBHOOK_SECRET + "\n")
    operator.secret_file.chmod(0o647)
    registered = operator.run("register")
    assert registered.returncode == 0, registered.stderr
    assert stat.S_IMODE(operator.secret_file.stat().st_mode) == 0o640
    # Nothing at Seam signs with the old one any more.
    assert operator.secret_file.read_text().split() == [operator.webhooks()[0]["secret"]]


def test_both_secrets_while_a_url_moves(operator):
    operator.run("register")
    old = operator.secret_file.read_text().strip()
    moved = operator.run("register", "--url", "https://other.example/webhooks/seam")
    assert moved.returncode == 0 and "webhook.public_url: https://other.example/webhooks/seam" in moved.stdout
    new = next(w["secret"] for w in operator.webhooks() if "other" in w["url"])
    assert operator.secret_file.read_text().split() == [new, old]
    gone = next(w["webhook_id"] for w in operator.webhooks() if w["url"] == PUBLIC_URL)
    assert operator.run("delete", gone).returncode == 0
    assert [w["secret"] for w in operator.webhooks()] == [new]


@pytest.mark.parametrize("place", ["/no/such/folder/secret", "."])
def test_nothing_is_registered_where_the_secret_cannot_be_kept(operator, place):
    refused = operator.run("register", "--secret-file", place)
    assert refused.returncode == 1 and "Nothing was registered" in refused.stderr
    assert operator.webhooks() == []


def test_a_secret_in_the_configuration_itself(operator, sandbox):
    del operator.daemon.settings["webhook.secret_file"]
    told = operator.run("register", SPAREKEY_WEBHOOK_SECRET=WEBHOOK_SECRET)
    assert told.returncode == 1 and "SPAREKEY_WEBHOOK_SECRET" in told.stderr and "--secret-file" in told.stderr
    assert operator.webhooks() == [], "a webhook was made whose secret nobody knows"
    sandbox.control("webhooks/create", url=PUBLIC_URL, secret=WEBHOOK_SECRET)
    same = operator.run("register", SPAREKEY_WEBHOOK_SECRET=WEBHOOK_SECRET)
    assert same.returncode == 0 and "is the configured one" in same.stdout


def test_a_configuration_of_no_unit_has_to_name_a_file(operator):
    """The credential store is the installed service's, whose secret it is not."""
    del operator.daemon.settings["webhook.secret_file"]
    refused = operator.run("register")
    assert refused.returncode == 1 and "Nothing was registered" in refused.stderr and "--secret-file" in refused.stderr
    assert operator.webhooks() == []
    named = operator.run("register", "--secret-file", operator.secret_file)
    told = f"webhook.secret_file: {operator.secret_file}  (in {operator.daemon.config})"
    assert named.returncode == 0 and told in named.stdout
    # For as long as it is not done; and no other path than the configuration takes.
    again = operator.run("register", "--secret-file", os.path.relpath(operator.secret_file))
    assert again.returncode == 0 and "already" in again.stdout and told in again.stdout


def test_a_file_beside_a_credential_has_to_be_named(operator, tmp_path):
    """The unit hands over the credential and reads no other file by itself."""
    del operator.daemon.settings["webhook.secret_file"]
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/webhook-secret").write_text(WEBHOOK_SECRET)
    told = operator.run("register", "--secret-file", operator.secret_file, CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))
    assert told.returncode == 0 and f"webhook.secret_file: {operator.secret_file}  " in told.stdout, told.stdout + told.stderr


def test_failures(operator, sandbox):
    del operator.daemon.settings["webhook.public_url"]
    assert operator.run("register").returncode == 64
    assert operator.run("register", "--url", "http://hooks.example.com/").returncode == 64
    assert operator.run("register", "--url", PUBLIC_URL, SPAREKEY_SEAM_API_KEY="whatever").returncode == 78
    unknown = operator.run("delete", "no-such-webhook")
    assert unknown.returncode == 1 and "404" in unknown.stderr
    none = operator.run("list")
    assert none.returncode == 0 and none.stdout == "" and "sparekey webhook register" in none.stderr
    sandbox.control("faults/add", kind="error", status=401, type="unauthorized", route="/webhooks/list", count=1)
    assert operator.run("list").returncode == 1
