//! Fine-tunes the toy model of this repository on a few sentences, and extracts with what came of it:
//! `cargo run --release -p rner --example fine_tune_and_extract`.

use std::path::Path;

use rner::backend::Flex;
use rner::prelude::*;

fn main() -> Result<()> {
    let out = std::env::temp_dir().join("rner-fine-tune-and-extract");
    for entity in run(Path::new("fixtures/tiny-base"), &out)?.entities {
        println!("{}: {}", entity.label, entity.text);
    }
    Ok(())
}

/// Trains the model of `base` in the folder `out`, and asks it about a sentence.
pub fn run(base: &Path, out: &Path) -> Result<Completion> {
    // A profile holds every hyperparameter; these are the ones that differ. The names below are new to the model, so
    // its embeddings learn too.
    let sets = [
        "sft.train.max_steps=60",
        "sft.train.epochs=60",
        "sft.train.batch_size=4",
        "sft.train.optim.freeze_embeddings=false",
    ];
    let recipe = Recipe::resolve("smoke", &sets.map(String::from))?;
    // Somebody who wants progress or Ctrl-C gives a session of their own.
    let session = Session::silent();

    let base = ModelDir::find(base, &session)?;
    let examples = examples();
    SftJob::new(&recipe, base, &examples, out, &session).train()?;

    let tuned = ModelDir::at(out.join(MODEL));
    let extractor = Extractor::<Flex>::load(&tuned, &recipe, &Default::default())?;
    extractor.extract(&["city", "person"], "Mara left Osk .")
}

/// Sentences with their entities; a chain of thought could stand in `cot`.
fn examples() -> Vec<Example> {
    let found = [
        ("Mara left Osk .", "Mara", "Osk"),
        ("Tobin lives in Brel .", "Tobin", "Brel"),
        ("In Halvek , Ilse sings .", "Ilse", "Halvek"),
        ("Nuri was born in Tarn .", "Nuri", "Tarn"),
    ];
    let example = |(sentence, person, city): (&str, &str, &str)| Example {
        sentence: sentence.to_owned(),
        schema: vec!["city".to_owned(), "person".to_owned()],
        entities: vec![Entity::new(person, "person"), Entity::new(city, "city")],
        ..Example::default()
    };
    found.map(example).to_vec()
}
