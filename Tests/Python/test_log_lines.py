"""Every line of the log names what it is about, so that one ID finds all of a guest's story; and none holds a PIN."""

import re
import uuid

from processes import API_KEY, ROOT, WEBHOOK_SECRET, DELIVERY_SECRET, failure_event, in_hours, post, until

BACKUP_PIN = "90317462"
ORIGINAL_PIN = "58201937"

CODE = {"access_code_id", "device_id"}
STAY = CODE | {"substitution_id", "backup_access_code_id"}
DELIVERY = {"delivery_id", "channel", "kind", "device_id"}
EVENT = {"inbox_id", "source"}

# The start of every line that there is, with what it has to name. Nothing: it is about the whole daemon.
NAMES = {
    "A backup code replaces an access code that failed": STAY | {"request_id", "reason"},
    "A backup was pulled for a failover that was closed meanwhile": CODE | {"backup_access_code_id", "request_id"},
    "A failover was decided": CODE | {"state", "reason", "request_id"},
    "A failover waits on": CODE | {"state", "reason", "request_id"},
    "A guest code failed and needs a person's attention": CODE | {"state", "reason", "request_id"},
    "A stay with a backup code has changed": STAY | {"what"},
    "A stay with a backup code needs a person's attention": STAY | {"alert", "text"},
    "A stay could not be recorded": STAY | {"error"},
    "The lock could not be read or kept": {"device_id", "error"},
    "A lock that is not listed could not be read": {"device_id", "error"},
    "A lock's access codes could not be read": {"device_id", "error"},
    "A lock's pool of backup codes needs attention": {"device_id", "alert", "text"},
    "A lock's pool of backup codes is well again": {"device_id", "alert"},
    "Seam does not know a lock any more": {"device_id"},
    "A sweep found access codes that failed without an event": {"device_id", "access_codes"},
    "A sweep found what needs a person's attention": CODE | {"alert", "text"},
    "The guest's side has been told": DELIVERY,
    "A delivery will be tried again": DELIVERY | {"error"},
    "A delivery failed for good": DELIVERY | {"error"},
    "A delivery is not needed any more": DELIVERY | {"reason"},
    "A delivery could not be recorded": DELIVERY | {"error"},
    "An event tells of an access code to look at": EVENT | CODE | {"event_id", "event_type"},
    "An event was read": EVENT | {"event_id", "event_type"},
    "An authentic webhook is unreadable and was quarantined": EVENT | {"reason"},
    "An event cannot be settled and was quarantined": EVENT | {"error"},
    "A request to the webhook path was refused": {"reason", "detail", "peer"},
    "A signature could not be checked": {"reason", "detail", "peer"},
    # Of one lock or of one code, whichever is known.
    "A failover could not be recorded": {"error"},
    # Of many.
    "The windows of new failovers could not be read": {"error"},
    "Settling a batch of events failed, now one by one": {"error"},
    "A sweep found events without a webhook": {"events"},
    "A sweep of Seam's events failed": {"error"},
    "A step of the state sweep failed": {"error"},
    "The locks could not be read": {"error"},
    "A worker failed and goes on": {"worker", "error"},
    "Deliveries waited for a way that is not configured any more": {"count"},
    "Deliveries of removed ways stay": {"error"},
    "Retention": set(),
    "The history of answers could not be kept": {"error"},
    "The history of answers could not be read": {"error"},
    # Of the whole daemon.
    "Ready": set(),
    "Stopping": set(),
    "Stopped": set(),
    "The configuration was loaded anew": {"changed"},
    "The new configuration was refused": {"error"},
    "A changed key takes effect at the next start only": {"key"},
    "The certificate": set(),
    "The changed certificate": set(),
    "All parts make progress again": set(),
    "Parts of the daemon make no progress": {"stalled"},
    "listen.port is not the socket unit's": {"listening"},
    "The database cannot be used": {"worker", "error"},
    "The database can be used again": set(),
    "The database was replaced while it was open": {"file"},
    "Webhooks cannot be committed": {"error"},
    "Webhooks are committed again": set(),
    "Seam accepts the API key again": set(),
    "Webhooks are answered too late": {"seconds"},
    "Webhooks are answered in time again": set(),
    "Short of descriptors or memory": {"listener", "errno"},
    "There are enough descriptors again": {"listener"},
    "No heartbeat": {"result", "reason"},
    "There is a heartbeat again": set(),
    # A warning of the configuration, in its own words.
    "\\(warning)": set(),
}

CALL = re.compile(
    r'(?:log\.(?:log\(\s*level:[^"()]*?|(?:debug|info|notice|warning|error|critical)\(\s*)|surroundings\.tell\(\s*)"((?:[^"\\]|\\.)*)"')


def needed(message):
    found = [names for start, names in NAMES.items() if message.startswith(start)]
    return max(found, key=len) if found else None


def test_every_line_of_the_sources_is_known():
    """Whoever adds a line says what it has to name."""
    written = {
        message for file in ROOT.glob("Sources/*/*.swift") for message in CALL.findall(file.read_text())
    }
    assert len(written) > 40
    assert {message for message in written if needed(message) is None} == set()
    gone = {start for start in NAMES if not any(message.startswith(start) for message in written)}
    assert gone == set()


def test_a_story(sandbox, make_daemon, receiver):
    daemon = make_daemon(
        sandbox_url=sandbox.url,
        **{"log.level": "debug", "delivery.webhook.url": receiver.url, "delivery.retry_initial": "50ms",
           "failover.retry_max": "200ms", "reconcile.interval": "1s"},
    )
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    receiver.status = 500
    daemon.start()
    sandbox.control("webhooks/create", url=daemon.url, secret=WEBHOOK_SECRET)
    locks = [sandbox.device(name="Front door"), sandbox.device(name="Back door", pool_size=0, refill_delay_seconds=86_400)]
    sandbox.control("pool/set", device_id=locks[0], next_code=BACKUP_PIN)

    # Refused, unreadable, of no use.
    forged = f"msg_{uuid.uuid4().hex[:27]}"
    post(daemon.url, failure_event("x", locks[0], code=ORIGINAL_PIN), secret=DELIVERY_SECRET, message_id=forged)
    aside = f"msg_{uuid.uuid4().hex[:27]}"
    post(daemon.url, f'{{"event_type": "access_code.set_on_device", "code": "{ORIGINAL_PIN}"', message_id=aside)
    # Seam fails in between.
    sandbox.control("faults/add", kind="server_error", route="/access_codes/get")
    sandbox.control("faults/add", kind="server_error", route="/events/list")
    sandbox.control("faults/add", kind="server_error", route="/devices/get")
    told = sandbox.failed_code(locks[0], name="Ada", code=ORIGINAL_PIN)
    waiting = sandbox.failed_code(locks[1], name="Grace", starts_at=in_hours(2))
    until("a delivery that fails", lambda: daemon.says("A delivery will be tried again"))
    receiver.status = 204
    until("a delivery", lambda: daemon.query("select 1 from deliveries where kind = 'created' and state = 'delivered'"))
    until("one who waits", lambda: daemon.query("select 1 from failovers where reason = 'pool_empty'"))
    # The stay is cancelled, and its backup goes.
    sandbox.control("access_codes/delete", access_code_id=told)
    until("the end of the stay", lambda: daemon.says("A stay with a backup code has changed"))
    until("a step of the sweep", lambda: daemon.says("A sweep of Seam's events failed"))
    assert daemon.stop() == 0

    lines = daemon.log()
    (substitution,) = daemon.query("select * from substitutions")
    codes = {told, waiting, substitution["backup_access_code_id"]}
    for line in lines:
        names = needed(line["message"])
        assert names is not None, line
        if line.get("reason") == "seam_unavailable":
            # Where no answer came, as to a call that the stop has cut off, there is no ID.
            names = names - {"request_id"}
        assert names <= set(line), (names - set(line), line)
        assert "-" not in [line.get(name) for name in names], line
        assert line.get("access_code_id", told) in codes and line.get("device_id", locks[0]) in locks, line
    said = {line["message"] for line in lines}
    for start in (
        "A backup code replaces", "A failover was decided", "A guest code failed and needs", "A stay with a backup code has changed",
        "The guest's side has been told", "A delivery will be tried again", "An event tells of an access code",
        "An event was read", "An authentic webhook is unreadable", "A request to the webhook path was refused",
        "A sweep of Seam's events failed",
    ):
        assert any(message.startswith(start) for message in said), start

    def of(start):
        return [line for line in lines if line["message"].startswith(start)]

    assert [line["svix_id"] for line in of("A request to the webhook path")] == [forged]
    assert [line["svix_id"] for line in of("An authentic webhook is unreadable")] == [aside]
    assert all(line["request_id"] for line in of("A sweep of Seam's events failed"))
    # One ID finds the guest's story, in order.
    story = [line["message"] for line in lines if line.get("access_code_id") == told]
    order = ["An event tells of an access code to look at", "A backup code replaces an access code that failed",
             "The guest's side has been told", "A stay with a backup code has changed"]
    assert [story.index(message) for message in order] == sorted(story.index(message) for message in order), story
    assert of("A backup code replaces")[0]["substitution_id"] == substitution["substitution_id"]
    # Seam's own ID of the pull.
    assert of("A backup code replaces")[0]["request_id"] in {
        row["request_id"] for row in daemon.query("select json_extract(detail, '$.request_id') as request_id from journal where kind = 'api.call'")
    }
    output = daemon.output()
    for secret in (BACKUP_PIN, ORIGINAL_PIN, API_KEY, WEBHOOK_SECRET, DELIVERY_SECRET):
        assert secret not in output
