//! The program itself, killed at a system call, and started again.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use rand::Rng;
use rner::session::Session;
use rner::stages::serve_teacher;

use super::files::Files;
use super::tracer::{At, Tracer};
use super::world::World;
use crate::lab::{Lab, random};
use crate::tally::Tally;

/// The commands, each with where it writes as `OUT`, what it reads as `DATA`, the model as `BASE` and the teacher's
/// address as `URL`.
const COMMANDS: [&str; 5] = [
    "sft --profile smoke --no-cot --model BASE --data DATA/train.jsonl --out OUT --set sft.train.max_steps=3 \
     --set sft.train.batch_size=2 --set sft.train.save_every=1 --set sft.train.save_total_limit=1",
    "cot generate --profile smoke --teacher-url URL --teacher-model tiny-teacher --judge-model tiny-judge \
     --set cot.key_env=\"\" --data DATA/train.jsonl --limit 12 --out OUT",
    "grpo --profile smoke --model BASE --data DATA/train.jsonl --out OUT --set grpo.train.max_steps=2 \
     --set grpo.train.prompts_per_step=2 --set grpo.train.group_size=4 --set grpo.train.max_completion_length=8 \
     --set grpo.train.save_every=1 --set grpo.eval_share=0.1 --set grpo.train.eval_every=1 \
     --set grpo.reward.length=1 --set grpo.reward.length_free=1 --set grpo.reward.length_max=80",
    "data convert DATA/train.jsonl OUT/train.json --to instructuie",
    "eval --profile smoke --model BASE --suite DATA/suite.toml --data DATA/eval --out OUT --set eval.batch=2 \
     --set eval.max_new_tokens=4 --set eval.bootstrap_resamples=20",
];

/// The program with all that its commands need.
pub(super) struct Real<'w> {
    world: &'w World,
    tracer: Tracer,
    teacher: Teacher,
    /// What was expected of each command, once it was needed.
    calm: BTreeMap<usize, Rc<Calm>>,
}

/// A run that nobody disturbed.
struct Calm {
    places: Vec<At>,
    files: Files,
}

impl<'w> Real<'w> {
    /// The program; `None`, and a word about it in the tally, where no process can be watched.
    pub(super) fn new(lab: &Lab, world: &'w World, tally: &mut Tally) -> Result<Option<Self>> {
        let notes = lab.folder("notes")?;
        let tracer = Tracer::new(lab.program()?, lab.source("."), notes);
        if let Some(why) = tracer.refusal() {
            tally.skip(format!("real kills: {why}"));
            return Ok(None);
        }
        Ok(Some(Self {
            world,
            tracer,
            teacher: Teacher::start(&world.data.join("train.jsonl"))?,
            calm: BTreeMap::new(),
        }))
    }

    /// Kills a command once or twice, lets it come to its end, and compares. Tells of each attempt whether the command
    /// came so far.
    pub(super) fn case(&mut self, seed: u64, number: u64, kills: &mut Vec<bool>) -> Result<()> {
        let command = (number % COMMANDS.len() as u64) as usize;
        let args = self.args(COMMANDS[command]);
        let calm = self.calm(command, &args)?;
        let mut random = random(seed);
        let count = if random.random_bool(0.33) { 2 } else { 1 };
        let places: Vec<&At> = (0..count)
            .map(|_| &calm.places[random.random_range(0..calm.places.len())])
            .collect();
        let what = format!("rner {}, killed at {places:?}", args.join(" "));
        self.begin()?;
        for at in &places {
            kills.push(self.tracer.kill(&args, at).with_context(|| what.clone())?);
        }
        let ended = self.tracer.run(&args);
        ended.with_context(|| format!("{what}: stuck"))?;
        let found = calm.files.differences(&Files::read(&self.world.out)?);
        ensure!(found.is_empty(), "{what}: {}", found.join("; "));
        Ok(())
    }

    fn calm(&mut self, command: usize, args: &[String]) -> Result<Rc<Calm>> {
        if let Some(known) = self.calm.get(&command) {
            return Ok(Rc::clone(known));
        }
        self.begin()?;
        let places = self.tracer.watch(args)?;
        ensure!(!places.is_empty(), "{args:?}: no call to be killed at");
        let files = Files::read(&self.world.out)?;
        let calm = Rc::new(Calm { places, files });
        self.calm.insert(command, Rc::clone(&calm));
        Ok(calm)
    }

    /// An empty folder: not every command makes it.
    fn begin(&self) -> Result<()> {
        self.world.clear()?;
        let out = &self.world.out;
        std::fs::create_dir(out).with_context(|| out.display().to_string())
    }

    fn args(&self, command: &str) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let arg = |word: &str| {
            word.replace("OUT", &path(&self.world.out))
                .replace("DATA", &path(&self.world.data))
                .replace("BASE", &path(&self.world.base))
                .replace("URL", &self.teacher.url)
        };
        command.split_whitespace().map(arg).collect()
    }
}

/// The simulated teacher, which serves until it is dropped.
struct Teacher {
    url: String,
    session: Session,
    thread: Option<JoinHandle<()>>,
}

impl Teacher {
    fn start(data: &Path) -> Result<Self> {
        let (send, receive) = mpsc::channel();
        let (data, session) = (data.to_owned(), Session::silent());
        let served = session.clone();
        let thread = std::thread::spawn(move || {
            let ready = |teacher: &rner::stages::Simulated| drop(send.send(teacher.url.clone()));
            if let Err(error) = serve_teacher(&data, 7, &served, ready) {
                eprintln!("the simulated teacher: {error}");
            }
        });
        let url = receive.recv();
        Ok(Self {
            url: url.map_err(|_| anyhow!("the simulated teacher did not start"))?,
            session,
            thread: Some(thread),
        })
    }
}

impl Drop for Teacher {
    fn drop(&mut self) {
        self.session.stop().cancel();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
