//! The texts of files through a model, which is loaded when the first one is asked about, or through servers.

use anyhow::Result;
use lm_kernels::{LmOps, TrainBackend};
use ner_bulk::{BoxError, Finder};
use ner_datasets::Offsets;
use ner_types::Extraction;
use rner::answerer::Answerer;
use rner::backend::{Device, Inner, Task};
use rner::documents::Reader;
use rner::extract::Extractor;

use super::Asked;
use super::bulk::Work;
use super::structures::{self, Found};

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
            loaded: None::<(Extractor<Inner<B>>, Reader)>,
        };
        let done = work.run(&mut finder);
        asked.guard.conclude();
        done
    }
}

/// A model that is loaded once it is asked: where every part is there already, it is not.
struct Loads<'a, B: LmOps> {
    asked: &'a Asked<'a>,
    load: &'a dyn Fn() -> rner::Result<Extractor<B>>,
    loaded: Option<(Extractor<B>, Reader)>,
}

impl<B: LmOps> Finder for Loads<'_, B> {
    fn at_once(&self) -> usize {
        self.asked.recipe.eval.batch
    }

    fn find(&mut self, texts: &[&str]) -> Result<Found, BoxError> {
        if self.loaded.is_none() {
            let model = (self.load)()?;
            let reader = self.asked.reader(&model)?;
            self.loaded = Some((model, reader));
        }
        let Some((model, reader)) = &mut self.loaded else {
            return Err("there is no model".into());
        };
        if !self.asked.recipe.model.task.is_entities() {
            return structures::find(self.asked, model, texts);
        }
        let shown = |one: Result<Extraction, String>| one.map(|one| self.asked.shown(one));
        Ok(found(reader, model, texts)?
            .into_iter()
            .map(shown)
            .collect())
    }
}

/// Whoever answers, how answers are read, and what places are counted in.
pub(super) struct Finds<A> {
    pub(super) answerer: A,
    pub(super) reader: Reader,
    pub(super) unit: Offsets,
}

impl<A: Answerer> Finder for Finds<A> {
    fn at_once(&self) -> usize {
        self.answerer.at_once()
    }

    fn find(&mut self, texts: &[&str]) -> Result<Found, BoxError> {
        let shown = |one: Result<Extraction, String>| one.map(|one| one.in_unit(self.unit));
        let found = found(&self.reader, &mut self.answerer, texts)?;
        Ok(found.into_iter().map(shown).collect())
    }
}

fn found(reader: &Reader, answerer: &mut dyn Answerer, texts: &[&str]) -> Result<Found, BoxError> {
    let found = reader.read(answerer, texts)?.into_iter();
    let told = |error| format!("{:#}", anyhow::Error::from(error));
    Ok(found.map(|one| one.map_err(told)).collect())
}
