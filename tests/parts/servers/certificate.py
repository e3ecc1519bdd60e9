"""A key and a certificate for a JVM server of our own, made by the JVM's keytool."""

import subprocess
from pathlib import Path

from tests.parts.servers.process import NoServerError


def certificate(keys: Path, password: str) -> Path:
    """Make a key store with a key for 127.0.0.1, which vouches for itself; gives its certificate's file. Raises NoServerError."""
    ca_file = keys.with_suffix(".pem")
    store = ["-keystore", str(keys), "-storetype", "PKCS12", "-storepass", password, "-alias", "server"]
    names = ["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1", "-ext", "bc=ca:true"]
    for command in (["-genkeypair", "-keyalg", "EC", *names, "-validity", "3650"], ["-exportcert", "-rfc", "-file", str(ca_file)]):
        done = subprocess.run(["keytool", *command, *store], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise NoServerError(f"no certificate could be made: {done.stdout[-500:]}")
    return ca_file
