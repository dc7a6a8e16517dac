# docs/quickstart.md
rner cot generate --data fixtures/toy/music.conll --target 100 --out cot
rner cot status cot
rner cot export cot --format parquet --out cot-parquet
rner cot view cot
rner sft --model fixtures/tiny-base --data cot/ner-cot.jsonl --set sft.train.epochs=2 --out reasoner
