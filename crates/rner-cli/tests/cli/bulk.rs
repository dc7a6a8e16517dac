//! `rner extract --out`: parts, kills, shards, processes that share a folder, and a full disk: the same bytes, or an
//! error with a name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::server::Server;
use super::support::{TestResult, fails, rner, root, stderr, succeeds, text};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Three files of texts, and places for answers.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Fallible<Self> {
        let world = Self {
            dir: tempfile::tempdir()?,
        };
        for (name, rows) in [("a.txt", 7), ("b.csv", 5), ("sub/c.jsonl", 6)] {
            let path = world.path("in").join(name);
            fs::create_dir_all(path.parent().ok_or("a folder")?)?;
            fs::write(path, content(name, rows))?;
        }
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command with the toy, whose answers are short.
    fn words<'a>(&'a self, input: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let first = [
            "extract",
            "--model",
            "fixtures/tiny-ner",
            "--types",
            "party,country",
            "--max-new-tokens",
            "12",
            "--part-rows",
            "2",
            "--input",
        ];
        let places = [text(input), "--out", text(out)];
        [&first[..], &places, more].concat()
    }

    fn run(&self, out: &str, more: &[&str]) -> TestResult {
        let (input, out) = (self.path("in"), self.path(out));
        succeeds(&self.words(&input, &out, more))?;
        Ok(())
    }

    fn start(&self, out: &str, more: &[&str], variables: &[(&str, &str)]) -> Fallible<Child> {
        let (input, out) = (self.path("in"), self.path(out));
        let mut command = rner(&self.words(&input, &out, more));
        command.envs(variables.iter().copied());
        Ok(silent(&mut command).spawn()?)
    }

    fn files(&self, name: &str) -> BTreeMap<String, String> {
        files(&self.path(name))
    }
}

fn silent(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::piped())
}

fn content(name: &str, rows: usize) -> String {
    let sentence = |row: usize| format!("Members of the party Grifock {row} met in Raisar.");
    let line = |row: usize| match name.rsplit('.').next() {
        Some("csv") => format!("{row},\"{}\"\n", sentence(row)),
        Some("jsonl") => format!("{{\"id\": \"{row}\", \"text\": \"{}\"}}\n", sentence(row)),
        _ => format!("{}\n", sentence(row)),
    };
    let head = if name.ends_with("csv") {
        "id,text\n"
    } else {
        ""
    };
    head.to_owned() + &(0..rows).map(line).collect::<String>()
}

/// All files below a folder; what a kill may leave under hidden names is nobody's.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (
            entry.path(),
            entry.file_name().to_string_lossy().into_owned(),
        );
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(below, text)| (format!("{name}/{below}"), text)));
        } else if !name.starts_with('.') {
            found.insert(name, fs::read_to_string(&path).unwrap_or_default());
        }
    }
    found
}

/// Parts, without their manifests.
fn parts(files: &BTreeMap<String, String>) -> usize {
    let parts = files.keys().filter(|name| !name.starts_with("_manifest"));
    parts.count()
}

/// Kills the process once there are more parts than before, or lets it end. Whether it was killed.
fn kill_after_a_part(mut child: Child, world: &World, out: &str, before: usize) -> Fallible<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            assert!(status.success(), "{status}");
            return Ok(false);
        }
        if parts(&world.files(out)) > before {
            child.kill()?;
            child.wait()?;
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_makes_the_same_bytes() -> TestResult {
    let world = World::new()?;
    world.run("whole", &[])?;
    let whole = world.files("whole");
    assert_eq!(parts(&whole), 4 + 3 + 3);
    let mut kills = 0;
    loop {
        let before = parts(&world.files("out"));
        let child = world.start("out", &[], &[])?;
        if !kill_after_a_part(child, &world, "out", before)? {
            break;
        }
        kills += 1;
    }
    assert!(kills > 2, "{kills} kills");
    assert_eq!(world.files("out"), whole);
    world.run("out", &[])?;
    assert_eq!(world.files("out"), whole, "a finished run changes nothing");
    Ok(())
}

/// What `docs/bulk.md` says of Slurm and Kubernetes, each task a process, one of them killed and started again.
#[test]
fn the_tasks_of_batch_systems_make_the_bytes_of_one_process() -> TestResult {
    let world = World::new()?;
    world.run("whole", &[])?;
    let slurm = |task: &str| {
        let rest = [
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
        ];
        let all = [("SLURM_ARRAY_TASK_ID", task), rest[0], rest[1]];
        world.start("slurm", &[], &all)
    };
    let tasks = [slurm("0")?, slurm("1")?, slurm("2")?];
    let [mut first, second, third] = tasks;
    first.kill()?;
    first.wait()?;
    for task in [second, third, slurm("0")?] {
        let output = task.wait_with_output()?;
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("by SLURM_ARRAY_TASK_ID="), "{said}");
    }
    assert_eq!(world.files("slurm"), world.files("whole"));
    for index in ["1", "0"] {
        let variables = [("JOB_COMPLETION_INDEX", index)];
        let output = world.start("kubernetes", &["--shards", "2"], &variables)?;
        let output = output.wait_with_output()?;
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_eq!(world.files("kubernetes"), world.files("whole"));
    let alone = world.start("kubernetes", &[], &[("JOB_COMPLETION_INDEX", "1")])?;
    let output = alone.wait_with_output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--shards N"),
        "{}",
        stderr(&output)
    );
    Ok(())
}

/// The command on an address.
fn by_url<'a>(urls: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let first = ["extract", "--model", "m", "--types", "city"];
    let urls = urls.iter().flat_map(|url| ["--url", url]);
    first
        .into_iter()
        .chain(urls)
        .chain(more.iter().copied())
        .collect()
}

fn slowly(body: &str) -> (u16, String) {
    std::thread::sleep(Duration::from_millis(20));
    well(body)
}

fn well(_: &str) -> (u16, String) {
    let answer = "<think>\nRaisar is a city.\n</think>\n{\"entities\": {\"city\": [\"Raisar\"]}}";
    (200, answer.to_owned())
}

fn ill(_: &str) -> (u16, String) {
    (401, "who are you".to_owned())
}

#[test]
fn two_processes_on_one_folder_make_nothing_twice() -> TestResult {
    let world = World::new()?;
    let server = Server::start(slowly)?;
    let (input, out) = (world.path("in"), world.path("out"));
    let more = [
        "--part-rows",
        "2",
        "--input",
        text(&input),
        "--out",
        text(&out),
    ];
    let words = by_url(&[&server.url], &more);
    let start = || silent(&mut rner(&words)).spawn();
    for child in [start()?, start()?] {
        let output = child.wait_with_output()?;
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains("18 rows"), "{}", stderr(&output));
    }
    // Each process asks for the models of the server, if it asks at all.
    assert!(
        (19..=20).contains(&server.requests()),
        "{}",
        server.requests()
    );
    let made = files(&out);
    assert_eq!(parts(&made), 10);
    let whole = world.path("whole");
    let more = [
        "--part-rows",
        "2",
        "--input",
        text(&input),
        "--out",
        text(&whole),
    ];
    succeeds(&by_url(&[&server.url], &more))?;
    assert_eq!(files(&whole), made);
    Ok(())
}

#[test]
fn servers_answer_and_one_that_refuses_is_left_out() -> TestResult {
    let (good, bad) = (Server::start(well)?, Server::start(ill)?);
    let sentence = "They met in Raisar.";
    let lines = succeeds(&by_url(&[&bad.url, &good.url], &[sentence]))?;
    assert_eq!(lines, "Raisar is a city.\n\ncity: Raisar\n");
    let found = succeeds(&by_url(&[&good.url], &["--json", sentence]))?;
    let found: Value = serde_json::from_str(&found)?;
    assert_eq!(
        (&found["entities"][0]["text"], &found["reasoning"]),
        (&"Raisar".into(), &"Raisar is a city.".into())
    );
    let none = by_url(&[&bad.url], &[sentence]);
    fails(&none, 1, &["no server is left", "a server is left out"])?;
    for (more, words) in [
        (&["--form", "schema"][..], "--url-form names them"),
        (
            &["--form", "grounded"],
            "no server holds an answer to a text",
        ),
        (&["--url-form", "json-schema"], "is for --form schema"),
        (&["--no-drafts"], "--no-drafts"),
        (&["--force"], "--force is for --out"),
        (&["--url", "ftp://h"], "ftp://h"),
    ] {
        fails(
            &by_url(&[&good.url], &[more, &[sentence]].concat()),
            2,
            &[words],
        )?;
    }
    fn strict(body: &str) -> (u16, String) {
        let is_asked =
            body.contains("\"json_schema\"") && body.contains("\"additionalProperties\"");
        let answer = if is_asked {
            "{\"entities\": {\"city\": []}}"
        } else {
            "no"
        };
        (200, answer.to_owned())
    }
    let strict = Server::start(strict)?;
    let form = [
        "--form",
        "schema",
        "--url-form",
        "json-schema",
        "--json",
        sentence,
    ];
    let found: Value = serde_json::from_str(&succeeds(&by_url(&[&strict.url], &form))?)?;
    assert_eq!(
        (
            &found["is_json"],
            found["entities"].as_array().map(Vec::len)
        ),
        (&true.into(), Some(0))
    );
    Ok(())
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_served_model_answers_as_it_does_in_this_process() -> TestResult {
    let world = World::new()?;
    let mut serve = rner(&["serve", "--model", "fixtures/tiny-ner", "--port", "0"]);
    let serve = serve.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Ends(serve.spawn()?);
    let stdout = server.0.stdout.take().ok_or("no stdout")?;
    let mut url = String::new();
    BufReader::new(stdout).read_line(&mut url)?;
    let own = fs::read(root().join("fixtures/tiny-ner/rner.json"))?;
    let prompt = world.path("prompt.txt");
    let own: Value = serde_json::from_slice(&own)?;
    fs::write(&prompt, own["prompt"].as_str().ok_or("a prompt")?)?;
    let input = world.path("in");
    let rest = [
        "--types",
        "party,country",
        "--max-new-tokens",
        "256",
        "--prompt",
        text(&prompt),
        "--input",
        text(&input),
    ];
    let ask = |first: &[&str]| succeeds(&[&["extract"], first, &rest[..]].concat());
    let served = ask(&["--url", url.trim(), "--model", "tiny-ner"])?;
    // Servers do not say how probable their tokens were.
    let own = ask(&["--model", "fixtures/tiny-ner"])?;
    let unrated = |line: &str| -> Result<Value, Box<dyn std::error::Error>> {
        let mut row: Value = serde_json::from_str(line)?;
        for mention in row["entities"].as_array_mut().into_iter().flatten() {
            let rated = mention
                .as_object_mut()
                .and_then(|it| it.remove("confidence"));
            assert!(rated.is_some(), "{line}");
        }
        Ok(row)
    };
    let own: Vec<Value> = own.lines().map(unrated).collect::<Result<_, _>>()?;
    let served_rows = served.lines().map(serde_json::from_str);
    assert_eq!(served_rows.collect::<Result<Vec<Value>, _>>()?, own);
    assert!(served.contains("\"label\":\"party\""), "{served}");
    Ok(())
}

#[test]
fn a_broken_part_costs_itself_and_rows_without_an_answer_are_named() -> TestResult {
    let world = World::new()?;
    fn picky(body: &str) -> (u16, String) {
        if body.contains("Grifock 3") {
            return (400, "{\"error\": {\"message\": \"too long\"}}".to_owned());
        }
        well(body)
    }
    let server = Server::start(picky)?;
    let (input, out) = (world.path("in"), world.path("out"));
    fs::write(input.join("d.parquet"), "PAR1 no")?;
    fs::write(input.join("e.csv"), "id,text\n1,Brel\n2,\"never closed\n")?;
    let more = ["--input", text(&input), "--out", text(&out)];
    let words = by_url(&[&server.url], &more);
    let said = [
        "d.parquet",
        "cannot read",
        "a.txt:4: ",
        "too long",
        "1 parts of 5 files",
    ];
    fails(&words, 1, &said)?;
    let made = files(&out);
    assert_eq!(parts(&made), 4, "{:?}", made.keys());
    assert!(
        made["sub/c.jsonl"].contains("{\"line\":4,\"id\":\"3\",\"error\":"),
        "{made:?}"
    );
    // The same again: the part is still broken, and nothing that is there changes.
    fails(&words, 1, &["d.parquet", "4 parts (4 of them were there)"])?;
    assert_eq!(files(&out), made);
    fs::remove_file(input.join("d.parquet"))?;
    fails(&words, 1, &["3 of 20 rows", "their lines are in the parts"])
}

#[test]
fn what_is_there_is_looked_at_without_asking_anybody() -> TestResult {
    let world = World::new()?;
    let server = Server::start(well)?;
    let (input, out) = (world.path("in"), world.path("out"));
    let more = [
        "--part-rows",
        "4",
        "--input",
        text(&input),
        "--out",
        text(&out),
    ];
    let words = by_url(&[&server.url], &more);
    succeeds(&[&words[..], &["--shard", "1/2"]].concat())?;
    let asked = server.requests();
    let look = [&words[..], &["--check"]].concat();
    let output = rner(&look).output()?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(
        (&found["parts"], found["missing"].as_array().map(Vec::len)),
        (&3.into(), Some(3)),
        "{found}"
    );
    succeeds(&words)?;
    let found: Value = serde_json::from_str(&succeeds(&look)?)?;
    assert_eq!(
        (&found["parts"], &found["rows"], &found["unanswered"]),
        (&6.into(), &18.into(), &0.into())
    );
    assert_eq!(server.requests(), asked + 1 + 9, "each row was asked once");
    let other = by_url(
        &[&server.url],
        &[&more[..], &["--check", "--temperature", "1"]].concat(),
    );
    fails(&other, 1, &["not the same: sampling"])?;
    fs::write(out.join("a.txt.part-00000.jsonl"), "damaged")?;
    fails(
        &look,
        1,
        &[
            "a.txt.part-00000.jsonl",
            "its hash differs",
            "1 are not what they should be",
        ],
    )
}

#[test]
fn every_kind_of_input_goes_into_one_file() -> TestResult {
    let world = World::new()?;
    let server = Server::start(well)?;
    let (out, pattern) = (world.path("all.jsonl"), world.path("in/*.*"));
    let more = ["--input", text(&pattern), "--out", text(&out)];
    succeeds(&by_url(&[&server.url], &more))?;
    let lines: Vec<Value> = fs::read_to_string(&out)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 12);
    assert_eq!(
        (&lines[7]["file"], &lines[7]["line"], &lines[7]["id"]),
        (&"b.csv".into(), &2.into(), &"0".into())
    );
    let whole = by_url(&[&server.url], &["--whole", "--input", text(&pattern)]);
    let printed = succeeds(&whole)?;
    assert_eq!(printed.lines().count(), 2, "{printed}");
    let other = by_url(
        &[&server.url],
        &[&more[..], &["--text-field", "id"]].concat(),
    );
    fails(&other, 1, &["answers another question", "--force"])?;
    let parts = by_url(&[&server.url], &[&more[..], &["--shard", "0/2"]].concat());
    fails(&parts, 2, &["one file has neither parts nor shards"])
}

/// A process may not write files of more than so many bytes; with the signal ignored that is an error, as a full disk.
fn limited(words: &[&str], blocks: usize) -> Fallible<(Option<i32>, String)> {
    let direct = rner(words);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    let command = command.args(["-c", &script]).arg(direct.get_program());
    let command = command.args(direct.get_args()).current_dir(root());
    let output = command.output()?;
    Ok((output.status.code(), stderr(&output)))
}

#[test]
fn a_full_disk_is_named_and_what_was_finished_is_gone_on_with() -> TestResult {
    let world = World::new()?;
    let server = Server::start(well)?;
    let (input, out, whole) = (world.path("in"), world.path("out"), world.path("whole"));
    // A file of many rows, whose part is longer than the limit, behind one that is shorter.
    fs::write(input.join("b.csv"), content("b.csv", 30))?;
    let words = |out| by_url(&[&server.url], &["--input", text(&input), "--out", out]);
    let (here, there) = (words(text(&out)), words(text(&whole)));
    let (code, said) = limited(&here, 8)?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("b.csv.jsonl: cannot write"), "{said}");
    assert_eq!(parts(&files(&out)), 1, "{:?}", files(&out).keys());
    let hidden = fs::read_dir(&out)?.flatten();
    let left = hidden.filter(|entry| entry.file_name().to_string_lossy().contains("partial"));
    assert_eq!(left.count(), 0, "nothing is left of the part");
    succeeds(&here)?;
    succeeds(&there)?;
    assert_eq!(files(&out), files(&whole));
    Ok(())
}
