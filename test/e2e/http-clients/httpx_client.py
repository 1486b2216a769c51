"""What people do with Python's httpx, over HTTP/1.1 and HTTP/2, one after the other and at once. Prints what came of each as JSON."""
import asyncio
import json
import os
import sys

import httpx

URL = os.environ["HOOP_BILLING_URL"]
AUTH = {"Authorization": f"Bearer {os.environ['HOOP_BILLING_TOKEN']}"}
said = {}


def things(client, name):
    got = client.get("/echo", params={"q": "a b"})
    said[f"{name} get"] = [got.http_version, got.json()["url"]]
    said[f"{name} json"] = client.post("/echo", json={"amount": 5}).json()["body"]
    said[f"{name} chunked"] = client.put("/echo", content=(b"x" * 65536 for _ in range(48))).json()["bytes"]
    said[f"{name} redirect"] = client.get("/moved", follow_redirects=True).json()["url"]
    with client.stream("GET", "/events") as answer:
        said[f"{name} events"] = [line.strip() for line in answer.iter_lines() if line.strip()]
    said[f"{name} gzip"] = len(client.get("/gzip").text)
    refused = client.delete("/invoices/7")
    said[f"{name} refused"] = [refused.status_code, refused.json()["error"]["code"]]


async def at_once(**versions):
    async with httpx.AsyncClient(base_url=URL, headers=AUTH, **versions) as client:
        answers = await asyncio.gather(*(client.get(f"/echo?n={n}") for n in range(20)))
        return [answer.json()["url"] for answer in answers] == [f"/echo?n={n}" for n in range(20)]


with httpx.Client(base_url=URL, headers=AUTH) as client:
    things(client, "1.1")
with httpx.Client(base_url=URL, headers=AUTH, http1=False, http2=True) as client:
    things(client, "2")
said["1.1 at once"] = asyncio.run(at_once())
said["2 at once"] = asyncio.run(at_once(http1=False, http2=True))
json.dump(said, sys.stdout)
