# docs/python.md
rner serve --model fixtures/tiny-ner --port 8017 &
python3 scripts/journeys/client.py
