//! Whoever finds the entities of texts.

use ner_types::Extraction;

/// An error of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Finds the entities of texts, some of them at a time: a model in this process, or servers.
pub trait Finder {
    /// How many texts are best handed over at once.
    fn at_once(&self) -> usize;

    /// What is found in each text, in their order, or why there is no answer to it.
    ///
    /// # Errors
    /// What concerns every text: a model or servers that answer no more, an interruption. The part that is being
    /// worked on is not written then.
    fn find(&mut self, texts: &[&str]) -> Result<Vec<Result<Extraction, String>>, BoxError>;
}
