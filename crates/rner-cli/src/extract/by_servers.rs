//! `rner extract` with servers in the place of a model in this process.

use anyhow::Result;
use ner_documents::Descriptions;
use ner_types::Extraction;
use rner::answerer::{Answerer, Question};
use rner::recipe::Recipe;
use rner_cli::exit::usage;

use super::many::Finds;
use super::servers::ServerArgs;
use super::{ExtractArgs, print_entities, question};
use crate::sentences::Sentences;

/// Runs the command.
///
/// # Errors
/// Flags that a server does not know, servers that do not answer, rows that have no answer.
pub(super) fn run(
    args: &ExtractArgs,
    recipe: &Recipe,
    types: &Descriptions,
    sentences: Sentences,
) -> Result<()> {
    check(args, recipe)?;
    let structured = args.servers.structured(args.form)?;
    let template = ServerArgs::template(args.asked.prompt.as_deref())?;
    let template = template.describing(types.types.iter().cloned());
    let (types, model) = (types.names(), args.asked.model.display().to_string());
    let sampling = args.sampling.of_server(recipe.run.seed);
    let servers = &args.servers;
    let mut answerer = servers.answerer(&model, template.clone(), structured, sampling.clone())?;
    let reader = args
        .documents
        .reader_of_server(types.clone(), args.reader.into());
    match sentences {
        Sentences::One(text) if args.raw => {
            let types = &types;
            let text = &text;
            for answer in answerer.answer_each(&[Question { types, text }])? {
                println!("{}", answer?.text);
            }
        }
        Sentences::One(sentence) => {
            for found in reader.read(&mut answerer, &[&sentence])? {
                print(found?.in_unit(args.documents.offsets), args.json)?;
            }
        }
        Sentences::Files(files) => {
            let options = files.options.clone();
            let asked = (model.as_str(), &template, &sampling, structured);
            let question = || question::of_servers(args, &types, asked, &options);
            let work = args.bulk.work(files, question)?;
            let unit = args.documents.offsets;
            work.run(&mut Finds {
                answerer,
                reader,
                unit,
            })?;
        }
    }
    Ok(())
}

/// Refuses what only a model in this process can do.
fn check(args: &ExtractArgs, recipe: &Recipe) -> Result<()> {
    let task = recipe.model.task;
    if !task.is_entities() {
        return Err(usage(format!(
            "--task {task}: servers are asked for entities alone"
        )));
    }
    let typed = [
        args.documents.of_model(),
        args.promise.typed(),
        args.dial.typed(),
    ]
    .concat();
    match typed.first() {
        Some(flag) => Err(usage(format!(
            "{flag} needs a model in this process, which counts its tokens; with --url leave it out"
        ))),
        None => Ok(()),
    }
}

/// Prints an answer that was not heard while it was written.
fn print(found: Extraction, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if let Some(reasoning) = &found.reasoning {
        print!("{reasoning}");
    }
    print_entities(&found, found.reasoning.is_some());
    if found.cut_off {
        rner_cli::say!("note: the answer was cut off");
    }
    Ok(())
}
