# docs/quickstart.md
rner extract --model fixtures/tiny-ner --types country,election,party,politician,treaty \
    "Members of the party Grifock met in Raisar, a little-known nation."
rner extract --model fixtures/tiny-ner --types country,election,party,politician,treaty \
    --input fixtures/toy/notes.txt > found.jsonl
rner extract --model fixtures/tiny-ner --types country,party --form grounded --json \
    "Members of the party Grifock met in Raisar, a little-known nation."
rner prompt --model fixtures/tiny-ner --types country,party "They met in Raisar."
