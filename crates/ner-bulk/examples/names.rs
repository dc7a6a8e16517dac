//! A finder of one's own over every text file of a folder, resumable: `cargo run -p ner-bulk --example names`.

use std::error::Error;
use std::path::Path;

use ner_bulk::{
    BoxError, Claim, Finder, Folder, Inputs, Job, OutputForm, Question, Shard, Summary, TextOptions,
};
use ner_types::{Entity, Extraction, parse, render_answer};

/// Finds one name wherever a text has it. A model would answer here.
struct OneCity(&'static str);

impl Finder for OneCity {
    fn at_once(&self) -> usize {
        8
    }

    fn find(&mut self, texts: &[&str]) -> Result<Vec<Result<Extraction, String>>, BoxError> {
        let types = ["city".to_owned()];
        let one = |text: &&str| {
            let found = [Entity::new(self.0, "city")];
            let found = &found[..usize::from(text.contains(self.0))];
            Ok(Extraction::new(
                parse(&render_answer(found)),
                &types,
                text,
                false,
            ))
        };
        Ok(texts.iter().map(one).collect())
    }
}

/// What was found in all texts below a folder; called again, it only does what is not done.
pub(crate) fn find_all(texts: &Path, out: &Path) -> Result<Summary, Box<dyn Error>> {
    let inputs = Inputs::find(&[texts.to_owned()])?;
    let question = Question::from_iter([("city".to_owned(), "Brel".into())]);
    let job = Job {
        inputs: &inputs.files,
        texts: TextOptions::default(),
        part_rows: Some(100_000),
        shard: Shard::default(),
        form: OutputForm::default(),
        folder: Folder::claim(out, &question, Claim::Refuse)?,
        stop: Default::default(),
    };
    Ok(job.run(&mut OneCity("Brel"), &mut ())?)
}

#[cfg(not(test))]
fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join("ner-bulk-example");
    std::fs::create_dir_all(dir.join("texts"))?;
    std::fs::write(dir.join("texts/a.txt"), "Brel sleeps.\nOsk does not.\n")?;
    println!("{:?}", find_all(&dir.join("texts"), &dir.join("out"))?);
    Ok(())
}
