"""Holds `sparekey sandbox` to Seam's official Python SDK and to Seam's OpenAPI document.

Every endpoint is called through the SDK, as an integrator would; every JSON body is fetched once more with `requests` and
validated against openapi.json. Webhooks are received here and verified with `svix` and with `seam.SeamWebhook`.
"""

import datetime
import functools
import json
import pathlib
import time

import pytest
import requests
import svix.webhooks
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from seam import NULL, Seam, SeamHttpApiError, SeamHttpInvalidInputError, SeamHttpUnauthorizedError, SeamWebhook

from processes import Receiver, Sandbox, text, until

KEY = "seam_testConformance"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def without_discriminators(schema):
    """oneOf alone decides: the document's discriminators name no schemas that are there."""
    if isinstance(schema, list):
        return [without_discriminators(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: without_discriminators(value)
        for name, value in schema.items()
        if not (name == "discriminator" and isinstance(value, dict) and isinstance(value.get("propertyName"), str))
    }


DOCUMENT = without_discriminators(json.loads(pathlib.Path(__file__).with_name("openapi.json").read_text()))


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}")


def that(condition, text):
    if not condition:
        raise AssertionError(text)


class Conformant:
    """The sandbox, each of whose answers is validated."""

    def __init__(self, sandbox):
        self.endpoint = sandbox.url
        self.session = sandbox.session
        self.control = sandbox.control

    def call(self, method, path, query=None, body=None, status=200, key=KEY):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = self.session.request(
            method, self.endpoint + path, params=query, json=body, headers=headers, timeout=10
        )
        equal(answer.status_code, status)
        that(answer.headers.get("seam-request-id"), "no seam-request-id")
        that(answer.headers["content-type"].startswith("application/json"), "not JSON")
        parsed = answer.json()
        equal(parsed["ok"], status == 200)
        validate(path, method, parsed, status)
        return parsed


@functools.cache
def validator(path, method, status):
    schema = {"$ref": "#/components/schemas/api_error_response"}
    if status == 200:
        operations = DOCUMENT["paths"][path]
        operation = operations.get(method.lower()) or operations["post"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return OAS30Validator({**schema, "components": DOCUMENT["components"]}, format_checker=oas30_format_checker)


def validate(path, method, body, status):
    for error in validator(path, method, status).iter_errors(body):
        raise AssertionError(f"{method} {path}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")


def both(subtests, sandbox, path, query, body=None):
    """GET with a query and POST with a body give the same kind of answer."""
    with subtests.test(msg=f"GET {path}"):
        sandbox.call("GET", path, query=query)
    with subtests.test(msg=f"POST {path}"):
        return sandbox.call("POST", path, body=body if body is not None else query)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    process = Sandbox(tmp_path_factory.mktemp("conformance"))
    yield Conformant(process)
    process.kill()


@pytest.fixture(scope="module")
def seam(sandbox):
    return Seam(api_key=KEY, endpoint=sandbox.endpoint)


@pytest.fixture
def stay():
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "starts_at": text(now - datetime.timedelta(hours=1)),
        "ends_at": text(now + datetime.timedelta(days=3)),
    }


@pytest.fixture
def device_id(sandbox):
    return sandbox.control("devices/create", pool_size=3)["device"]["device_id"]


def failed_code(sandbox, seam, device_id, stay):
    code = seam.access_codes.create(device_id=device_id, use_backup_access_code_pool=True, **stay)
    sandbox.control("access_codes/fail", access_code_id=code.access_code_id)
    return code.access_code_id


def test_workspace_and_devices(sandbox, seam, subtests):
    with subtests.test(msg="SDK workspaces.get"):
        that(seam.workspaces.get().is_sandbox, "not a sandbox")
    both(subtests, sandbox, "/workspaces/get", {})
    with subtests.test(msg="GET /health"):
        sandbox.call("GET", "/health", key=None)

    name = f"Conformance door {time.time_ns()}"
    device = sandbox.control("devices/create", name=name, time_zone="Europe/Vienna", pool_size=3)["device"]
    device_id = device["device_id"]
    with subtests.test(msg="SDK devices.get"):
        found = seam.devices.get(device_id=device_id)
        equal((found.device_id, found.properties.supports_backup_access_code_pool), (device_id, True))
    with subtests.test(msg="SDK devices.get by name"):
        equal(seam.devices.get(name=name).device_id, device_id)
    with subtests.test(msg="SDK devices.list"):
        that(device_id in [found.device_id for found in seam.devices.list()], "device not listed")
    with subtests.test(msg="SDK devices.list device_ids"):
        equal([found.device_id for found in seam.devices.list(device_ids=[device_id])], [device_id])
    with subtests.test(msg="SDK paginator"):
        for _ in range(3):
            sandbox.control("devices/create")
        paginator = seam.create_paginator(seam.devices.list, {"limit": 2})
        found = paginator.flatten_to_list()
        that(len(found) >= 4 and len({item.device_id for item in found}) == len(found), "pages repeat or miss devices")
    with subtests.test(msg="the URL of the next page"):
        pages = [sandbox.call("POST", "/devices/list", body={"limit": 2, "device_types": ["schlage_lock"]})]
        while following := pages[-1]["pagination"]["next_page_url"]:
            answer = sandbox.session.get(following, headers={"authorization": f"Bearer {KEY}"}, timeout=10)
            equal(answer.status_code, 200)
            pages.append(answer.json())
        equal([item["device_id"] for page in pages for item in page["devices"]], [item.device_id for item in found])
    with subtests.test(msg="SDK devices.update"):
        seam.devices.update(device_id=device_id, custom_metadata={"property": "A 1", "vip": True})
        equal(seam.devices.get(device_id=device_id).custom_metadata["property"], "A 1")
    with subtests.test(msg="SDK devices.list custom_metadata_has"):
        def having(**wanted):
            return [found.device_id for found in seam.devices.list(device_ids=[device_id], custom_metadata_has=wanted)]
        equal((having(property="A 1", vip=True), having(property="A 1", floor=NULL)), ([device_id], [device_id]))
        equal((having(property="A 2"), having(vip=NULL)), ([], []))
    with subtests.test(msg="PATCH /devices/update"):
        sandbox.call("PATCH", "/devices/update", body={"device_id": device_id, "custom_metadata": {"vip": None}})
    with subtests.test(msg="SDK devices.simulate"):
        seam.devices.simulate.disconnect(device_id=device_id)
        equal(seam.devices.get(device_id=device_id).properties.online, False)
        sandbox.call("POST", "/devices/get", body={"device_id": device_id})
        seam.devices.simulate.connect(device_id=device_id)
        equal(seam.devices.get(device_id=device_id).properties.online, True)
    for verb in ("disconnect", "connect"):
        with subtests.test(msg=f"POST /devices/simulate/{verb}"):
            sandbox.call("POST", f"/devices/simulate/{verb}", body={"device_id": device_id})
    both(subtests, sandbox, "/devices/get", {"device_id": device_id})
    both(subtests, sandbox, "/devices/list", {"limit": 2})


def test_access_codes(sandbox, seam, device_id, stay, subtests):
    with subtests.test(msg="SDK access_codes.create"):
        created = seam.access_codes.create(device_id=device_id, name="Guest 1", use_backup_access_code_pool=True, **stay)
        equal((created.type, created.is_managed), ("time_bound", True))
    code_id = created.access_code_id
    with subtests.test(msg="SDK access_codes.create common_code_key"):
        neighbour = sandbox.control("devices/create")["device"]["device_id"]
        linked = [seam.access_codes.create(device_id=door, common_code_key="stay 1", name="", **stay)
                  for door in (device_id, neighbour)]
        equal(linked[0].code, linked[1].code)
        for code in linked:
            seam.access_codes.delete(access_code_id=code.access_code_id)
    with subtests.test(msg="POST /access_codes/create"):
        other = sandbox.call("POST", "/access_codes/create", body={"device_id": device_id, "code": "73519264", **stay})
        other_id = other["access_code"]["access_code_id"]
    with subtests.test(msg="SDK access_codes.get"):
        found = until("set code", lambda: (c := seam.access_codes.get(access_code_id=code_id)).status == "set" and c)
        equal((found.errors, found.pending_mutations), ([], []))
    with subtests.test(msg="SDK access_codes.get by code"):
        equal(seam.access_codes.get(device_id=device_id, code="73519264").access_code_id, other_id)
    with subtests.test(msg="SDK access_codes.list by ids"):
        found = seam.access_codes.list(access_code_ids=[code_id, other_id], limit=10)
        equal({code.access_code_id for code in found}, {code_id, other_id})
    with subtests.test(msg="SDK access_codes.list by device"):
        that(not any(code.is_backup for code in seam.access_codes.list(device_id=device_id)), "pool codes listed")
    with subtests.test(msg="query array forms"):
        for query in (f"access_code_ids={code_id}&access_code_ids={other_id}",
                      f"access_code_ids={code_id},{other_id}",
                      f"access_code_ids[]={code_id}&access_code_ids[]={other_id}&_strict=true",
                      f"access_code_ids%5B%5D={code_id}&access_code_ids%5B%5D={other_id}"):
            equal(len(sandbox.call("GET", "/access_codes/list", query=query)["access_codes"]), 2)
        equal(sandbox.call("GET", "/access_codes/list", query="access_code_ids=")["access_codes"], [])
    with subtests.test(msg="SDK access_codes.update"):
        end = text(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=9))
        seam.access_codes.update(access_code_id=code_id, ends_at=end, name="Guest 1 extended")
        sandbox.call("POST", "/access_codes/get", body={"access_code_id": code_id})
        found = until("update", lambda: not (c := seam.access_codes.get(access_code_id=code_id)).pending_mutations and c)
        equal((found.ends_at, found.name), (end, "Guest 1 extended"))
    for method in ("PATCH", "PUT", "POST"):
        with subtests.test(msg=f"{method} /access_codes/update"):
            sandbox.call(method, "/access_codes/update", body={"access_code_id": code_id, "name": f"By {method}"})
    both(subtests, sandbox, "/access_codes/get", {"access_code_id": code_id})
    both(subtests, sandbox, "/access_codes/list", {"device_id": device_id, "limit": 1})
    with subtests.test(msg="SDK access_codes.unmanaged.list"):
        equal(seam.access_codes.unmanaged.list(device_id=device_id), [])
    both(subtests, sandbox, "/access_codes/unmanaged/list", {"device_id": device_id})
    with subtests.test(msg="SDK access_codes.delete"):
        seam.access_codes.delete(access_code_id=other_id)
        until("deletion", lambda: sandbox.session.get(
            f"{sandbox.endpoint}/access_codes/get", params={"access_code_id": other_id},
            headers={"authorization": f"Bearer {KEY}"}, timeout=10).status_code == 404)
    for method in ("DELETE", "POST"):
        with subtests.test(msg=f"{method} /access_codes/delete"):
            doomed = seam.access_codes.create(device_id=device_id, **stay).access_code_id
            parameters = {"query" if method == "DELETE" else "body": {"access_code_id": doomed}}
            sandbox.call(method, "/access_codes/delete", **parameters)


def test_backup_codes(sandbox, seam, device_id, stay, subtests):
    with subtests.test(msg="failed code"):
        code_id = failed_code(sandbox, seam, device_id, stay)
        found = seam.access_codes.get(access_code_id=code_id)
        equal([error.error_code for error in found.errors], ["failed_to_set_on_device"])
        sandbox.call("GET", "/access_codes/get", query={"access_code_id": code_id})
    with subtests.test(msg="SDK access_codes.pull_backup_access_code"):
        backup = seam.access_codes.pull_backup_access_code(access_code_id=code_id)
        equal((backup.is_backup, backup.status, backup.ends_at), (True, "set", found.ends_at))
        that(backup.code and backup.code != found.code, "no PIN of its own")
        again = seam.access_codes.pull_backup_access_code(access_code_id=code_id)
        equal(again.access_code_id, backup.access_code_id)
        original = seam.access_codes.get(access_code_id=code_id)
        equal(original.pulled_backup_access_code_id, backup.access_code_id)
    with subtests.test(msg="POST /access_codes/pull_backup_access_code"):
        body = sandbox.call("POST", "/access_codes/pull_backup_access_code", body={"access_code_id": code_id})
        equal(body["access_code"], body["backup_access_code"])
        sandbox.call("GET", "/access_codes/get", query={"access_code_id": body["access_code"]["access_code_id"]})
        sandbox.call("GET", "/access_codes/get", query={"access_code_id": code_id})
    with subtests.test(msg="pull from an empty pool"):
        sandbox.control("pool/empty", device_id=device_id, refills=False)
        other_id = failed_code(sandbox, seam, device_id, stay)
        sandbox.control("pool/empty", device_id=device_id, refills=False)
        equal(seam.access_codes.get(access_code_id=other_id).is_backup_access_code_available, False)
        sandbox.call("GET", "/devices/get", query={"device_id": device_id})
        try:
            seam.access_codes.pull_backup_access_code(access_code_id=other_id)
            raise AssertionError("pulled from an empty pool")
        except SeamHttpApiError as error:
            equal((error.status_code, error.code), (400, "no_backup_access_code_available"))
    with subtests.test(msg="device warnings"):
        sandbox.control("pool/refill", device_id=device_id)
        for _ in range(3):
            seam.access_codes.pull_backup_access_code(access_code_id=failed_code(sandbox, seam, device_id, stay))
        body = sandbox.call("GET", "/devices/get", query={"device_id": device_id})
        equal([warning["warning_code"] for warning in body["device"]["warnings"]], ["many_active_backup_codes"])
    with subtests.test(msg="SDK devices.update disables the pool"):
        sandbox.control("pool/refill", device_id=device_id)
        seam.devices.update(device_id=device_id, backup_access_code_pool_enabled=False)
        equal(seam.devices.get(device_id=device_id).properties.backup_access_code_pool_enabled, False)


def test_errors(sandbox, seam, device_id, subtests):
    with subtests.test(msg="SDK 404"):
        try:
            seam.access_codes.get(access_code_id=UNKNOWN_ID)
            raise AssertionError("found an unknown code")
        except SeamHttpApiError as error:
            equal((error.status_code, error.code), (404, "access_code_not_found"))
            that(error.request_id, "no request id")
    with subtests.test(msg="SDK 401"):
        try:
            Seam(api_key="seam_", endpoint=sandbox.endpoint).workspaces.get()
            raise AssertionError("accepted a wrong key")
        except SeamHttpUnauthorizedError as error:
            equal(error.status_code, 401)
    with subtests.test(msg="SDK 400"):
        try:
            seam.access_codes.get(access_code_id="not a uuid")
            raise AssertionError("accepted a wrong id")
        except SeamHttpInvalidInputError as error:
            equal(error.get_validation_error_messages("access_code_id"), ["Invalid uuid"])
    for name, method, path, status, body in (
        ("no key", "GET", "/devices/list", 401, None),
        ("missing parameter", "POST", "/access_codes/pull_backup_access_code", 400, {}),
        ("unknown device", "GET", f"/devices/get?device_id={UNKNOWN_ID}", 404, None),
        ("unknown webhook", "GET", "/webhooks/get?webhook_id=none", 404, None),
        ("unknown route", "GET", "/access_codes/nothing", 404, None),
        ("wrong method", "GET", "/access_codes/pull_backup_access_code", 405, None),
        ("list without filter", "GET", "/access_codes/list", 400, None),
        ("events without since", "GET", "/events/list", 400, None),
        ("ongoing with pool", "POST", "/access_codes/create", 400,
         {"device_id": device_id, "use_backup_access_code_pool": True}),
        ("unknown event type", "POST", "/webhooks/create", 400, {"url": "https://a.example", "event_types": ["no.such"]}),
    ):
        with subtests.test(msg=name):
            sandbox.call(method, path, body=body, status=status, key=None if status == 401 else KEY)
    with subtests.test(msg="wrong content type"):
        answer = requests.post(f"{sandbox.endpoint}/devices/list", data="a=b", timeout=10,
                               headers={"authorization": f"Bearer {KEY}", "content-type": "text/plain"})
        equal((answer.status_code, answer.json()["error"]["type"]), (400, "invalid_content_type"))


def test_events(sandbox, seam, device_id, stay, subtests):
    since = text(datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1))
    code_id = seam.access_codes.create(device_id=device_id, **stay).access_code_id
    until("set code", lambda: seam.access_codes.get(access_code_id=code_id).status == "set")
    failed_code(sandbox, seam, device_id, stay)
    with subtests.test(msg="SDK events.list"):
        found = seam.events.list(since=since, event_types=["access_code.failed_to_set_on_device"], limit=5)
        that(found and all(event.event_type == "access_code.failed_to_set_on_device" for event in found), "no failure")
    with subtests.test(msg="SDK events.list between"):
        end = text(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1))
        found = seam.events.list(between=[since, end], access_code_id=code_id)
        that({"access_code.created", "access_code.set_on_device"} <= {event.event_type for event in found}, "events miss")
    with subtests.test(msg="SDK events.get"):
        equal(seam.events.get(event_id=found[0].event_id).event_id, found[0].event_id)
    both(subtests, sandbox, "/events/get", {"event_id": found[0].event_id})
    both(subtests, sandbox, "/events/list", {"since": since, "limit": 500})
    both(subtests, sandbox, "/events/list", {"since": since, "device_id": device_id})
    for name in ("connected_account_id", "space_id", "access_grant_ids"):
        with subtests.test(msg=f"SDK events.list {name} of none"):
            equal(seam.events.list(since=since, **{name: [UNKNOWN_ID] if name.endswith("s") else UNKNOWN_ID}), [])


def test_webhooks(sandbox, seam, device_id, stay, subtests):
    receiver = Receiver()
    with subtests.test(msg="SDK webhooks.create"):
        webhook = seam.webhooks.create(url=receiver.url, event_types=["access_code.failed_to_set_on_device"])
        that(webhook.secret.startswith("whsec_"), "no secret")
    with subtests.test(msg="SDK webhooks.create for every event"):
        every = seam.webhooks.create(url="https://receiver.example/every")
        equal(every.event_types, ["*"])
        seam.webhooks.delete(webhook_id=every.webhook_id)
    with subtests.test(msg="SDK webhooks.get, list"):
        equal(seam.webhooks.get(webhook_id=webhook.webhook_id).url, receiver.url)
        that(webhook.webhook_id in [found.webhook_id for found in seam.webhooks.list()], "webhook not listed")
    with subtests.test(msg="SDK webhooks.update"):
        seam.webhooks.update(webhook_id=webhook.webhook_id, event_types=["*"])
        equal(seam.webhooks.get(webhook_id=webhook.webhook_id).event_types, ["*"])
    with subtests.test(msg="PUT /webhooks/update"):
        sandbox.call("PUT", "/webhooks/update", body={"webhook_id": webhook.webhook_id, "event_types": ["*"]})
    both(subtests, sandbox, "/webhooks/get", {"webhook_id": webhook.webhook_id})
    both(subtests, sandbox, "/webhooks/list", {})

    with subtests.test(msg="received webhook"):
        code_id = failed_code(sandbox, seam, device_id, stay)
        headers, body = receiver.next("access_code.failed_to_set_on_device")
        equal(json.loads(body)["access_code_id"], code_id)
        that(headers["user-agent"].startswith("Svix-Webhooks/"), "user agent")
        equal(headers["content-type"], "application/json")
    with subtests.test(msg="svix verifies"):
        svix.webhooks.Webhook(webhook.secret).verify(body, headers)
    with subtests.test(msg="SeamWebhook verifies"):
        event = SeamWebhook(webhook.secret).verify(body, headers)
        equal((event.event_type, event.access_code_id), ("access_code.failed_to_set_on_device", code_id))
    with subtests.test(msg="the webhook is the event"):
        equal(sandbox.call("GET", "/events/get", query={"event_id": event.event_id})["event"], json.loads(body))
    with subtests.test(msg="a changed body is refused"):
        try:
            svix.webhooks.Webhook(webhook.secret).verify(body.replace(b"failed", b"passed"), headers)
            raise AssertionError("verified a changed body")
        except svix.webhooks.WebhookVerificationError:
            pass
    with subtests.test(msg="a retry keeps the id and renews the timestamp"):
        sandbox.control("webhooks/time_factor", factor=0.3)
        receiver.status = 503
        failed_code(sandbox, seam, device_id, stay)
        first, _ = receiver.next("access_code.failed_to_set_on_device")
        receiver.status = 204
        second, body = receiver.next("access_code.failed_to_set_on_device")
        equal(second["svix-id"], first["svix-id"])
        that(int(second["svix-timestamp"]) > int(first["svix-timestamp"]), "the same timestamp")
        svix.webhooks.Webhook(webhook.secret).verify(body, second)
    with subtests.test(msg="two secrets sign"):
        rotated = sandbox.control("webhooks/rotate_secret", webhook_id=webhook.webhook_id)["webhook"]["secret"]
        failed_code(sandbox, seam, device_id, stay)
        headers, body = receiver.next("access_code.failed_to_set_on_device")
        equal(len(headers["svix-signature"].split(" ")), 2)
        for secret in (webhook.secret, rotated):
            SeamWebhook(secret).verify(body, headers)
    for kind, verifies in (("bad_signature", False), ("stale_timestamp", False), ("duplicate_message", True)):
        with subtests.test(msg=f"webhook fault {kind}"):
            sandbox.control("webhooks/faults/add", kind=kind, event_type="access_code.failed_to_set_on_device")
            failed_code(sandbox, seam, device_id, stay)
            headers, body = receiver.next("access_code.failed_to_set_on_device")
            try:
                svix.webhooks.Webhook(rotated).verify(body, headers)
                that(verifies, "verified")
            except svix.webhooks.WebhookVerificationError:
                that(not verifies, "not verified")
    with subtests.test(msg="SDK webhooks.delete"):
        seam.webhooks.delete(webhook_id=webhook.webhook_id)
        that(webhook.webhook_id not in [found.webhook_id for found in seam.webhooks.list()], "still listed")
    for method in ("DELETE", "POST"):
        with subtests.test(msg=f"POST /webhooks/create, {method} /webhooks/delete"):
            body = {"url": "https://receiver.example/hook"}
            made = sandbox.call("POST", "/webhooks/create", body=body)["webhook"]["webhook_id"]
            parameters = {"query" if method == "DELETE" else "body": {"webhook_id": made}}
            sandbox.call(method, "/webhooks/delete", **parameters)


def test_the_document_refuses(sandbox, device_id, subtests):
    """What is not Seam's would be found: the validation is no formality."""
    with subtests.test(msg="a word that the document lacks is found"):
        sandbox.control("faults/add", kind="unknown_enums", route="/devices/get")
        try:
            sandbox.call("GET", "/devices/get", query={"device_id": device_id})
        except AssertionError:
            return
        raise AssertionError("an unknown device type passed")


def test_retries_of_the_sdk(sandbox, seam, subtests):
    with subtests.test(msg="SDK repeats a GET after 429"):
        sandbox.control("faults/add", kind="rate_limited", route="/workspaces/get", retry_after="0")
        seam.workspaces.get()
    with subtests.test(msg="SDK does not repeat a pull after 503"):
        before = sandbox.control("counters")["pulls"].get(UNKNOWN_ID, 0)
        sandbox.control("faults/add", kind="error", status=503, type="unavailable",
                        route="/access_codes/pull_backup_access_code")
        try:
            seam.access_codes.pull_backup_access_code(access_code_id=UNKNOWN_ID)
            raise AssertionError("no error")
        except SeamHttpApiError as error:
            equal(error.status_code, 503)
        equal(sandbox.control("counters")["pulls"][UNKNOWN_ID], before + 1)
