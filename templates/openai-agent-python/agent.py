"""An agent that looks after a small shop: its database, its APIs, its hosts. Run it with: hoopctl run

It holds no password, no key and no host name. hoopctl puts endpoints into its environment, which lead into tunnels: DATABASE_URL, HOOP_<NAME>_URL and
HOOP_<NAME>_TOKEN for an API, HOOP_SSH_CONFIG for hosts, OPENAI_BASE_URL and OPENAI_API_KEY for the model. What it may do there is the gateway's to say;
a refusal comes back as an ordinary error, which is handed to the model with what it means.
"""

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys

for name, hint in [
    ("DATABASE_URL", "start it with: hoopctl run (with several databases, map one in hoop.yaml)"),
    ("OPENAI_API_KEY", "the gateway needs a target with `preset: openai`; or export a key, and let hoop.yaml name it under env:"),
]:
    if not os.environ.get(name):
        sys.exit(f"{name} is not set: {hint}")

import psycopg
from agents import Agent, ModelSettings, RunConfig, Runner, function_tool
from psycopg.rows import dict_row

# What a refusal means to whoever asked. The words stay the same from version to version.
REFUSALS = {
    "HOOP_DENIED": "Not allowed. Do not send it again; find another way, or say what you could not do and why you need it.",
    "HOOP_HELD": "A person has to approve it first. Send exactly the same again later, or say that it waits, with the id of the request.",
    "HOOP_LIMIT": "Too much. Ask for less: filter, aggregate, page.",
    "HOOP_REVOKED": "Your access was taken away. Stop, and say so.",
}


def answer(result, words=""):
    """For the model: what came back, and what it means where it is a refusal."""
    word = re.search(r"HOOP_[A-Z]+", words or "")
    meaning = REFUSALS.get(word[0]) if word else None
    return json.dumps(result if meaning is None else {**result, "meaning": meaning}, default=str)


database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, application_name="shop-agent")

# The targets of this run: names and what may be done there, no secrets.
targets = json.loads(os.environ.get("HOOP_TARGETS") or "[]")
apis = [t["name"] for t in targets if t["protocol"] == "http" and "OPENAI_API_KEY" not in t["variables"]]
hosts = [t["name"] for t in targets if t["protocol"] == "ssh"]

# Each request belongs to the trace that hoopctl began: there the model's answers, the database's sessions and these meet.
trace = os.environ.get("TRACEPARENT", "")
traced = {"traceparent": trace} if trace else {}


@function_tool
def query(sql: str) -> str:
    """Runs one SQL statement on the shop database (PostgreSQL) and returns its rows as JSON, or the error."""
    print(f"> {sql}")
    try:
        with database.cursor(row_factory=dict_row) as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
            print(f"  {cursor.statusmessage}")
            return answer({"rows": rows, "command": cursor.statusmessage})
    except psycopg.Error as error:
        print(f"  {error}")
        return answer({"error": str(error), "hint": error.diag.message_hint}, str(error))


@function_tool
def call_api(api: str, method: str, path: str, body: str | None) -> str:
    """Sends one HTTP request to an API and returns status and body.

    Args:
        api: Its name; the instructions list them.
        method: GET, POST, PUT, PATCH or DELETE.
        path: Begins with a slash; with the query.
        body: JSON, or nothing.
    """
    print(f"> {method} {api}{path}")
    if api not in apis or not path.startswith("/"):
        return answer({"error": f"there is {', '.join(apis)}, and a path begins with a slash"})
    prefix = "HOOP_" + api.upper().replace("-", "_")
    headers = {**traced, "authorization": "Bearer " + os.environ[prefix + "_TOKEN"]}
    if body is not None:
        headers["content-type"] = "application/json"
    # A client that knows nothing of proxies and follows no redirect.
    connection = http.client.HTTPConnection(os.environ[prefix + "_HOST"], int(os.environ[prefix + "_PORT"]))
    try:
        connection.request(method, path, None if body is None else body.encode(), headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        print(f"  {response.status}, {len(text)} characters")
        # The header is never the API's own: who sees it hears the gateway.
        return answer({"status": response.status, "body": text}, response.getheader("hoop-refusal"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return answer({"error": str(error)})
    finally:
        connection.close()


@function_tool
def remote(host: str, command: str) -> str:
    """Runs one command on a host and returns its exit code and output. The instructions list the hosts."""
    print(f"> {host}: {command}")
    if host not in hosts:
        return answer({"error": f"there is {', '.join(hosts)}"})
    done = subprocess.run(
        ["ssh", "-F", os.environ["HOOP_SSH_CONFIG"], host, "--", command],
        capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
    )
    print(f"  exit code {done.returncode}")
    # The gateway's own words are lines of standard error that begin with hoop:
    said = re.search(r"^hoop: .*$", done.stderr, re.MULTILINE)
    return answer({"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr}, said[0] if said else "")


agent = Agent(
    name="shop-agent",
    instructions="\n".join([
        "You look after a small shop. Use your tools.",
        *([f"APIs: {', '.join(apis)}."] if apis else []),
        *([f"Hosts: {', '.join(hosts)}."] if hosts else []),
        "Values that read *** are masked on purpose: work without them.",
        *[f"{word} in an answer means: {meaning}" for word, meaning in REFUSALS.items()],
    ]),
    tools=[query, *([call_api] if apis else []), *([remote] if hosts else [])],
    model_settings=ModelSettings(extra_headers=traced),
)

# hoopctl switches off the SDK's own traces (OPENAI_AGENTS_DISABLE_TRACING): they would carry what the tools return to a third place. With a processor of
# your own, they have the run and its trace in them.
config = RunConfig(
    workflow_name="shop-agent",
    tracing_disabled=os.environ.get("OPENAI_AGENTS_DISABLE_TRACING") != "0",
    group_id=os.environ.get("HOOP_RUN_ID"),
    trace_id="trace_" + trace.split("-")[1] if trace else None,
)


async def main(words):
    stream = words[:1] == ["--stream"]
    task = " ".join(words[1:] if stream else words) or "Who are our customers, and which orders can we tidy up?"
    if not stream:
        print((await Runner.run(agent, task, run_config=config)).final_output)
        return
    result = Runner.run_streamed(agent, task, run_config=config)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            print(event.data.delta, end="", flush=True)
    print()


try:
    asyncio.run(main(sys.argv[1:]))
except Exception as error:
    # What the gateway refuses of the conversation with the model itself.
    found = re.search(r"HOOP_[A-Z]+", str(error))
    sys.exit("\n".join(filter(None, [str(error), found and REFUSALS.get(found[0])])))
finally:
    database.close()
