# docs/quickstart.md
rner score --gold fixtures/toy/music.conll --predictions fixtures/toy/other-system.jsonl \
    --scorer strict,partial --by type
