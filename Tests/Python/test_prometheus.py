"""A real Prometheus reads a daemon that runs: every alert rule and every panel of the dashboard finds what it asks for."""

import json
import math
import re
import shutil
import signal

import pytest
import requests

from certificates import Certificates
from processes import DELIVERY_SECRET, ROOT, Child, Daemon, Receiver, Sandbox, environment, failure_event, in_hours, post, until

RULES = ROOT / "config/alerts/sparekey.rules.yaml"
DASHBOARD = json.loads(ROOT.joinpath("config/grafana/sparekey.json").read_text())
# A selector in an expression, such as sparekey_locks{pool="empty"}.
SELECTOR = re.compile(r"\bsparekey_\w+(?:\{[^}]*\})?")


class Prometheus(Child):
    """Scrapes the daemons five times a second and evaluates the rules."""

    def __init__(self, folder, *daemons):
        super().__init__(folder, "prometheus")
        targets = [daemon.admin_url.removeprefix("http://") for daemon in daemons]
        configuration = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "sparekey", "static_configs": [{"targets": targets}]}],
        }
        file = folder / "prometheus.yaml"
        file.write_text(json.dumps(configuration))
        self.spawn(
            ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'series'}",
             "--web.listen-address=127.0.0.1:0"], environment())
        self.url = until("address of Prometheus", self._address)
        until("Prometheus that is ready", lambda: requests.get(f"{self.url}/-/ready", timeout=30).ok)

    def _address(self):
        assert self.is_running(), self.output()
        found = re.search(r'msg="Listening on" address=(\S+)', self.output())
        return found and f"http://{found.group(1)}"

    def get(self, path, **parameters):
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def values(self, expression):
        """The numbers that an expression gives now."""
        result = self.get("query", query=expression)["result"]
        return [float(one["value"][1]) for one in result if not math.isnan(float(one["value"][1]))]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    sandbox, receiver = Sandbox(folder), Receiver()
    daemon = Daemon(folder, sandbox_url=sandbox.url, **{"delivery.webhook.url": receiver.url, "reconcile.interval": "1s"})
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    daemon.start()
    # What only comes with TLS and with a reload.
    with_tls = Daemon(folder / "tls", sandbox_url=sandbox.url)
    certificate, key = Certificates(folder / "certificates").make("server")
    with_tls.settings.update({"listen.tls.certificate_file": str(certificate), "listen.tls.private_key_file": str(key)})
    with_tls.start()
    with_tls.process.send_signal(signal.SIGHUP)
    prometheus = Prometheus(folder, daemon, with_tls)
    started = [prometheus, daemon, with_tls, sandbox]
    try:
        until("both daemons", lambda: prometheus.values('sum(up{job="sparekey"})') == [2])
        locks = [sandbox.device(), sandbox.device(pool_size=0, refill_delay_seconds=86_400)]

        def tell(name, lock, hours=-1):
            code = sandbox.failed_code(locks[lock], name=name, starts_at=in_hours(hours))
            assert post(daemon.url, failure_event(code, locks[lock])).status_code == 204

        def counted(*series):
            """Prometheus has them: a rate is counted from here on."""
            until(f"{series} in Prometheus", lambda: all(prometheus.values(one) for one in series))

        def happen(number):
            tell(f"Ada {number}", 0)
            tell(f"Grace {number}", 1, hours=2)
            assert post(daemon.url, failure_event("x", "y"), secret="whsec_c2Vjb25kLXNlY3JldA==").status_code == 401
            until("delivery", lambda: len(daemon.query("select 1 from deliveries where kind = 'created' and state = 'delivered'")) == number)

        sandbox.control("faults/add", kind="server_error", route="/events/list")
        happen(1)
        # A rate needs two readings.
        counted("sparekey_substitution_seconds_count > 0", "sparekey_delivery_seconds_count > 0",
                'sparekey_intake_requests_total{result="401"}', 'sparekey_api_calls_total{outcome="unavailable"}')
        happen(2)
        counted("sparekey_substitution_seconds_count > 1", "sparekey_delivery_seconds_count > 1")
        yield prometheus
    finally:
        for child in started:
            child.kill()
        receiver.close()


def panels():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("expression", list(panels()))
def test_a_panel(prometheus, expression):
    shown = expression.replace("$instance", ".*")
    assert "$" not in shown
    until(f"value of {shown}", lambda: prometheus.values(shown))


def test_the_dashboards_variable(prometheus):
    (name,) = re.findall(r"label_values\((\w+), instance\)", json.dumps(DASHBOARD))
    assert len(prometheus.get("label/instance/values", **{"match[]": name})) == 2


def test_rules(prometheus):
    """Each is evaluated without an error; what there is to warn of is warned of, and nothing else."""
    def evaluated():
        (group,) = prometheus.get("rules")["groups"]
        return all(rule["health"] != "unknown" for rule in group["rules"]) and group["rules"]

    rules = until("evaluation", evaluated)
    assert {rule["health"] for rule in rules} == {"ok"}, rules

    expected = {"SparekeyPoolEmpty", "SparekeyGuestAtRiskToday"}

    def warned():
        (group,) = prometheus.get("rules")["groups"]
        return {rule["name"] for rule in group["rules"] if rule["state"] != "inactive"}

    # A guest is at risk for a moment until they are told, and Prometheus looks at that a little later.
    until("these warnings and no other", lambda: expected <= warned() <= expected | {"SparekeySeamUnreachable"})
    for rule in rules:
        for selector in SELECTOR.findall(rule["query"]):
            assert prometheus.get("query", query=selector)["result"], f"{rule['name']} asks for {selector}, which is not there"


def test_what_is_not_there_is_found(prometheus):
    assert prometheus.values("sparekey_no_such_thing") == []
    with pytest.raises(AssertionError, match="parse error"):
        prometheus.values("sum by (sparekey_ready")


def test_grafana_knows_every_field_of_the_dashboard():
    """Grafana's own library keeps what it knows: what does not come back is spelt wrong."""
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()

    def lost(dashboard):
        def compare(given, kept, path):
            if isinstance(given, dict) and isinstance(kept, dict):
                for key, value in given.items():
                    yield from compare(value, kept.get(key), f"{path}.{key}")
            elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
                for index, (one, other) in enumerate(zip(given, kept)):
                    yield from compare(one, other, f"{path}[{index}]")
            elif given != kept:
                yield path

        kept = encoder.JSONEncoder().encode(Dashboard.from_json(json.loads(json.dumps(dashboard))))
        return list(compare(dashboard, json.loads(kept), ""))

    assert lost(DASHBOARD) == []
    broken = json.loads(json.dumps(DASHBOARD))
    broken["panels"][0]["optoins"] = {}
    broken["panels"][1]["targets"][0]["expresion"] = "1"
    assert lost(broken) == [".panels[0].optoins", ".panels[1].targets[0].expresion"]
