"""Entities from a served model, with nothing but Python's own library."""

import json
import subprocess
import time
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8017/v1"
TYPES = "country,party"
SENTENCE = "Members of the party Grifock met in Raisar, a little-known nation."


def post(path, body):
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def wait_for_the_server():
    for _ in range(100):
        try:
            with urllib.request.urlopen(URL + "/models", timeout=5) as answer:
                return json.load(answer)["data"][0]["id"]
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


model = wait_for_the_server()
# The text that the model was trained with, as ids: chat form and prompt are the program's own.
prompt = ["rner", "prompt", "--model", "fixtures/tiny-ner", "--types", TYPES, "--json", SENTENCE]
ids = json.loads(subprocess.run(prompt, check=True, capture_output=True, text=True).stdout)["ids"]
answer = post("/completions", {"model": model, "prompt": ids, "max_tokens": 128, "temperature": 0})
text = answer["choices"][0]["text"]
# Reasoning between <think> and </think>, then one JSON object.
entities = json.loads(text.split("</think>")[-1])["entities"]
assert entities, text
print(json.dumps(entities))
