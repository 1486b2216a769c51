"""What people do with paramiko, on one connection. Prints what it saw, as JSON."""
import base64
import io
import json
import sys

import paramiko

host, port, key_file, host_key, folder = sys.argv[1:6]
kind, blob = host_key.split()[:2]
known = paramiko.Ed25519Key(data=base64.b64decode(blob))
key = paramiko.Ed25519Key.from_private_key_file(key_file)


def connected(host_key=known, key=key):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.get_host_keys().add(f"[{host}]:{port}", kind, host_key)
    client.connect(host, int(port), username="run", pkey=key, allow_agent=False, look_for_keys=False)
    return client


def run(client, command, given=None):
    stdin, stdout, stderr = client.exec_command(command)
    if given is not None:
        stdin.write(given)
    stdin.channel.shutdown_write()
    return [stdout.read().decode(), stderr.read().decode(), stdout.channel.recv_exit_status()]


def refused(**other):
    try:
        connected(**other).close()
        return None
    except paramiko.SSHException as error:
        return type(error).__name__


def another():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))


saw = {}
client = connected()
saw["fed"] = run(client, "cat", "hello\n")
saw["failed"] = run(client, "ls /no/such/place")
saw["refused"] = run(client, "rm -rf /")

sftp = client.open_sftp()
content = bytes(range(256)) * 2000
sftp.putfo(io.BytesIO(content), f"{folder}/put")
sftp.rename(f"{folder}/put", f"{folder}/renamed")
saw["listed"] = [name for name in sftp.listdir(folder) if name in ("put", "renamed")]
got = io.BytesIO()
sftp.getfo(f"{folder}/renamed", got)
saw["same"] = got.getvalue() == content
sftp.remove(f"{folder}/renamed")
try:
    sftp.stat(f"{folder}/renamed")
except FileNotFoundError as error:
    saw["removed"] = type(error).__name__
client.close()

saw["another host key"] = refused(host_key=another())
saw["another key"] = refused(key=another())
print(json.dumps(saw))
