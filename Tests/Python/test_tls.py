"""TLS as others see it: the simulated Seam and the daemon, with curl as the client."""

import subprocess

import pytest

from certificates import Certificates
from processes import API_KEY, Sandbox, environment, run, sign, until

# What curl's exit status says (curl(1)): the peer's certificate or fingerprint was not OK.
REFUSED = 60


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path / "certificates")


def curl(url, *arguments, root=None):
    """curl's exit status, and the status of the answer."""
    trust = ["--cacert", str(root)] if root else []
    done = subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code} %{http_version}", *trust, *arguments, url],
        capture_output=True, text=True, timeout=60,
    )
    return done.returncode, done.stdout


def sandbox_with(tmp_path, name, pair):
    sandbox = Sandbox(tmp_path / name, "--tls-certificate", str(pair[0]), "--tls-key", str(pair[1]))
    assert sandbox.url.startswith("https://127.0.0.1:")
    return sandbox


def test_the_sandbox_serves_tls(tmp_path, certificates):
    good, expired, elsewhere, stranger = (
        sandbox_with(tmp_path, name, pair)
        for name, pair in {
            "good": certificates.make("good"), "expired": certificates.make("expired", days=-1),
            "elsewhere": certificates.make("elsewhere", subject="DNS:connect.getseam.com"),
            "stranger": certificates.stranger("stranger"),
        }.items()
    )
    try:
        key = ["--header", "authorization: Bearer seam_test_key", "--header", "content-type: application/json", "--data", "{}"]
        assert curl(good.url + "/devices/list", *key, root=certificates.root) == (0, "200 1.1")
        # The same server by a name that its certificate does not have, and to a client that does not know its root.
        assert curl(good.url.replace("127.0.0.1", "localhost"), root=certificates.root)[0] == REFUSED
        assert curl(good.url)[0] == REFUSED
        for server in expired, elsewhere, stranger:
            assert curl(server.url, root=certificates.root)[0] == REFUSED, server.url
    finally:
        for server in good, expired, elsewhere, stranger:
            server.kill()


def test_the_environment_may_name_the_roots(tmp_path, certificates):
    """As behind a proxy that looks into TLS, whose root is the company's own."""
    sandbox = sandbox_with(tmp_path, "good", certificates.make("good"))
    config = tmp_path / "sparekey.yaml"
    config.write_text(f"seam: {{base_url: '{sandbox.url}'}}\n")
    try:
        def ask(**more):
            return run("webhook", "list", "--config", config, env=environment(SPAREKEY_SEAM_API_KEY=API_KEY, **more))

        refused = ask()
        assert refused.returncode == 1 and "certificate" in refused.stderr, refused.stderr
        taken = ask(SSL_CERT_FILE=str(certificates.root))
        assert taken.returncode == 0, taken.stderr
    finally:
        sandbox.kill()


def test_the_sandbox_wants_a_pair(certificates):
    certificate, key = certificates.make("one")
    _, other = certificates.make("other")
    assert run("sandbox", "--tls-certificate", certificate).returncode == 64
    mismatched = run("sandbox", "--port", 0, "--tls-certificate", certificate, "--tls-key", other)
    assert mismatched.returncode == 1 and "is not the key of the certificate" in mismatched.stderr


def test_the_daemon_serves_tls(tmp_path, make_daemon, certificates):
    certificate, key = certificates.make("daemon", days=30)
    daemon = make_daemon(**{"listen.tls.certificate_file": str(certificate), "listen.tls.private_key_file": str(key)}).start()
    assert daemon.url.startswith("https://127.0.0.1:")
    headers, body = sign('{"event_id": "e1", "event_type": "device.connected", "device_id": "d1"}')
    arguments = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    assert curl(daemon.url, *arguments, "--data-binary", body.decode(), root=certificates.root) == (0, "204 1.1")
    assert curl(daemon.url)[0] == REFUSED
    assert 29 < daemon.metric("sparekey_tls_certificate_days") <= 30

    # One that has expired is told of wherever somebody looks.
    certificates.make("daemon", days=-1)
    daemon.process.send_signal(1)
    until("expired certificate", lambda: {"what": "certificate_expired"} in daemon.get("/readyz").json()["degraded"])
    assert daemon.get("/readyz").status_code == 200
    assert "The certificate has expired" in daemon.get("/").text

    # A renewed pair is taken at a reload, and a bad one is not.
    certificates.make("daemon", days=60)
    daemon.process.send_signal(1)
    until("renewed certificate", lambda: daemon.metric("sparekey_tls_certificate_days") > 59)
    key.write_text("no key")
    daemon.process.send_signal(1)
    until("refused certificate", lambda: daemon.metric("sparekey_tls_reload_success") == 0)
    assert curl(daemon.url, root=certificates.root)[1].startswith("405")
