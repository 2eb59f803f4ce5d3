"""Certificates as tests need them: of both kinds of key, and of any dates."""

import pathlib

from processes import run

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
_KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}

_AUTHORITY = """
[ca]
default_ca = one
[one]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def make(folder, name, key="ec", days=90):
    """(certificate, key): self-signed for loopback, in files of this name."""
    crt, private_key = _paths(folder, name)
    run(["openssl", "req", "-x509", "-newkey", *_KEYS[key], "-nodes", "-days", str(days),
         "-subj", f"/CN={name}", "-keyout", private_key, "-out", crt, "-addext", _NAMES,
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign"])
    return crt, private_key


def make_ended(folder, name):
    """The same of the year 2020: `openssl req` makes none that has ended."""
    crt, private_key = _paths(folder, name)
    request, authority = (str(pathlib.Path(folder) / f"{name}.{end}") for end in ("csr", "conf"))
    pathlib.Path(authority).write_text(_AUTHORITY.format(folder=folder), encoding="utf-8")
    (pathlib.Path(folder) / "index").write_text("", encoding="utf-8")
    run(["openssl", "req", "-new", "-newkey", *_KEYS["ec"], "-nodes", "-subj", f"/CN={name}",
         "-keyout", private_key, "-out", request])
    run(["openssl", "ca", "-batch", "-selfsign", "-notext", "-config", authority, "-keyfile",
         private_key, "-in", request, "-out", crt, "-startdate", "20200101000000Z", "-enddate",
         "20200201000000Z"])
    return crt, private_key


def _paths(folder, name):
    return tuple(str(pathlib.Path(folder) / f"{name}.{end}") for end in ("crt", "key"))
