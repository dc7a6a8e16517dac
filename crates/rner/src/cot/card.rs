//! The dataset card of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ner_cot::bill::{Bill, Billed};
use ner_cot::card::{Card, CardModel, CardRemoved, dataset_card};
use ner_cot::journal::Part;
use ner_cot::prompts::Template;
use ner_cot::{Funnel, Plan};

use super::job::Job;
use crate::error::Result;
use crate::run_dir::write_atomic;

/// Writes README.md, as dataset hubs want it, to `out`.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_card(
    job: &Job,
    plan: &Plan,
    funnel: &Funnel,
    bill: &Bill,
    files: &[PathBuf],
    out: &Path,
) -> Result<()> {
    let card = card(job, plan, funnel, bill, files);
    Ok(write_atomic(
        &out.join("README.md"),
        dataset_card(&card).as_bytes(),
    )?)
}

fn card(job: &Job, plan: &Plan, funnel: &Funnel, bill: &Bill, files: &[PathBuf]) -> Card {
    let config = plan.config();
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    let removed = |reason: &str| funnel.rejected_rows.get(reason).copied();
    Card {
        name: "NER-CoT".into(),
        license: job.license.clone(),
        languages: job.languages.clone(),
        // All files have the same rows, and a reader of the dataset wants each row once.
        data_files: files.first().and_then(name).into_iter().collect(),
        source: name(&job.data),
        source_rows: funnel.rows,
        rows: funnel.accepted,
        teacher: model(plan, Part::Teacher, &config.prompts.teacher, bill),
        judge: model(plan, Part::Judge, &config.prompts.judge, bill),
        threshold: funnel.threshold,
        attempts: funnel.attempts,
        rules: config.rules.clone(),
        judged: funnel.judged(),
        accepted_at_threshold: funnel.accepted_at_threshold.clone(),
        accepted_at_attempt: funnel.accepted_at_attempt.clone(),
        rejected_answers: funnel.rejected_answers.clone(),
        rejected_rows: funnel.rejected_rows.clone(),
        unfinished: funnel.unfinished,
        removed: CardRemoved {
            near_duplicates: removed("near_duplicate"),
            leakage: removed("in_evaluation_data")
                .map(|n| BTreeMap::from([("all sets".into(), n)])),
        },
        limits: vec![format!(
            "Types that were asked for where a row of the source states none: {}.",
            job.types.words()
        )],
    }
}

fn model(plan: &Plan, part: Part, prompt: &Template, bill: &Bill) -> CardModel {
    let config = plan.config();
    let sampling = match part {
        Part::Teacher => &config.teacher,
        Part::Judge => &config.judge,
    };
    let key = (part, plan.model(part).to_owned());
    let billed: Billed = bill.0.get(&key).copied().unwrap_or_default();
    CardModel {
        model: plan.model(part).into(),
        revision: None,
        sampling: Some(serde_json::json!(sampling).to_string()),
        prompt_version: prompt.version().into(),
        prompt: prompt.text().into(),
        answers: billed.answers,
        prompt_tokens: billed.usage.prompt_tokens,
        completion_tokens: billed.usage.completion_tokens,
        dollars: (billed.dollars > 0.0).then_some(billed.dollars),
    }
}
