//! The texts of files through a model, which is loaded when the first one is asked about, or through servers.

use anyhow::Result;
use lm_kernels::{LmOps, TrainBackend};
use ner_bulk::{BoxError, Finder};
use ner_types::Extraction;
use rner::answerer::Answerer;
use rner::backend::{Device, Inner, Task};
use rner::documents::Reader;
use rner::extract::Extractor;

use super::Asked;
use super::bulk::Work;

/// Many texts through a model.
pub(super) struct Many<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) work: Work,
}

impl Task for Many<'_> {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let Self { asked, work } = self;
        let mut finder = Loads {
            asked: &asked,
            load: &|| asked.load::<B>(device),
            loaded: None::<Extractor<Inner<B>>>,
        };
        work.run(&mut finder)
    }
}

/// A model that is loaded once it is asked: where every part is there already, it is not.
struct Loads<'a, B: LmOps> {
    asked: &'a Asked<'a>,
    load: &'a dyn Fn() -> rner::Result<Extractor<B>>,
    loaded: Option<Extractor<B>>,
}

impl<B: LmOps> Finder for Loads<'_, B> {
    fn at_once(&self) -> usize {
        self.asked.recipe.eval.batch
    }

    fn find(&mut self, texts: &[&str]) -> Result<Vec<Result<Extraction, String>>, BoxError> {
        if self.loaded.is_none() {
            self.loaded = Some((self.load)()?);
        }
        match &mut self.loaded {
            Some(model) => found(&self.asked.reader(), model, texts),
            None => Err("there is no model".into()),
        }
    }
}

/// Whoever answers, and how answers are read.
pub(super) struct Finds<A> {
    pub(super) answerer: A,
    pub(super) reader: Reader,
}

impl<A: Answerer> Finder for Finds<A> {
    fn at_once(&self) -> usize {
        self.answerer.at_once()
    }

    fn find(&mut self, texts: &[&str]) -> Result<Vec<Result<Extraction, String>>, BoxError> {
        found(&self.reader, &mut self.answerer, texts)
    }
}

fn found(
    reader: &Reader,
    answerer: &mut dyn Answerer,
    texts: &[&str],
) -> Result<Vec<Result<Extraction, String>>, BoxError> {
    let found = reader.read(answerer, texts)?.into_iter();
    Ok(found
        .map(|one| one.map_err(|error| error.to_string()))
        .collect())
}
