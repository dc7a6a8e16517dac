#!/usr/bin/env python3
"""Trains the toy twice, once broken off and gone on with, and reads the curves back with the packages they are for.

    python -m venv /tmp/trackers && /tmp/trackers/bin/pip install wandb mlflow "trackio[tensorboard]" tensorboard
    /tmp/trackers/bin/python scripts/check_trackers.py target/release/rner

Every number of every step in `metrics.jsonl` must come back, and nothing else. Weights & Biases is read by its own
`wandb sync`, which sends the run to a server inside this script; nothing leaves the machine. A package that is not
installed is named and left out. Exit code 1 if a number differs.
"""

import gzip
import http.server
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def train(program, out, stop_at=None):
    """Runs `rner sft` in `out`; with `stop_at`, until that step was logged."""
    data = out.parent / "rows.jsonl"
    row = '{"sentence": "Ada Brel met %d", "schema": ["person"], "entities": [{"text": "Ada Brel", "label": "person"}]}\n'
    data.write_text("".join(row % i for i in range(8)))
    command = [program, "sft", "--profile", "smoke", "--no-cot", "--model", str(ROOT / "fixtures/tiny-base")]
    for key in ["sft.train.max_steps=60", "sft.train.epochs=60", "sft.train.batch_size=2", "sft.eval_share=0.25",
                "sft.train.eval_every=20"]:
        command += ["--set", key]
    command += ["--track", "tensorboard,mlflow,wandb", "--data", str(data), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    log = out / "metrics.jsonl"
    while stop_at and process.poll() is None and not (log.exists() and f'"step":{stop_at},' in log.read_text()):
        pass
    if stop_at:
        process.terminate()
    said = process.communicate()[1]
    expected = 143 if stop_at else 0
    assert process.returncode == expected, f"exit code {process.returncode}: {said}"


def logged(out):
    """`metrics.jsonl` as {name: {step: value}}; an evaluation adds to its step."""
    found = {}
    for line in (out / "metrics.jsonl").read_text().splitlines():
        line = json.loads(line)
        step = line.pop("step")
        line.pop("seed")
        for name, value in line.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                steps = found.setdefault(name, {})
                assert step not in steps or name == "global_step" or value == steps[step], f"{name} twice at {step}"
                steps[step] = value
    return found


def tensorboard(out):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (out / "tensorboard").iterdir()
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def trackio(out):
    os.environ["TRACKIO_DIR"] = str(out.parent / "trackio")
    import tbparse  # noqa: F401 - what trackio[tensorboard] brings
    from trackio import import_tf_events
    from trackio.sqlite_storage import SQLiteStorage

    import_tf_events(log_dir=str(out / "tensorboard"), project="rner")
    (run,) = SQLiteStorage.get_runs("rner")
    found = {}
    for row in SQLiteStorage.get_logs("rner", run):
        step = row.pop("step")
        row.pop("timestamp", None)
        for name, value in row.items():
            # It keeps what a run that was broken off has logged of a step, and what was logged of it again.
            found.setdefault(name, {})[step] = value
    return found


def mlflow(out):
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient((out / "mlruns").as_uri())
    (experiment,) = client.search_experiments(filter_string="name = 'rner'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name.startswith("sft-seed-"), run.info
    assert run.data.params["sft.train.batch_size"] == "2", run.data.params
    names = run.data.metrics
    return {name: {m.step: m.value for m in client.get_metric_history(run.info.run_id, name)} for name in names}


class Backend(http.server.BaseHTTPRequestHandler):
    """As much of W&B's server as `wandb sync` asks for."""

    rows = []
    config = {}

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = {}
        if self.path.endswith("/graphql"):
            answer = {"data": self.graphql(json.loads(body))}
        elif self.path.endswith("/file_stream"):
            files = json.loads(body).get("files") or {}
            self.rows.extend(files.get("wandb-history.jsonl", {}).get("content", []))
        answer = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST

    def graphql(self, asked):
        if "pserBucket" in asked["query"] or "psertBucket" in asked["query"]:
            self.config.update(json.loads(asked["variables"].get("config") or "{}"))
            entity = {"id": "e", "name": "me"}
            bucket = {"id": "b", "name": "r", "displayName": "d", "description": None, "config": "{}", "sweepName": None,
                      "historyLineCount": 0, "project": {"id": "p", "name": "rner", "entity": entity}}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "iewer" in asked["query"]:
            viewer = {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
            version = {"cliVersionInfo": {"max_cli_version": "99.0.0"}, "features": []}
            return {"viewer": viewer, "serverInfo": version}
        if "createRunFiles" in asked["query"]:
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": []}}
        return {}


def wandb(out):
    import wandb as package  # noqa: F401 - whether it is there

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (run,) = (out / "wandb").glob("offline-run-*")
    environment = os.environ | {
        "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}",
        "WANDB_API_KEY": "0" * 40,
        "WANDB_DIR": str(out.parent),
    }
    command = [sys.executable, "-m", "wandb", "sync", str(run)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0 and "Finished syncing" in said.stdout + said.stderr, said.stdout + said.stderr
    assert Backend.config.get("sft.train.batch_size", {}).get("value") == 2, Backend.config
    found = {}
    for row in map(json.loads, Backend.rows):
        step = row.pop("_step")
        for name, value in row.items():
            if not name.startswith("_"):
                found.setdefault(name, {})[step] = value
    return found


def compare(name, expected, found):
    """The largest relative difference; a name or a step that only one has is a failure."""
    assert found.keys() == expected.keys(), f"{name}: {sorted(found.keys() ^ expected.keys())}"
    worst = 0.0
    for metric, steps in expected.items():
        assert found[metric].keys() == steps.keys(), f"{name}: {metric}: {found[metric].keys() ^ steps.keys()}"
        for step, value in steps.items():
            worst = max(worst, abs(found[metric][step] - value) / max(abs(value), 1e-30))
    # Event files have 32 bits, and trackio is filled from them.
    limit = 1e-6 if name in ("tensorboard", "trackio") else 1e-12
    assert worst <= limit and not math.isnan(worst), f"{name}: {worst}"
    count = sum(map(len, expected.values()))
    print(f"{name}: {len(expected)} metrics, {count} values, largest relative difference {worst:.1e}")


def main():
    program = str(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/rner").resolve())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        train(program, out, stop_at=25)
        train(program, out)
        expected = logged(out)
        for read in (tensorboard, trackio, mlflow, wandb):
            try:
                found = read(out)
            except ImportError as error:
                print(f"{read.__name__}: skipped, {error}")
                continue
            compare(read.__name__, expected, found)


if __name__ == "__main__":
    main()
