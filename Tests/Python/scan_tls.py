"""sslscan and testssl.sh against the daemon with a test certificate; fails on anything they find beyond information.

Run by `make tls-scan`; takes two or three minutes. What the certificate of a test cannot have is passed over by name: EXPECTED.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from certificates import Certificates
from processes import Daemon

PASSED = {"OK", "INFO"}
# testssl's IDs of what holds for any certificate of a root made a moment ago, or for any server that is not for browsers.
EXPECTED = {
    "cert_chain_of_trust": "the root is the test's own",
    "cert_revocation": "the test's root publishes nothing",
    "engine_problem": "of the openssl that testssl runs",
    # HSTS goes by the host, whatever the port: it would bind others on it.
    "HSTS": "no browser comes here",
    "security_headers": "no browser comes here",
}


def sslscan(port):
    """What sslscan accepts that nobody should."""
    output = subprocess.run(
        ["sslscan", "--xml=-", "--show-certificate", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    test = xml.etree.ElementTree.fromstring(output).find("ssltest")
    found = [
        f"{protocol.get('type')} {protocol.get('version')} is enabled" for protocol in test.iter("protocol")
        if protocol.get("enabled") == "1" and (protocol.get("type"), protocol.get("version")) not in {("tls", "1.2"), ("tls", "1.3")}
    ]
    ciphers = [cipher.get("cipher") for cipher in test.iter("cipher")]
    found += [f"cipher {name}" for name in ciphers if not name.startswith(("TLS_AES", "TLS_CHACHA20", "ECDHE-"))]
    found += ["a cipher of less than 128 bits" for cipher in test.iter("cipher") if int(cipher.get("bits")) < 128]
    found += ["renegotiation" for item in test.iter("renegotiation") if item.get("supported") == "1" and item.get("secure") != "1"]
    found += ["compression" for item in test.iter("compression") if item.get("supported") == "1"]
    found += [f"heartbleed in {item.get('sslversion')}" for item in test.iter("heartbleed") if item.get("vulnerable") == "1"]
    if not ciphers:
        found.append(f"no cipher was seen: {output}")
    print(f"sslscan: {len(ciphers)} ciphers, {len(found)} findings")
    return found


def testssl(port, folder):
    """What testssl.sh finds that is neither good nor information, nor the test's own doing."""
    report = folder / "testssl.json"
    with open(folder / "testssl.out", "w") as output:
        subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--jsonfile", str(report), f"127.0.0.1:{port}"],
            stdout=output, stderr=subprocess.STDOUT, timeout=900,
        )
    lines = json.loads(report.read_text())
    ids = {line["id"] for line in lines}
    if not {"TLS1_2", "TLS1_3", "heartbleed", "secure_client_renego"} <= ids:
        return ["testssl did not come to its end", (folder / "testssl.out").read_text()[-2000:]]
    found = []
    for line in lines:
        text = f"{line['severity']} {line['id']}: {line['finding']}"
        if line["severity"] in PASSED:
            continue
        name = line["id"].split(" ")[0]
        if name in EXPECTED:
            print(f"testssl, passed over ({EXPECTED[name]}): {text}")
        else:
            found.append(text)
    print(f"testssl: {len(lines)} lines, {len(found)} findings")
    return found


def main():
    found = []
    with tempfile.TemporaryDirectory(prefix="sparekey-scan-") as name:
        folder = pathlib.Path(name)
        certificates = Certificates(folder / "certificates")
        for key in "ec", "rsa":
            certificate, private = certificates.make(key, days=90, key=key)
            daemon = Daemon(
                folder / f"daemon-{key}",
                **{"listen.tls.certificate_file": str(certificate), "listen.tls.private_key_file": str(private)}).start()
            try:
                print(f"== {key}")
                found += sslscan(daemon.port)
                if key == "ec":
                    found += testssl(daemon.port, folder)
            finally:
                daemon.kill()
    print("\n".join(found) or "no findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
