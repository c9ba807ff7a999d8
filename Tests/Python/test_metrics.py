"""The metrics are what Prometheus expects, and the alert rules and the dashboard name none that is not there."""

import json
import re
import shutil
import subprocess

import pytest

from processes import ROOT, failure_event, post, until

RULES = ROOT / "config/alerts/sparekey.rules.yaml"
DASHBOARD = ROOT / "config/grafana/sparekey.json"


def promtool(*arguments, **options):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


@pytest.fixture
def metrics(sandbox, make_daemon):
    """The text after a code has failed, a backup was pulled, and everything else has been counted once."""
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    device_id = sandbox.device(name="Front door")
    code_id = sandbox.failed_code(device_id)
    assert post(daemon.url, failure_event(code_id, device_id)).status_code == 204
    assert post(daemon.url, failure_event(code_id, device_id), secret="whsec_c2Vjb25kLXNlY3JldA==").status_code == 401
    until("substitution", daemon.substituted)
    until("sweep", lambda: daemon.metric('sparekey_sweeps_total{result="ok"}'))
    return daemon.get("/metrics").text


def names(text):
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_prometheus_takes_them(metrics):
    checked = promtool("check", "metrics", input=metrics)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_an_error_would_be_found():
    checked = promtool("check", "metrics", input="# TYPE sparekey_things counter\nsparekey_things 1\n")
    assert "_total" in checked.stdout + checked.stderr


def test_what_is_counted(metrics):
    def value(series):
        (found,) = [line.rpartition(" ")[2] for line in metrics.splitlines() if line.rpartition(" ")[0] == series]
        return float(found)

    assert value('sparekey_failovers{state="substituted"}') == 1
    assert value('sparekey_failovers{state="waiting"}') == 0
    assert value("sparekey_substitution_seconds_count") == 1
    assert value('sparekey_guests_at_risk{arrival="arrived"}') == 1, "pulled, and nobody has been told"
    assert value('sparekey_deliveries{channel="manual",state="pending"}') == 1
    assert value("sparekey_ready") == 1
    assert value("sparekey_database_bytes") > 4096
    assert value('sparekey_intake_requests_total{result="204",reason="stored"}') == 1
    # Not once a code, a lock or an address: a label's values are the code's own words.
    assert len(metrics.splitlines()) < 400
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|\d+\.\d+\.\d+\.\d+", metrics)


def expressions():
    yield from re.findall(r"expr: *>?\s*(.*?)\n\s*(?:for|labels):", RULES.read_text(), re.S)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_rules_and_dashboard_name_what_is_there(metrics):
    there = names(metrics)
    # Those that come with TLS and with a reload.
    there |= {"sparekey_tls_certificate_days", "sparekey_reload_success"}
    named = {re.sub("_(bucket|sum|count)$", "", name) for text in expressions() for name in re.findall(r"\bsparekey_[a-z0-9_]+", text)}
    assert len(named) > 15
    assert named - there == set()


def test_rules():
    assert promtool("check", "rules", RULES).returncode == 0
    tested = promtool("test", "rules", ROOT / "config/alerts/sparekey.rules.test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_broken_rule_is_found(tmp_path):
    for name in ("sparekey.rules.yaml", "sparekey.rules.test.yaml"):
        text = ROOT.joinpath("config/alerts", name).read_text()
        tmp_path.joinpath(name).write_text(text.replace("sparekey_ready == 0", "sparekey_ready == 2"))
    assert "SparekeyNotReady" in promtool("test", "rules", tmp_path / "sparekey.rules.test.yaml").stderr
