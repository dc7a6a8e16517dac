//! `rner prompt`: the very text that a model gets about a sentence, for programs that ask it themselves.

use anyhow::Result;
use clap::Args;
use ner_bulk::Texts;
use rner::asker::Asker;
use rner::stages::{Asking, ModelDir};
use rner_cli::args::asking;
use rner_cli::exit::usage;
use rner_cli::progress::Terminal;
use serde::Serialize;

use crate::asked::AskedArgs;
use crate::sentences::{Files, Sentences};

/// Flags of `rner prompt`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PromptArgs {
    #[command(flatten)]
    asked: AskedArgs,
    /// Print JSON: the message of the user, the text, its ids and their number, and where the answer ends.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a model gets, and what else a program that asks it has to know.
#[derive(Serialize)]
struct Shown<'a> {
    /// The message of the user: what goes into a chat request.
    message: String,
    /// The message in its chat form.
    text: String,
    ids: Vec<u32>,
    n_tokens: usize,
    types: &'a [String],
    stop_ids: Vec<u32>,
    stop_tokens: Vec<String>,
    max_new_tokens: usize,
    /// Whether the prompt is the model's own; nothing if it names none.
    is_own_prompt: Option<bool>,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a model whose tokenizer or prompt cannot be read, a row without a sentence.
pub(crate) fn run(args: &PromptArgs) -> Result<()> {
    let recipe = args.asked.recipe.resolve(args.asked.task.sets())?;
    let types = args.asked.types()?;
    let sentences = args.asked.sentences.read()?;
    if matches!(sentences, Sentences::Files(_)) && !args.json {
        return Err(usage("--input needs --json: a prompt has several lines"));
    }
    let model = ModelDir::find(&args.asked.model, &Terminal::session())?;
    let asking = asking(&model, &recipe, args.asked.prompt.as_deref())?;
    args.asked.note_descriptions(&types, &asking);
    let names = types.names();
    let asker = Asker::new(&model, &asking.recipe)?.describing(types.types);
    let show = |sentence: &str| Shown::new(&asker, &asking, &names, sentence);
    match sentences {
        Sentences::One(sentence) if args.json => {
            println!("{}", serde_json::to_string_pretty(&show(&sentence))?);
        }
        Sentences::One(sentence) => print!("{}", show(&sentence).text),
        Sentences::Files(Files { inputs, options }) => {
            for input in &inputs {
                let texts = Texts::of_input(input, &options);
                let mut texts = texts.map_err(rner::Error::from)?;
                while let Some(row) = texts.next_text().map_err(rner::Error::from)? {
                    let (name, line) = (texts.name().display(), row.line);
                    let fault = |fault| anyhow::anyhow!("{name}:{line}: {fault}");
                    let text = row.text.map_err(fault)?;
                    println!("{}", serde_json::to_string(&show(&text))?);
                }
            }
        }
    }
    Ok(())
}

impl<'a> Shown<'a> {
    fn new(asker: &Asker, asking: &Asking, types: &'a [String], sentence: &str) -> Self {
        let (tokenizer, ids) = (asker.tokenizer(), asker.ids(types, sentence));
        let stop_ids = tokenizer.stop_ids();
        let name = |&id: &u32| tokenizer.decode_with_control(&[id]);
        let longest = asking.own.as_ref().and_then(|own| own.longest_prompt());
        if let Some(longest) = longest.filter(|&longest| ids.len() > longest) {
            rner_cli::say!(
                "note: the prompt has {} tokens; the model was trained with at most {longest}",
                ids.len()
            );
        }
        Self {
            message: asker.message(types, sentence),
            text: tokenizer.decode_with_control(&ids),
            n_tokens: ids.len(),
            ids,
            types,
            stop_tokens: stop_ids.iter().map(name).collect(),
            stop_ids,
            max_new_tokens: asking.recipe.eval.max_new_tokens,
            is_own_prompt: asking.own.as_ref().map(|_| asking.another_than().is_none()),
        }
    }
}
