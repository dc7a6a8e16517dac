#!/usr/bin/env python3
"""Loads every form of `rner export` with the package that reads it, and compares what it finds with the rows.

    python3 -m venv /tmp/exports && /tmp/exports/bin/pip install spacy label-studio-sdk pyarrow gliner
    /tmp/exports/bin/python scripts/check_exports.py --rner target/release/rner [--found found.jsonl]

Without --found the rows are made here: emoji, composed letters, nested and crossing mentions, line ends, words that
spaCy has numbers for. A package that is not installed is named and its form is not checked; `gliner` brings PyTorch.
brat and CSV are read by Python alone: brat by the rules of its own reader (`server/src/annotation.py`).
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A text, and its mentions as first and last character with a label.
TEXTS = [
    ("Mira Dolan lives in Port Halvek.", [(0, 10, "person"), (20, 31, "city"), (25, 31, "family name")]),
    ("👞 Zoë, then Zoe\u0308 in 小樽市!", [(2, 5, "person"), (12, 16, "person"), (20, 23, "地名")]),
    ("The ORG FLAG19 of ENT_TYPE: DATE, _ and nsubj.", [(4, 14, "ORG"), (28, 32, "DATE"), (18, 26, "LAW")]),
    ("Two  blanks,\ta tab\nand Port\nHalvek  ", [(5, 11, "x"), (23, 34, "city")]),
    (" שלום \u2067left\u2069 </script><b>&amp;\"quoted\", 'so'", [(1, 5, "greeting"), (31, 37, "a \"type\" <b>")]),
    ("crossing names here", [(0, 14, "a"), (9, 19, "b"), (0, 14, "b")]),
    ("Nothing at all.", []),
]


def rows_of_texts():
    """The texts as `rner extract` stores them; the last row has no answer, the one before a name that is nowhere."""
    for line, (text, mentions) in enumerate(TEXTS, 1):
        entities = [
            {"text": text[start:end], "label": label, "start": start, "end": end, "grounding": "exact",
             "confidence": 0.5, "evidence": "so it is"}
            for start, end, label in mentions
        ]
        if not mentions:
            entities.append({"text": "Oslin", "label": "city", "start": None, "end": None, "grounding": "absent"})
        yield {"line": line, "id": f"r{line}", "sentence": text, "entities": entities, "offsets": "characters",
               "reasoning": "because <b>", "problems": [], "is_json": True, "salvaged": False, "cut_off": False}
    yield {"line": len(TEXTS) + 1, "id": "none", "error": "the line is blank"}


def characters(row):
    """The places of a row in characters, whatever it counts in."""
    text, unit = row["sentence"], row.get("offsets", "characters")
    if unit == "characters":
        at = lambda n: n
    elif unit == "bytes":
        at = lambda n: len(text.encode()[:n].decode())
    else:
        at = lambda n: len(text.encode("utf-16-le")[: 2 * n].decode("utf-16-le"))
    placed = [e for e in row["entities"] if e["start"] is not None]
    return sorted((at(e["start"]), at(e["end"]), e["label"]) for e in placed)


class Check:
    def __init__(self, rner, found, folder):
        self.rner, self.found, self.folder = rner, found, folder
        rows = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
        self.rows = [row for row in rows if "error" not in row]
        self.n_all = len(rows)
        self.n = sum(len(characters(row)) for row in self.rows)

    def export(self, form, name):
        path = self.folder / name
        command = [self.rner, "export", "--input", self.found, "--to", form, "--out", path]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        return path

    def equal(self, what, found, expected):
        if found != expected:
            raise SystemExit(f"{what}: expected {expected!r}, found {found!r}")

    def docbin(self):
        import spacy
        from spacy.tokens import DocBin
        from spacy.training import Corpus

        path = self.export("docbin", "found.spacy")
        nlp = spacy.blank("xx")
        docs = list(DocBin().from_disk(path).get_docs(nlp.vocab))
        self.equal("docs", len(docs), len(self.rows))
        n_ents = 0
        for doc, row in zip(docs, self.rows):
            self.equal("text", doc.text, row["sentence"])
            spans = sorted((s.start_char, s.end_char, s.label_) for s in doc.spans.get("sc", []))
            self.equal("doc.spans['sc']", spans, characters(row))
            self.equal("texts", [s.text for s in doc.spans.get("sc", [])],
                       [row["sentence"][s.start_char : s.end_char] for s in doc.spans.get("sc", [])])
            for entity in doc.ents:
                assert (entity.start_char, entity.end_char, entity.label_) in spans, (entity, spans)
            n_ents += len(doc.ents)
            self.equal("user_data", doc.user_data["id"], str(row.get("id", row["line"])))
        # spaCy's own reader of training data, and one step of its training.
        examples = list(Corpus(path)(nlp))
        nlp.add_pipe("ner")
        nlp.initialize(lambda: examples)
        losses = nlp.update(examples)
        return (f"spacy {version('spacy')}: {len(docs)} docs, {self.n} spans and {n_ents} entities equal; "
                f"Corpus reads {len(examples)}, one step of training, loss {losses['ner']:.1f}")

    def label_studio(self):
        from label_studio_sdk.label_interface import LabelInterface
        from label_studio_sdk.label_interface.objects import TaskValue

        path = self.export("label-studio", "tasks.json")
        interface = LabelInterface(path.with_suffix(".labels.xml").read_text(encoding="utf-8"))
        interface.validate()
        tasks = json.loads(path.read_text(encoding="utf-8"))
        self.equal("tasks", len(tasks), len(self.rows))
        for task, row in zip(tasks, self.rows):
            TaskValue(**task)
            assert all(task["data"].get(tag.value_name) is not None for tag in interface.objects), task["data"]
            [prediction] = task["predictions"]
            self.equal("validate_prediction", interface.validate_prediction(prediction, return_errors=True), [])
            values = [region["value"] for region in prediction["result"]]
            found = sorted((value["start"], value["end"], value["labels"][0]) for value in values)
            self.equal("regions", found, characters(row))
            for value in values:
                self.equal("text", value["text"], task["data"]["text"][value["start"] : value["end"]])
        return (f"label-studio-sdk {version('label-studio-sdk')}: the configuration and {len(tasks)} tasks are valid, "
                f"{self.n} regions equal")

    def parquet(self):
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(self.export("parquet", "found.parquet"))
        kind = str(table.schema.field("entities").type)
        assert kind.startswith("list<") and "struct<" in kind, kind
        stored = table.to_pylist()
        self.equal("rows", len(stored), self.n_all)
        for row, expected in zip([row for row in stored if row["error"] is None], self.rows):
            text = row["sentence"]
            self.equal("text", text, expected["sentence"])
            placed = [e for e in row["entities"] if e["start"] is not None]
            self.equal("entities", sorted((e["start"], e["end"], e["label"]) for e in placed), characters(expected))
            for e in placed:
                self.equal("bytes", text.encode()[e["byte_start"] : e["byte_end"]].decode(), e["text"])
                units = text.encode("utf-16-le")[2 * e["utf16_start"] : 2 * e["utf16_end"]]
                self.equal("UTF-16", units.decode("utf-16-le"), e["text"])
        return f"pyarrow {version('pyarrow')}: {len(stored)} rows, {self.n} entities equal in three units"

    def gliner(self):
        from gliner.config import UniEncoderSpanConfig
        from gliner.data_processing import UniEncoderSpanProcessor, WordsSplitter
        from transformers import PreTrainedTokenizerFast

        rows = json.loads(self.export("gliner", "gliner.json").read_text(encoding="utf-8"))
        self.equal("rows", len(rows), len(self.rows))
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(ROOT / "fixtures/tiny-ner/tokenizer.json"),
                                            pad_token="<|endoftext|>", unk_token="<|endoftext|>")
        splitter = WordsSplitter("whitespace")
        config = UniEncoderSpanConfig(max_len=384, max_width=12, max_types=1000)
        batch = UniEncoderSpanProcessor(config, tokenizer, splitter).collate_raw_batch(rows)
        n_labels = int((batch["span_label"] > 0).sum())
        n_distinct = 0
        for row, expected, entities in zip(rows, self.rows, batch["entities"]):
            words, text = row["tokenized_text"], expected["sentence"]
            bare = lambda words: "".join("".join(words).split())
            self.equal("words", bare(words), bare(text))
            found = sorted((label, bare(words[first : last + 1])) for first, last, label in entities)
            self.equal("ner", found, sorted((label, bare(text[a:b])) for a, b, label in characters(expected)))
            n_distinct += len({(first, last) for first, last, _ in entities if last - first < 12})
        # GLiNER keeps one label for a stretch of words.
        self.equal("span_label", n_labels, n_distinct)
        split = sum([word for word, _, _ in splitter(row["sentence"])] == got["tokenized_text"]
                    for row, got in zip(self.rows, rows))
        try:
            named = version("gliner")
        except PackageNotFoundError:
            named = "(unpacked)"
        return (f"gliner {named}: its processor takes {len(rows)} rows, {self.n} mentions equal, {n_labels} labelled "
                f"spans; {split} rows are split into the very words of its splitter")

    def brat(self):
        folder = self.export("brat", "brat")
        names = sorted(folder.glob("*.txt"))
        self.equal("files", len(names), len(self.rows))
        shown = dict(line.split(" | ", 1) for line in (folder / "visual.conf").read_text(encoding="utf-8").split("\n")
                     if " | " in line)
        for name, row in zip(names, self.rows):
            with open(name, encoding="utf-8", newline="") as file:
                text = file.read()
            self.equal("text", text, row["sentence"].replace("\r", " "))
            found = []
            for line in name.with_suffix(".ann").read_text(encoding="utf-8").split("\n"):
                if not line.startswith("T"):
                    continue
                label, pieces = line.split("\t")[1].split(" ", 1)
                assert re.fullmatch("[a-zA-Z0-9_-]+", label), label
                pieces = [tuple(map(int, piece.split())) for piece in pieces.split(";")]
                self.equal("piece", line.split("\t", 2)[2], " ".join(text[a:b] for a, b in pieces))
                found.append((pieces[0][0], pieces[-1][1], shown[label]))
            self.equal("mentions", sorted(found), characters(row))
        return f"by the rules of its reader: {len(names)} files, {self.n} mentions equal"

    def csv(self):
        with open(self.export("csv", "found.csv"), encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        for row in self.rows:
            mine = [line for line in lines if line["line"] == str(row["line"]) and line["start"]]
            found = sorted((int(line["start"]), int(line["end"]), line["label"]) for line in mine)
            self.equal("mentions", found, characters(row))
            for line in mine:
                there = row["sentence"].encode()[int(line["byte_start"]) : int(line["byte_end"])]
                self.equal("bytes", there.decode(), line["text"])
        return f"Python's csv: {len(lines)} lines, {self.n} mentions equal"

    def conll(self):
        sentences = self.export("conll", "found.conll").read_text(encoding="utf-8").strip("\n").split("\n\n")
        self.equal("sentences", len(sentences), len(self.rows))
        n_begun = 0
        for sentence in sentences:
            before = "O"
            for line in sentence.split("\n"):
                word, tag = line.split("\t")
                assert word and (tag == "O" or tag[:2] in ("B-", "I-")), line
                assert not tag.startswith("I-") or before[2:] == tag[2:], line
                n_begun += tag.startswith("B-")
                before = tag
        return f"well-formed BIO: {len(sentences)} sentences, {n_begun} of {self.n} mentions (the others overlap)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rner", type=Path, default=ROOT / "target/release/rner")
    parser.add_argument("--found", type=Path, help="JSON lines of `rner extract`; made here if left out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        found = args.found or folder / "found.jsonl"
        if args.found is None:
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of_texts()]
            found.write_text("".join(lines), encoding="utf-8")
        check = Check(args.rner.resolve(), found.resolve(), folder)
        missing = 0
        for form in ("docbin", "label_studio", "parquet", "gliner", "brat", "csv", "conll"):
            try:
                print(f"{form.replace('_', '-')}: {getattr(check, form)()}")
            except ModuleNotFoundError as absent:
                missing += 1
                print(f"{form.replace('_', '-')}: not checked, the package {absent.name} is not installed")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
