//! Exactly so many rows, parts of a source, and what a changed setting costs.

use std::collections::HashSet;

use chat_client::ChatClient;
use ner_cot::journal::merge;
use ner_cot::replay::replay;
use ner_cot::rules::{Rule, Rules};
use ner_cot::source::Shard;
use ner_cot::{
    CancellationToken, Error, Pipeline, PipelineConfig, RunOptions, Selection, SelectionOptions,
};

use crate::server::{Act, FaultServer, Seen};
use crate::{endpoint, good, pipeline, source, temp};

/// Refuses rows whose day can be divided by three, at every attempt.
fn picky(seen: &Seen) -> Act {
    let day = seen.prompt().split("on day ").nth(1);
    let day: Option<usize> = day.and_then(|rest| rest.split('.').next()?.parse().ok());
    match day {
        Some(day) if day % 3 == 0 && !seen.is_judge() => Act::answer("", "{\"entities\": {}}"),
        _ => good(seen),
    }
}

#[tokio::test]
async fn a_target_is_met_exactly_with_the_first_rows() {
    let server = FaultServer::start(picky);
    let (rows, dir) = (source(100), temp());
    let pipeline = pipeline(&server.url);
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default()).expect("rows");
    let options = RunOptions {
        target: Some(10),
        ..RunOptions::default()
    };
    let sent = pipeline
        .send(
            &selection,
            pipeline.open(dir.path(), &options).expect("opens"),
            &options,
            &CancellationToken::new(),
            &mut (),
        )
        .await;
    let (journal, sent) = sent.expect("runs");
    assert_eq!(sent.progress.accepted, 10);
    let asked: HashSet<String> = server.seen().iter().map(|s| s.prompt().into()).collect();
    let beyond = asked.iter().filter(|p| p.contains("on day 15."));
    assert_eq!(beyond.count(), 0, "nothing is asked that is not needed");
    let funnel = replay(pipeline.plan(), &selection, &journal, Some(10), &mut ());
    let funnel = funnel.expect("replays");
    // Days 0 to 14 have ten that cannot be divided by three.
    assert_eq!((funnel.rows, funnel.accepted, funnel.rejected), (15, 10, 5));
    assert_eq!(funnel.unfinished, 0);
}

#[tokio::test]
async fn shards_are_apart_and_merge_into_the_whole() {
    let server = FaultServer::start(good);
    let (rows, dirs) = (source(30), [temp(), temp(), temp()]);
    let mut sent = 0;
    for number in 1..=2 {
        let options = SelectionOptions {
            shard: Some(Shard { number, of: 2 }),
            ..SelectionOptions::default()
        };
        let selection = Selection::new(rows.as_slice(), options).expect("rows");
        assert!((5..25).contains(&selection.open()), "{}", selection.open());
        let (dir, options) = (&dirs[number as usize], RunOptions::default());
        let pipeline = pipeline(&server.url);
        let part = pipeline
            .send(
                &selection,
                pipeline.open(dir.path(), &options).expect("opens"),
                &options,
                &CancellationToken::new(),
                &mut (),
            )
            .await;
        sent += part.expect("runs").1.progress.requests;
    }
    assert_eq!(sent, 60, "no row is in two parts");
    let from = [dirs[1].path().to_owned(), dirs[2].path().to_owned()];
    let merged = merge(&from, dirs[0].path()).expect("merges");
    assert_eq!((merged.added, merged.known), (60, 0));
    let whole = crate::run(&server.url, &rows, dirs[0].path()).await;
    let whole = whole.expect("reruns");
    assert_eq!((whole.accepted.len(), whole.requests), (30, 0));
    assert!("0/2".parse::<Shard>().is_err() && "3/2".parse::<Shard>().is_err());
}

#[tokio::test]
async fn other_questions_in_an_old_folder_are_refused_before_they_cost() {
    let server = FaultServer::start(good);
    let (rows, dir) = (source(2), temp());
    crate::run(&server.url, &rows, dir.path())
        .await
        .expect("runs");
    let client = |model| ChatClient::new(endpoint(&server.url, model)).expect("a client");
    let config = PipelineConfig {
        threshold: 10.0,
        attempts: 1,
        rules: Rules::default().without(Rule::Duplicate),
        ..PipelineConfig::default()
    };
    let stricter = Pipeline::new(client("teacher"), client("judge"), config).expect("valid");
    let outcome = stricter
        .run(&rows, dir.path(), &CancellationToken::new(), &mut ())
        .await
        .expect("other rules are no other questions");
    assert_eq!((outcome.requests, outcome.funnel.accepted), (0, 0));

    let other = Pipeline::new(
        client("teacher-2"),
        client("judge"),
        PipelineConfig::default(),
    );
    let other = other.expect("valid");
    let refused = other
        .run(&rows, dir.path(), &CancellationToken::new(), &mut ())
        .await
        .expect_err("another teacher");
    assert!(
        matches!(refused, Error::OtherConfiguration { answers: 4, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("\"teacher-2\""), "{refused}");
    assert_eq!(server.seen().len(), 4);
    let selection = Selection::new(rows.as_slice(), SelectionOptions::default()).expect("rows");
    let options = RunOptions {
        allow_change: true,
        ..RunOptions::default()
    };
    let sent = other
        .send(
            &selection,
            other.open(dir.path(), &options).expect("allowed"),
            &options,
            &CancellationToken::new(),
            &mut (),
        )
        .await;
    assert_eq!(sent.expect("allowed").1.progress.accepted, 2);
}
