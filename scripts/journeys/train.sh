# docs/quickstart.md
rner data validate fixtures/toy/music.conll
rner data split fixtures/toy/music.conll --share 0.2 --seed 1 --dedupe --out parts
rner sft --model fixtures/tiny-base --data parts/train.conll --no-cot --set sft.train.epochs=8 --out tuned
rner sft --model fixtures/tiny-base --data parts/train.conll --no-cot --set sft.train.epochs=8 --set sft.method=lora --out lora
rner grpo --model tuned/model --data parts/train.conll --set grpo.train.max_steps=4 --out better
rner eval --model tuned/model --data parts/test.conll --out tuned-eval
rner eval --model better/model --data parts/test.conll --out better-eval
rner eval compare tuned-eval better-eval --html compare.html
rner report better
