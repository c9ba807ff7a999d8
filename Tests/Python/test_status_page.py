"""The status page in a real browser: what it says, that everybody can read it, and that it holds no secret.

SPAREKEY_SCREENSHOTS names a folder for pictures of it, to be looked at.
"""

import os
import pathlib
import re
import shutil

import pytest

from browser import Browser
from processes import DELIVERY_SECRET, WEBHOOK_SECRET, failure_event, in_hours, post, until

PIN = "90317462"
SIZES = {"phone": (360, 740), "desk": (1280, 900)}

# Every text that is shown, with the contrast between its colour and the ground that it stands on, and what it needs.
CONTRAST = """
(() => {
  const parse = text => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = node => { for (; node; node = node.parentElement) {
      const c = parse(getComputedStyle(node).backgroundColor); if (c[3] > 0) return c; }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.data.trim();
    if (!text) continue;
    const element = node.parentElement, style = getComputedStyle(element);
    const isSVG = element.namespaceURI.endsWith('svg');
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    found.push([text.slice(0, 60), ratio(parse(isSVG ? style.fill : style.color), ground(element)), isLarge ? 3 : 4.5]);
  }
  return found;
})()
"""


# The size of the smallest text, in pixels.
SMALLEST = """
(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let smallest = 99;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const scale = element.ownerSVGElement ? element.getScreenCTM().a : 1;
    smallest = Math.min(smallest, parseFloat(getComputedStyle(element).fontSize) * scale);
  }
  return smallest;
})()
"""


@pytest.fixture
def browser(tmp_path):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    browser = Browser(tmp_path / "browser")
    yield browser
    browser.close()


@pytest.fixture
def busy(sandbox, make_daemon, receiver):
    """A daemon with guests at risk, one who is safe, and locks in several states."""
    daemon = make_daemon(sandbox_url=sandbox.url, **{"delivery.webhook.url": receiver.url, "reconcile.interval": "1s"})
    daemon.secrets["SPAREKEY_DELIVERY_WEBHOOK_SECRET"] = DELIVERY_SECRET
    daemon.start()
    good = sandbox.device(name="Front door")
    empty = sandbox.device(name='Back \u202edoor <script>alert("x")</script>', pool_size=0, refill_delay_seconds=86_400)
    sandbox.control("pool/set", device_id=good, next_code=PIN)
    ada = sandbox.failed_code(good, name="Ada & Bob")
    assert post(daemon.url, failure_event(ada, good)).status_code == 204
    until("delivery", lambda: daemon.query("select * from substitution_log where delivery_state = 'delivered'"))
    for name, hours in (("Grace", 2), ("Edsger", 30)):
        code = sandbox.failed_code(empty, name=name, starts_at=in_hours(hours))
        assert post(daemon.url, failure_event(code, empty)).status_code == 204
    until("two who wait", lambda: len(daemon.query("select * from failovers where state = 'waiting' and reason = 'pool_empty'")) == 2)
    until("sweep", lambda: daemon.query("select * from watermarks where name = 'events'"))
    return daemon


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_everybody_can_read_it(browser, busy, size, scheme):
    width, height = SIZES[size]
    url = busy.admin_url + "/"
    browser.show(url, width, height, scheme)
    if folder := os.environ.get("SPAREKEY_SCREENSHOTS"):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        browser.screenshot(pathlib.Path(folder) / f"status-{size}-{scheme}.png")
    assert [one for one in browser.requested() if not one.endswith("/favicon.ico")] == [url], "nothing is loaded from elsewhere"
    assert browser.evaluate("document.scripts.length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, "it does not scroll sideways"
    texts = browser.evaluate(CONTRAST)
    assert len(texts) > 40
    assert [text for text in texts if text[1] < text[2]] == []
    assert browser.evaluate(SMALLEST) >= 12, "some text is too small"
    assert browser.evaluate("[...document.querySelectorAll('main *')].every(e => e.scrollWidth <= e.clientWidth + 1 ||"
                            " getComputedStyle(e).overflowX === 'visible' || e.clientWidth <= 1)"), "something is cut off"


@pytest.mark.parametrize("size", SIZES)
def test_structure(browser, busy, size):
    browser.show(busy.admin_url + "/", *SIZES[size], "light")
    assert browser.evaluate("document.documentElement.lang") == "en"
    assert browser.evaluate("document.title") == "Sparekey: 2 guests are at risk."
    heard = browser.accessibility()
    headings = [(name, level) for role, name, level in heard if role == "heading"]
    assert [name for name, level in headings if level == 1] == ["Sparekey"]
    levels = [level for _, level in headings]
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), "no level is left out"
    roles = [role for role, _, _ in heard]
    assert roles.count("main") == 1 and roles.count("banner") == 1 and "table" in roles
    assert {name for role, name, _ in heard if role == "columnheader"} >= {"Guest", "Lock", "Told"}
    assert ("rowheader", "Ada & Bob", None) in heard
    pictures = [name for role, name, _ in heard if role in ("image", "img")]
    assert len(pictures) >= 4 and all(pictures), "each picture is told in words"
    assert any("have failed: 3; guests of these with a backup code: 1." in name for name in pictures), pictures
    guests = [name for name, level in headings if level == 3][:2]
    assert guests == ["Grace", "Edsger"], "who arrives first comes first"
    text = browser.evaluate("document.body.innerText")
    assert re.search(r"Arrives in 1 h 5\d min", text), text
    for words in ("no backup code left", "Act.", '<script>alert("x")</script>', "delivered"):
        assert words in text, words
    assert "\u202e" not in text, "a name turns the words around it"


def test_no_secret_is_on_it(busy):
    page = busy.get("/").text
    for secret in (PIN, WEBHOOK_SECRET, DELIVERY_SECRET):
        assert secret not in page
    assert "script>alert" not in page.replace("&lt;script&gt;", "").replace("&lt;/script&gt;", "")


def test_when_all_is_well(browser, sandbox, make_daemon):
    daemon = make_daemon(sandbox_url=sandbox.url).start()
    sandbox.device(name="Front door")
    until("sweep", lambda: daemon.query("select * from watermarks where name = 'events'"))
    browser.show(daemon.admin_url + "/", *SIZES["phone"], "light")
    assert browser.evaluate("document.title") == "Sparekey: No guest is at risk, and all works."
    text = browser.evaluate("document.body.innerText")
    assert "Well." in text and "None: every guest whose code failed has been told another, or is in the operator's hands." in text
