"""A W&B server of the tests' own, on loopback: what the real wandb-core asks, kept in memory.

It speaks GraphQL and the file stream, and has faults to be set: a status, a hang, a dropped
connection, a delay, for a part of the protocol, after a number of requests.
"""

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENTITY = "me"


@dataclass
class ServedRun:
    """What the server has of one run."""

    fields: dict = field(default_factory=dict)
    """What the last upserts said: displayName, groupName, tags, notes, jobType, program, ..."""
    config: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)
    """Rows of the history by line number, as text."""
    summary: dict = field(default_factory=dict)
    state: str = "running"
    exit_code: int | None = None
    files: dict = field(default_factory=dict)

    @property
    def name(self):
        return self.fields.get("displayName")

    @property
    def tags(self):
        return self.fields.get("tags") or []

    @property
    def rows(self):
        return [json.loads(self.lines[number]) for number in sorted(self.lines)]

    @property
    def steps(self):
        return [row["_step"] for row in self.rows]


@dataclass
class Fault:
    """What happens to requests of a kind: `where` is matched against `operation` or the path."""

    where: str
    status: int | None = None
    hang: bool = False
    drop: bool = False
    delay_s: float = 0.0
    after: int = 0
    times: float = float("inf")
    asked: int = 0

    def applies(self, name):
        if not re.search(self.where, name):
            return False
        self.asked += 1
        return self.after < self.asked <= self.after + self.times


class WandbServer:
    """The server, on a free port of the loopback interface."""

    def __init__(self):
        self.runs = {}
        self.faults = []
        self.requests = []
        self.latency_s = 0.0
        self.knows_line_counts = True
        self.lag = 0
        """Rows that its counts do not know of yet."""
        self.lock = threading.RLock()
        self._released = threading.Event()
        self._http = None
        self.up()
        self.port = self._http.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def up(self):
        """Listens (again), on the port that it had before."""
        port = self._http.server_address[1] if self._http else 0
        handler = type("Handler", (_Handler,), {"wandb": self})
        self._http = _Quiet(("127.0.0.1", port), handler)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def down(self):
        """Refuses connections, and ends those that there are."""
        self._http.shutdown()
        self._http.close_all()
        self._http.server_close()

    def fail(self, where, **how):
        """Sets a fault; see `Fault`."""
        self.faults.append(Fault(where, **how))
        return self.faults[-1]

    def heal(self):
        """Takes all faults back; what hangs is answered."""
        self.faults.clear()
        self._released.set()
        self._released = threading.Event()

    def close(self):
        self.heal()
        self.down()

    def named(self, project=None):
        """Runs by the name that people see."""
        return {run.name: run for (p, _), run in self.runs.items() if project in (None, p)}

    def hang(self):
        self._released.wait(120)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, *args):
        self._open = set()
        super().__init__(*args)

    def get_request(self):
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request):
        self._open.discard(request)
        super().shutdown_request(request)

    def close_all(self):
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Clients that went away are the tests' doing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wandb: WandbServer

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._guarded(self.path, lambda: self._answer({}))

    def do_PUT(self):
        body = self._body()
        self._guarded(self.path, lambda: self._take_file(body))

    def do_POST(self):
        body = self._body()
        if self.path.endswith("/graphql"):
            asked = json.loads(body)
            operation = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])[1]
            work = getattr(self, f"_on_{operation}", lambda variables: {})
            variables = asked.get("variables") or {}
            self._guarded(operation, lambda: self._answer({"data": work(variables)}))
        elif self.path.endswith("/file_stream"):
            self._guarded(self.path, lambda: self._stream(json.loads(body)))
        else:
            self._answer({})

    def _guarded(self, name, answer):
        """Answers, unless a fault has it otherwise."""
        with self.wandb.lock:
            self.wandb.requests.append(name)
            fault = next((f for f in list(self.wandb.faults) if f.applies(name)), None)
        time.sleep(self.wandb.latency_s + (fault.delay_s if fault else 0))
        if fault and fault.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault and fault.hang:
            self.wandb.hang()
            answer()
        elif fault and fault.status:
            said = {401: "user is not logged in", 403: "permission denied"}.get(
                fault.status, "fault"
            )
            self._answer({"errors": [{"message": said}], "error": said}, fault.status)
        else:
            answer()

    def _body(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # GraphQL, by the names of its operations.

    def _on_ServerFeaturesQuery(self, variables):  # noqa: N802
        return {"serverInfo": {"features": []}}

    def _on_Viewer(self, variables):  # noqa: N802
        return {"viewer": {
            "id": "viewer", "entity": ENTITY, "username": ENTITY, "flags": "{}",
            "teams": {"edges": []},
        }}  # fmt: skip

    _on_GetDefaultEntity = _on_Viewer  # noqa: N815

    def _on_RunResumeStatus(self, variables):  # noqa: N802
        with self.wandb.lock:
            run = self.wandb.runs.get((variables["project"], variables["name"]))
            bucket = None
            if run is not None:
                numbers = sorted(run.lines)
                tail = [run.lines[number] for number in numbers[-1:]]
                bucket = {
                    "id": variables["name"], "name": variables["name"],
                    "displayName": run.name, "summaryMetrics": json.dumps(run.summary),
                    "logLineCount": 0, "historyLineCount": len(numbers), "eventsLineCount": 0,
                    "historyTail": json.dumps(tail), "eventsTail": "[]",
                    "config": json.dumps(run.config), "tags": run.tags,
                    "notes": run.fields.get("notes"), "wandbConfig": json.dumps({"t": 1}),
                }  # fmt: skip
        return {"model": {**_project(variables["project"]), "bucket": bucket}}

    def _on_UpsertBucket(self, variables):  # noqa: N802
        key = (variables["project"] or "uncategorized", variables["name"])
        with self.wandb.lock:
            inserted = key not in self.wandb.runs
            run = self.wandb.runs.setdefault(key, ServedRun())
            said = {name: value for name, value in variables.items() if value is not None}
            run.config.update(json.loads(said.pop("config", "{}")))
            run.fields.update(said)
            if "program" in said or "groupName" in said:
                run.state = "running"
        return {"upsertBucket": {"inserted": inserted, "bucket": {
            "id": key[1], "name": key[1], "displayName": run.name, "description": None,
            "config": json.dumps(run.config), "sweepName": None, "project": _project(key[0]),
            "historyLineCount": len(run.lines),
        }}}  # fmt: skip

    def _on_CreateRunFiles(self, variables):  # noqa: N802
        prefix = f"{self.wandb.url}/upload/{variables['project']}/{variables['run']}"
        urls = [{"name": n, "uploadUrl": f"{prefix}/{n}"} for n in variables["files"]]
        return {"createRunFiles": {
            "runID": variables["run"], "uploadHeaders": [], "files": urls,
        }}  # fmt: skip

    # A table is an artifact beside its file; this server has them all already.

    def _on_ArtifactType(self, variables):  # noqa: N802
        return {"project": {"artifact": None}}

    def _on_CreateArtifact(self, variables):  # noqa: N802
        known = {"id": "artifact", "state": "COMMITTED"}
        return {"createArtifact": {
            "artifact": {**known, "artifactSequence": {"latestArtifact": {"id": "artifact"}}},
        }}  # fmt: skip

    def _on_Runs(self, variables):  # noqa: N802
        filters = json.loads(variables.get("filters") or "{}")
        wanted, group = filters.get("name", {}).get("$in"), filters.get("group")
        with self.wandb.lock:
            found = [
                (name, run) for (project, name), run in self.wandb.runs.items()
                if project == variables["project"] and (wanted is None or name in wanted)
                and group in (None, run.fields.get("groupName"))
            ]  # fmt: skip
            if all(project != variables["project"] for project, _ in self.wandb.runs):
                return {"project": None}
            first = int(variables.get("cursor") or 0)
            found, num_found = found[first : first + variables["perPage"]], len(found)
            last = first + len(found)
        edges = [{"cursor": str(last), "node": self._listed(name, run)} for name, run in found]
        return {"project": {
            "internalId": "1", "runCount": num_found, "readOnly": False, "runs": {
                "edges": edges,
                "pageInfo": {"endCursor": str(last), "hasNextPage": last < num_found},
            },
        }}  # fmt: skip

    def _on_RunHistoryKeys(self, variables):  # noqa: N802
        run = self.wandb.runs[variables["project"], variables["name"]]
        keys = {"lastStep": run.steps[-1] if run.lines else -1, "keys": {}, "sets": []}
        return {"project": {"run": {"historyKeys": keys}}}

    def _on_RunParquetHistory(self, variables):  # noqa: N802
        run = self.wandb.runs[variables["project"], variables["runName"]]
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": run.rows}}}}

    def _on_HistoryPage(self, variables):  # noqa: N802
        run = self.wandb.runs[variables["project"], variables["run"]]
        asked = range(variables["minStep"], variables["maxStep"])
        rows = [json.dumps(row) for row in run.rows if row["_step"] in asked]
        return {"project": {"run": {"history": rows}}}

    def _on_SampledHistoryPage(self, variables):  # noqa: N802
        run, spec = self.wandb.runs[variables["project"], variables["run"]], variables["spec"]
        spec = json.loads(spec)
        asked = range(spec["minStep"], spec["maxStep"] + 1)
        rows = [row for row in run.rows if row["_step"] in asked and row.keys() >= {*spec["keys"]}]
        kept = [{key: row[key] for key in spec["keys"]} for row in rows]
        return {"project": {"run": {"sampledHistory": [kept]}}}

    def _listed(self, name, run):
        node = {
            "projectId": "1", "id": name, "name": name, "displayName": run.name,
            "tags": run.tags, "sweepName": None, "state": run.state,
            "group": run.fields.get("groupName"), "jobType": run.fields.get("jobType"),
            "commit": run.fields.get("commit"), "readOnly": False,
            "createdAt": "2026-01-01T00:00:00Z", "heartbeatAt": "2026-01-01T00:00:00Z",
            "description": None, "notes": run.fields.get("notes"),
            "historyLineCount": len(run.lines) - self.wandb.lag,
            "user": {"name": ENTITY, "username": ENTITY},
            "config": json.dumps(run.config), "summaryMetrics": json.dumps(run.summary),
            "systemMetrics": "{}", "historyKeys": None,
        }  # fmt: skip
        if not self.wandb.knows_line_counts:
            del node["historyLineCount"]
        return node

    # Files.

    def _stream(self, sent):
        project, name = self.path.split("/")[-3:-1]
        with self.wandb.lock:
            run = self.wandb.runs[project, name]
            for file_name, chunk in (sent.get("files") or {}).items():
                if file_name == "wandb-history.jsonl":
                    numbered = enumerate(chunk["content"], chunk["offset"])
                    run.lines.update(numbered)
                elif file_name == "wandb-summary.json":
                    run.summary = json.loads(chunk["content"][-1])
            if sent.get("complete"):
                run.exit_code = sent["exitcode"]
                run.state = "finished" if run.exit_code == 0 else "failed"
        self._answer({})

    def _take_file(self, body):
        project, name, *parts = self.path.removeprefix("/upload/").split("/")
        with self.wandb.lock:
            self.wandb.runs[project, name].files["/".join(parts)] = body
        self._answer({})


def _project(name):
    return {"id": "project", "name": name, "entity": {"id": "entity", "name": ENTITY}}
