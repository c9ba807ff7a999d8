"""`sparekey check` as an operator runs it: beside the daemon, and without one."""

import json

import pytest

from processes import API_KEY, WEBHOOK_SECRET, environment, run

# What a machine may say of the temporary folder.
OF_THE_MACHINE = {"disk.memory", "disk.space"}


def check(daemon, **variables):
    env = environment(**{**daemon.secrets, **variables})
    found = run("check", "--config", daemon.config, "--json", env=env)
    assert found.stderr == ""
    report = json.loads(found.stdout)
    for finding in report["findings"]:
        assert set(finding) == {"id", "severity", "title", "detail", "fix"}
        assert finding["severity"] in ("error", "warning", "ok")
        assert bool(finding["fix"]) == (finding["severity"] != "ok")
    wrong = {finding["id"] for finding in report["findings"] if finding["severity"] != "ok"}
    assert report["ok"] == (not wrong)
    assert found.returncode == (2 if wrong else 0)
    for secret in (API_KEY, *daemon.secrets.values()):
        assert secret not in found.stdout
    return wrong - OF_THE_MACHINE


PUBLIC_URL = "https://sparekey.example/webhooks/seam"


def test_beside_the_daemon(sandbox, make_daemon):
    daemon = make_daemon(sandbox_url=sandbox.url, **{"webhook.public_url": PUBLIC_URL}).start()
    sandbox.device()
    assert check(daemon) == {"webhook.missing"}
    sandbox.control("webhooks/create", url=PUBLIC_URL, secret=WEBHOOK_SECRET)
    assert check(daemon) == set()
    assert daemon.stop() == 0
    assert check(daemon) == set()
    sandbox.kill()
    assert check(daemon) == {"seam.unreachable"}


def test_people_read_it(sandbox, make_daemon):
    daemon = make_daemon(sandbox_url=sandbox.url, **{"delivery.command": ["/no/such/program"]})
    daemon.write_config()
    found = run("check", "--config", daemon.config, env=environment(**daemon.secrets))
    assert found.returncode == 2
    assert "delivery.command is not there" in found.stdout and "Fix: " in found.stdout
    assert not daemon.database.exists(), "a check made the database"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_configuration_that_cannot_be_loaded(tmp_path, arguments):
    path = tmp_path / "bad.yaml"
    path.write_text("listen:\n  prot: 1\n")
    found = run("check", "--config", path, *arguments)
    assert found.returncode == 78
    assert f"{path}:2" in found.stdout.replace("\\/", "/") and "listen.prot " in found.stdout
    if arguments:
        report = json.loads(found.stdout)
        assert not report["ok"] and {finding["id"] for finding in report["findings"]} == {"configuration.error"}
