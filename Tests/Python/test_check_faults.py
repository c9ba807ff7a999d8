"""`sparekey check` finds what an operator has got wrong, names it and its fix, and finds nothing on a healthy system."""

import base64
import contextlib
import email.utils
import http.server
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from processes import WEBHOOK_SECRET, Daemon, Sandbox, binary, environment, run

PUBLIC_URL = "https://sparekey.example/webhooks/seam"
# What a machine may say of the temporary folder.
OF_THE_MACHINE = {"disk.memory", "disk.space"}
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and mount file systems")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A simulated Seam with a lock and the right webhook, and the database of a daemon that has run."""
    folder = tmp_path_factory.mktemp("home")
    sandbox = Sandbox(folder)
    sandbox.device(name="Front door")
    sandbox.control("webhooks/create", url=PUBLIC_URL, secret=WEBHOOK_SECRET)
    daemon = Daemon(folder, sandbox_url=sandbox.url).start()
    # The locks are read once the daemon is ready.
    with contextlib.closing(sqlite3.connect(daemon.database)) as database:
        while not database.execute("select count(*) from devices").fetchone()[0]:
            pass
    assert daemon.stop() == 0
    yield sandbox, daemon.database
    sandbox.kill()


class Site:
    """A healthy installation of its own, to be broken."""

    def __init__(self, folder, sandbox, database):
        self.folder, self.sandbox = folder, sandbox
        self.state = folder / "state"
        self.state.mkdir(mode=0o750)
        self.database = self.state / "sparekey.db"
        shutil.copy(database, self.database)
        self.database.chmod(0o640)
        self.daemon = Daemon(folder, sandbox_url=sandbox.url)
        self.daemon.settings.update({"webhook.public_url": PUBLIC_URL, "database.path": str(self.database)})
        self.config, self.env, self.prefix = self.daemon.config, dict(self.daemon.secrets), []

    def set(self, **settings):
        self.daemon.settings.update({key.replace("__", "."): value for key, value in settings.items()})

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
        path.chmod(mode)
        return str(path)

    def secret(self, text, key="WEBHOOK_SECRET"):
        self.env["SPAREKEY_" + key] = text

    def secret_file(self, path):
        self.env.pop("SPAREKEY_WEBHOOK_SECRET", None)
        self.set(webhook__secret_file=path)

    def sql(self, *statements):
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)

    def check(self, write=True):
        if write:
            self.daemon.write_config()
        found = run("check", "--config", self.config, "--json", env=environment(**self.env))
        assert found.stderr == ""
        report = json.loads(found.stdout)
        wrong = {f["id"]: f for f in report["findings"] if f["severity"] != "ok"}
        for finding in report["findings"]:
            assert bool(finding["fix"]) == (finding["severity"] != "ok"), finding
        assert report["ok"] == (not wrong)
        refused = any(name == "configuration.error" for name in wrong)
        assert found.returncode == (78 if refused else 2 if wrong else 0)
        return {name: finding for name, finding in wrong.items() if name not in OF_THE_MACHINE}


@pytest.fixture
def site(home, tmp_path):
    return Site(tmp_path, *home)


def test_a_healthy_system(site):
    assert site.check() == {}
    found = run("check", "--config", site.config, env=environment(**site.env, COLUMNS="80"))
    lines = found.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    if found.returncode == 0:
        assert lines[-1] == "Nothing is wrong." and not any(line.startswith(("error", "warning")) for line in lines)


# What is given, and a word of the problem.
WRONG_SECRETS = {
    "empty": ("", "empty"),
    "no base64": ("whsec_not!base64", "base64"),
    "cut short": (WEBHOOK_SECRET[:-3], "base64"),
    "prefix alone": ("whsec_", "prefix"),
    "with a space": (WEBHOOK_SECRET + " ", "space"),
    "in quotes": (f'"{WEBHOOK_SECRET}"', "quot"),
    "with a line break": (WEBHOOK_SECRET + "\nmore", ""),
    "an API key": ("seam_test7Kq2mCanaryApiKey", ""),
    "a placeholder": ("whsec_…", ""),
}


@pytest.mark.parametrize("form", WRONG_SECRETS)
def test_a_secret_of_a_wrong_form(site, form):
    given, word = WRONG_SECRETS[form]
    site.secret(given)
    finding = site.check()["configuration.error"]
    assert finding["severity"] == "error" and "webhook.secret" in finding["title"]
    assert word in finding["title"].lower(), finding
    assert len(given) < 10 or given[6:] not in json.dumps(finding), "the secret is in the finding"


@pytest.mark.parametrize("key", ["whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0LTAx", "has a space", ""])
def test_an_api_key_of_a_wrong_form(site, key):
    site.secret(key, "SEAM_API_KEY")
    assert "seam.api_key" in site.check()["configuration.error"]["title"]


@pytest.mark.parametrize("key", ["seam_at1_personal", "seam_cst1_client", "seam_pk1_page", "eyJhbGciOi", "sk_other"])
def test_a_key_of_another_kind(site, key):
    site.secret(key, "SEAM_API_KEY")
    finding = site.check()["seam.key"]
    assert "Create an API key" in finding["fix"] and key not in json.dumps(finding)


def secret_file_missing(site):
    site.secret_file(str(site.folder / "no-secret"))
    return "configuration.error", "sparekey webhook register"


def secret_file_empty(site):
    site.secret_file(site.write("secret", "\n"))
    return "configuration.error", "write the secret"


def secret_file_is_a_folder(site):
    site.secret_file(str(site.folder))
    return "configuration.error", "name a file"


def api_key_file_of_two_lines(site):
    del site.env["SPAREKEY_SEAM_API_KEY"]
    site.set(seam__api_key_file=site.write("key", "seam_one1\nseam_two2\n"))
    return "configuration.error", "leave only its line"


def secret_given_twice(site):
    site.secret_file(site.write("secret", WEBHOOK_SECRET))
    site.set(webhook__secret=WEBHOOK_SECRET)
    return "configuration.error", "keep only one"


def secret_missing(site):
    del site.env["SPAREKEY_WEBHOOK_SECRET"]
    return "configuration.error", "webhook.secret_file"


def secret_file_for_all(site):
    site.secret_file(site.write("secret", WEBHOOK_SECRET, 0o644))
    return "secrets.warning", "chmod 600"


def secret_short(site):
    short = base64.b64encode(b"x" * 16).decode()
    site.secret("whsec_" + short)
    return "secrets.warning", "replace the secret"


def unknown_key(site):
    site.set(listen__prot=1)
    return "configuration.error", "listen.port"


def out_of_range(site):
    site.set(seam__timeout="3h")
    return "configuration.error", "write a duration"


def no_yaml(site):
    site.daemon.write_config = lambda: site.config.write_text("listen: [\n")
    return "configuration.error", ""


def template_broken(site):
    site.set(delivery__message="Use {code}")
    return "configuration.error", "{pin}"


def messages_file_broken(site):
    (site.folder / "en.yaml").write_text("created: Use {pin}\n")
    site.set(delivery__messages_folder=str(site.folder))
    return "configuration.error", ""


def no_such_language(site):
    site.set(delivery__language="tlh")
    return "configuration.error", "write one of"


def command_not_absolute(site):
    site.set(delivery__command=["tell-guest"])
    return "configuration.error", "absolute path"


def configuration_for_all_to_write(site):
    site.daemon.write_config()
    site.config.chmod(0o666)
    return "configuration.writable", "chmod o-w"


def command_missing(site):
    site.set(delivery__command=["/no/such/program"])
    return "delivery.command.missing", "Install it"


def command_not_executable(site):
    site.set(delivery__command=[site.write("tell", "#!/bin/sh\n", 0o644)])
    return "delivery.command.not_executable", "chmod a+rx"


def command_is_a_folder(site):
    site.set(delivery__command=[str(site.folder)])
    return "delivery.command.not_executable", "path of a program"


def command_for_all_to_write(site):
    site.set(delivery__command=[site.write("tell", "#!/bin/sh\n", 0o757)])
    return "delivery.command.writable", "chmod o-w"


def nobody_tells(site):
    site.set(delivery__manual=False)
    return "delivery.none", "turn delivery.manual on"


def receiver_unreachable(site):
    site.secret(WEBHOOK_SECRET, "DELIVERY_WEBHOOK_SECRET")
    site.set(delivery__webhook__url="http://127.0.0.1:9/")
    return "delivery.webhook.unreachable", "Start it"


def database_damaged(site):
    site.sql("create table filler (x)", "insert into filler select randomblob(2000) from webhook_events, pragma_table_info('failovers')")
    bytes_ = bytearray(site.database.read_bytes())
    middle = len(bytes_) // 8192 * 4096
    bytes_[middle : middle + 4096] = b"\xff" * 4096
    site.database.write_bytes(bytes_)
    return "database.corrupt", "backup"


def database_no_database(site):
    site.database.write_bytes(b"A" * 8192)
    return "database.corrupt", "backup"


def database_of_a_newer_version(site):
    site.sql("insert into grdb_migrations values ('99')")
    return "database.newer_schema", "Install that version"


def database_of_another_program(site):
    site.database.unlink()
    site.sql("create table songs (title)", "pragma journal_mode = wal")
    site.database.chmod(0o640)
    return "database.foreign", "database.path"


def database_not_in_wal(site):
    site.sql("pragma journal_mode = delete")
    return "database.not_durable", "Start Sparekey"


def database_for_all_to_read(site):
    site.database.chmod(0o644)
    return "database.mode", "chmod o="


def database_folder_for_all_to_write(site):
    site.state.chmod(0o777)
    return "database.folder_mode", "chmod 0750"


def database_folder_missing(site):
    site.set(database__path=str(site.folder / "nowhere/sparekey.db"))
    return "database.folder", "install -d"


def host_of_another_machine(site):
    site.set(listen__host="203.0.113.7")
    return "listen.host", "ip address"


def seam_away(site):
    site.set(seam__base_url="http://127.0.0.1:9")
    return "seam.unreachable", "seam.base_url"


def public_url_not_registered(site):
    site.set(webhook__public_url="https://sparekey.example/webhooks/seam/")
    return "webhook.missing", "sparekey webhook register"


def public_url_not_set(site):
    del site.daemon.settings["webhook.public_url"]
    return "webhook.unknown", "webhook.public_url"


def key_of_another_workspace(site):
    site.sql("update devices set device_id = 'a-lock-of-another-workspace'")
    return "seam.other_workspace", "database.path"


FAULTS = [
    secret_file_missing, secret_file_empty, secret_file_is_a_folder, api_key_file_of_two_lines, secret_given_twice,
    secret_missing, secret_file_for_all, secret_short, unknown_key, out_of_range, no_yaml, template_broken,
    messages_file_broken, no_such_language, command_not_absolute, configuration_for_all_to_write, command_missing,
    command_not_executable, command_is_a_folder, command_for_all_to_write, nobody_tells, receiver_unreachable,
    database_damaged, database_no_database, database_of_a_newer_version, database_of_another_program, database_not_in_wal,
    database_for_all_to_read, database_folder_for_all_to_write, database_folder_missing, host_of_another_machine, seam_away,
    public_url_not_registered, public_url_not_set, key_of_another_workspace,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault(site, fault):
    expected, fix = fault(site)
    wrong = site.check(write=fault is not configuration_for_all_to_write)
    assert expected in wrong, wrong
    assert fix in wrong[expected]["fix"]
    # Nothing else is blamed; a folder that is away has no database either, and what nobody tells is warned of twice.
    also = {"nobody_tells": {"configuration.warning"}, "secret_short": {"webhook.secret"}}
    assert set(wrong) == {expected} | also.get(fault.__name__, set())


@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_that_is_taken(site, section):
    with contextlib.ExitStack() as sockets:
        # A busy machine: the kernel's table of sockets takes more than one reading.
        servers = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(200)]
        site.set(**{f"{section}__port": servers[-1].getsockname()[1]})
        wrong = site.check()
        assert set(wrong) == {f"{section}.port_taken"}
        assert str(os.getpid()) in wrong[f"{section}.port_taken"]["detail"], "it does not say who has it"
    assert site.check() == {}


# A program that systemd could be: it listens, and calls itself so.
SYSTEMD = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, b"systemd", 0, 0, 0)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("service, wrong", [("sparekey.service", set()), ("web.service", {"listen.port_taken"})])
def test_a_port_that_systemd_holds(site, service, wrong):
    """What systemd says of it is in the place of systemd here; Tests/Systemd asks a real one."""
    systemd = subprocess.Popen([sys.executable, "-c", SYSTEMD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(systemd.stdout.readline())
        tools = site.folder / "tools"
        tools.mkdir()
        script = tools / "systemctl"
        script.write_text(f"#!/bin/sh\n[ $1 = list-sockets ] && echo '127.0.0.1:{port} held.socket {service}'\n")
        script.chmod(0o700)
        site.env["PATH"] = f"{tools}:{os.environ['PATH']}"
        site.set(listen__port=port)
        found = site.check()
        assert set(found) == wrong
        if wrong:
            assert "web.service" in found["listen.port_taken"]["detail"] and "held.socket" in found["listen.port_taken"]["fix"]
    finally:
        systemd.stdin.close()
        systemd.wait(timeout=60)
        systemd.stdout.close()


def test_the_ports_of_the_daemon_that_runs(site, make_daemon):
    daemon = site.daemon
    try:
        daemon.start()
        daemon.keep_ports()
        assert site.check() == {}
    finally:
        daemon.kill()
    assert site.check() == {}


def test_the_database_is_locked(site):
    with contextlib.closing(sqlite3.connect(site.database, isolation_level=None)) as database:
        database.execute("pragma locking_mode = exclusive")
        database.execute("create table intruder (x)")
        wrong = site.check()
    assert set(wrong) == {"database.locked"} and "only Sparekey may write" in wrong["database.locked"]["fix"]


class OldClock(http.server.BaseHTTPRequestHandler):
    """Answers as Seam would whose clock is an hour behind."""

    def do_GET(self):
        self.wfile.write(b"HTTP/1.0 404 Not Found\r\nDate: ")
        self.wfile.write(email.utils.formatdate(self.server.now - 3600, usegmt=True).encode() + b"\r\n\r\n")

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_the_clock_is_off(site):
    server = http.server.HTTPServer(("127.0.0.1", 0), OldClock)
    server.now = time.time()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.set(seam__base_url=f"http://127.0.0.1:{server.server_port}")
    wrong = site.check()
    server.shutdown()
    assert "timedatectl" in wrong["clock.skew"]["fix"] and "ahead" in wrong["clock.skew"]["title"]


# MARK: What has to be broken at Seam


def test_faults_at_seam(sandbox, home, tmp_path):
    site = Site(tmp_path, sandbox, home[1])
    site.database.unlink()
    assert set(site.check()) == {"pool.no_devices", "webhook.missing"}

    salto = sandbox.device(name="Cellar", supports_backup_access_code_pool=False)
    webhook = sandbox.control("webhooks/create", url=PUBLIC_URL, secret=WEBHOOK_SECRET, event_types=["device.connected"])
    wrong = site.check()
    # A lock that cannot have a pool is nothing that can be mended: it is told, and spoils nothing.
    assert set(wrong) == {"webhook.events"} and wrong["webhook.events"]["severity"] == "error"
    found = json.loads(run("check", "--config", site.config, "--json", env=environment(**site.env)).stdout)
    told = next(f for f in found["findings"] if f["id"] == "pool.unsupported")
    assert told["severity"] == "ok" and salto in told["detail"] and "Cellar" in told["detail"]

    triggers = ["access_code.failed_to_set_on_device", "access_code.failed_to_issue"]
    key = {"authorization": "Bearer " + site.env["SPAREKEY_SEAM_API_KEY"]}
    update = {"webhook_id": webhook["webhook"]["webhook_id"], "event_types": triggers}
    assert sandbox.session.post(f"{sandbox.url}/webhooks/update", json=update, headers=key).ok
    assert site.check()["webhook.events"]["severity"] == "warning"
    update["event_types"] = ["*"]
    assert sandbox.session.post(f"{sandbox.url}/webhooks/update", json=update, headers=key).ok
    assert site.check() == {}

    sandbox.control("webhooks/create", url=PUBLIC_URL, secret=WEBHOOK_SECRET)
    assert "sparekey webhook delete" in site.check()["webhook.twice"]["fix"]
    other = "whsec_" + base64.b64encode(b"another secret of Seam's").decode()
    sandbox.control("webhooks/create", url=PUBLIC_URL, secret=other)
    wrong = site.check()
    assert set(wrong) == {"webhook.twice", "webhook.secret"} and other[6:] not in json.dumps(wrong)

    sandbox.device(name="Attic", backup_access_code_pool_enabled=False)
    drained = sandbox.device(name="Side door")
    sandbox.control("pool/empty", device_id=drained, refills=False)
    wrong = site.check()
    assert wrong["pool.empty"]["severity"] == "error" and drained in wrong["pool.empty"]["detail"]
    assert wrong["pool.disabled"]["severity"] == "warning" and "sparekey codes create" in wrong["pool.disabled"]["fix"]

    sandbox.control("faults/add", kind="error", status=401, type="unauthorized", route="/workspaces/get", count=0)
    assert set(site.check()) == {"seam.unauthorized"}


# MARK: Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A root, an intermediate, and a leaf for sparekey.example and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificates")
    script = """
        set -e; umask 077
        for name in root middle leaf other; do openssl ecparam -name prime256v1 -genkey -noout -out $name.key; done
        openssl req -x509 -new -key root.key -subj /CN=root -days 100 -out root.pem
        printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext
        openssl req -new -key middle.key -subj /CN=middle -out middle.csr
        openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial -days 100 -extfile ca.ext -out middle.pem
        printf 'subjectAltName=DNS:sparekey.example,IP:127.0.0.1\\n' > leaf.ext
        openssl req -new -key leaf.key -subj /CN=leaf -out leaf.csr
        openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -CAcreateserial -days 90 -extfile leaf.ext -out leaf.pem
        openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -CAcreateserial -days 3 -extfile leaf.ext -out soon.pem
        cat leaf.pem middle.pem > full.pem; cat soon.pem middle.pem > soon-full.pem
        openssl ec -in leaf.key -aes128 -passout pass:secret -out locked.key
    """
    subprocess.run(["sh", "-c", script], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    "certificate, key, public_url, expected, fix",
    [
        ("full.pem", "leaf.key", PUBLIC_URL, None, None),
        ("leaf.pem", "leaf.key", PUBLIC_URL, "tls.chain", "full chain"),
        ("full.pem", "other.key", PUBLIC_URL, "tls.key", "Name the key"),
        ("full.pem", "locked.key", PUBLIC_URL, "tls.key", "without a passphrase"),
        ("full.pem", "none.key", PUBLIC_URL, "tls.key", "PEM file"),
        ("none.pem", "leaf.key", PUBLIC_URL, "tls.certificate", "PEM file"),
        ("soon-full.pem", "leaf.key", PUBLIC_URL, "tls.expires", "Renew it"),
        ("full.pem", "leaf.key", "https://other.example/webhooks/seam", "tls.host", "Get a certificate"),
        ("full.pem", "leaf.key", "https://sparekey.example/seam", "webhook.path", "Make both the same"),
    ],
)
def test_certificates(site, certificates, certificate, key, public_url, expected, fix):
    site.set(
        listen__tls__certificate_file=str(certificates / certificate),
        listen__tls__private_key_file=str(certificates / key), webhook__public_url=public_url,
    )
    site.env["SSL_CERT_FILE"] = str(certificates / "root.pem")
    wrong = site.check()
    if public_url != PUBLIC_URL:
        assert wrong.pop("webhook.missing")
    assert set(wrong) == ({expected} if expected else set())
    assert not fix or fix in wrong[expected]["fix"]


def test_a_receiver_whose_certificate_is_not_trusted(site, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "full.pem", certificates / "leaf.key")
    server = http.server.HTTPServer(("127.0.0.1", 0), OldClock)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.secret(WEBHOOK_SECRET, "DELIVERY_WEBHOOK_SECRET")
    site.set(delivery__webhook__url=f"https://127.0.0.1:{server.server_port}/")
    wrong = site.check()
    server.shutdown()
    assert set(wrong) == {"delivery.webhook.tls"} and "update-ca-certificates" in wrong["delivery.webhook.tls"]["fix"]


# MARK: What only root can break


@pytest.fixture
def open_site(home):
    """A site in a folder that everybody may enter, as /etc and /var are."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield Site(folder, *home)
    shutil.rmtree(folder)


@NEEDS_ROOT
def test_files_that_the_service_cannot_use(open_site):
    """Root is asked; the folder of the database says who the service is."""
    site = open_site
    os.chown(site.state, 65534, 65534)
    os.chown(site.database, 65534, 65534)
    site.secret_file(site.write("secret", WEBHOOK_SECRET))
    site.daemon.write_config()
    site.config.chmod(0o644)
    os.chown(site.folder / "secret", 65534, 65534)
    assert not {name for name in site.check(write=False) if "owner" in name or name.startswith("database")}
    os.chown(site.database, 0, 0)
    os.chown(site.folder / "secret", 0, 0)
    site.config.chmod(0o600)
    wrong = site.check(write=False)
    assert {"database.owner", "secrets.owner", "configuration.owner"} <= set(wrong)
    assert "chown" in wrong["database.owner"]["fix"] and "chown" in wrong["secrets.owner"]["fix"]


@NEEDS_ROOT
def test_a_disk_that_is_full_or_read_only(site):
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0750", "tmpfs", site.state], capture_output=True)
    if mount.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {mount.stderr.decode().strip()}")
    try:
        full = json.loads(run_check(site).stdout)["findings"]
        found = {f["id"]: f for f in full}
        assert found["disk.space"]["severity"] == "error" and "Make room" in found["disk.space"]["fix"]
        subprocess.run(["mount", "-o", "remount,ro", site.state], check=True)
        found = {f["id"]: f for f in json.loads(run_check(site).stdout)["findings"]}
        assert found["disk.read_only"]["severity"] == "error" and "remount,rw" in found["disk.read_only"]["fix"]
    finally:
        subprocess.run(["umount", site.state], check=True)


def run_check(site):
    site.daemon.write_config()
    return run("check", "--config", site.config, "--json", env=environment(**site.env))


def as_nobody(site):
    """The findings of a check by a user who may look at nothing of anybody else's, by ID."""
    site.daemon.write_config()
    site.config.chmod(0o644)
    # A name of its own for the program, which may lie where no other user may run it.
    program = shutil.copy(binary(), site.folder / "sparekey")
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    found = subprocess.run(
        [*nobody, program, "check", "--config", site.config, "--json"], env=environment(**site.env), capture_output=True, text=True
    )
    return {finding["id"]: finding for finding in json.loads(found.stdout)["findings"]}


@NEEDS_ROOT
def test_a_port_of_roots(open_site):
    """It may be the socket unit's, which this user cannot see: that is said, and nothing is blamed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_site.set(listen__port=server.getsockname()[1])
        found = as_nobody(open_site)
    assert str(open_site.daemon.settings["listen.port"]) in found["listen.unknown"]["detail"]
    assert found["listen.unknown"]["severity"] == "ok" and "listen.port_taken" not in found


@NEEDS_ROOT
def test_a_port_that_is_not_for_this_user(open_site):
    site = open_site
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 443:
        pytest.skip("on this machine anybody may listen on port 443")
    site.set(listen__port=443)
    wrong = as_nobody(site)
    assert "CAP_NET_BIND_SERVICE" in wrong["listen.port_forbidden"]["fix"]
    # The user that asks is not the one that the database's folder belongs to, and sees nothing in it.
    assert set(wrong) >= {"database.folder"} and "database.owner" not in wrong
