"""A root of our own and certificates made by it, with the openssl command."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class Certificates:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.root = self._root("root")

    def _root(self, name):
        path = self.folder / f"{name}.pem"
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 9, "-subj",
            f"/CN={name}", "-keyout", path.with_suffix(".key"), "-out", path,
        )
        return path

    def make(self, name, subject="IP:127.0.0.1", days=90, key="ec", root=None):
        """The paths of a new full chain and its key. `days` may be negative."""
        root = root or self.root
        file = {end: self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext")}
        kind = ["rsa:2048"] if key == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", file["key"], "-out", file["csr"])
        file["ext"].write_text(f"subjectAltName={subject}\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n")
        openssl(
            "x509", "-req", "-sha256", "-in", file["csr"], "-CA", root, "-CAkey", root.with_suffix(".key"), "-CAcreateserial",
            "-days", days, "-extfile", file["ext"], "-out", file["pem"],
        )
        file["pem"].write_text(file["pem"].read_text() + root.read_text())
        return file["pem"], file["key"]

    def stranger(self, name):
        """A certificate of a root that nobody was told of."""
        return self.make(name, root=self._root(f"{name}-root"))
