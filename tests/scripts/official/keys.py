"""Key pairs for Discord and SendGrid, made by the libraries that sign with
them: prints the public halves as shell exports, keeps the private ones in the
folder."""

import pathlib
import shlex
import sys

folder = pathlib.Path(sys.argv[1])


def export(name, value):
    print(f"export {name}={shlex.quote(value)}")


try:
    from nacl.encoding import HexEncoder
    from nacl.signing import SigningKey

    key = SigningKey.generate()
    (folder / "discord.key").write_text(key.encode(HexEncoder).decode())
    export("DISCORD_SECRET", key.verify_key.encode(HexEncoder).decode())
except ImportError:
    export("DISCORD_SECRET", "")
try:
    # What sendgrid's own library verifies with.
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (folder / "sendgrid.pem").write_bytes(private)
    pem = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    export("SENDGRID_SECRET", "".join(line for line in pem.splitlines() if "-" not in line))
except ImportError:
    export("SENDGRID_SECRET", "")
