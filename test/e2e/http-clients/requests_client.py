"""What people do with Python's requests, one thing after the other. Prints what came of each as JSON."""
import json
import os
import sys

import requests

URL = os.environ["HOOP_BILLING_URL"]
TOKEN = os.environ["HOOP_BILLING_TOKEN"]
said = {}

with requests.Session() as session:
    session.headers["Authorization"] = f"Bearer {TOKEN}"
    said["get"] = session.get(f"{URL}/echo", params={"q": "a b", "é": "ü"}).json()["url"]
    said["json"] = session.post(f"{URL}/echo", json={"amount": 5}).json()["body"]
    said["form"] = session.post(f"{URL}/echo", data={"a": "1", "b": "x y"}).json()["body"]
    said["multipart"] = session.post(f"{URL}/echo", files={"file": ("a.txt", b"hello")}).json()["bytes"] > 100
    said["chunked"] = session.put(f"{URL}/echo", data=(b"x" * 65536 for _ in range(48))).json()["bytes"]
    said["redirect"] = session.get(f"{URL}/moved").json()["url"]
    said["history"] = [answer.status_code for answer in session.get(f"{URL}/moved").history]
    said["head"] = session.head(f"{URL}/echo").status_code
    with session.get(f"{URL}/events", stream=True) as answer:
        said["events"] = [line for line in answer.iter_lines(decode_unicode=True) if line]
    said["gzip"] = len(session.get(f"{URL}/gzip").text)
    refused = session.delete(f"{URL}/invoices/7")
    said["refused"] = [refused.status_code, refused.headers["hoop-refusal"], refused.json()["error"]["rule"]]
    said["cookies"] = [session.get(f"{URL}/login").json()["cookie"] for _ in range(2)] + [len(session.cookies)]

said["basic"] = requests.get(f"{URL}/echo", auth=("anybody", TOKEN)).status_code
said["nobody"] = requests.get(f"{URL}/echo").status_code
json.dump(said, sys.stdout)
