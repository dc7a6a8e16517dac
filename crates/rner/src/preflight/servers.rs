//! Teacher, judge and rollout servers: whether they are there, have the model, and take the key.

use std::time::Duration;

use chat_client::{ChatClient, Endpoint, Error, KeySource, ModelCheck};
use ner_cot::Journal;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{Finding, Preflight, Severity};
use crate::cot::{endpoints, journal_dir};
use crate::recipe::Recipe;
use crate::stages::rollout_endpoint;

/// How long a server may take to list its models.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server of the recipe.
struct Server {
    about: &'static str,
    endpoint: Endpoint,
    /// The key of the recipe that names its variable, and the variable.
    key: (&'static str, String),
    /// The key of the recipe that names its model.
    model: &'static str,
    /// Whether nothing can be done without it from the start.
    needed: bool,
}

pub(super) fn check(recipe: &Recipe, preflight: &Preflight, teaches: bool) -> Vec<Finding> {
    let mut servers = Vec::new();
    if teaches {
        servers.extend(teachers(recipe, !has_answers(recipe, preflight)));
    }
    servers.extend(rollout(recipe));
    if preflight.offline {
        let note = |server: &Server| {
            let what = format!("{} was not asked (--offline)", server.endpoint.base_url);
            Finding::note(server.about, what)
        };
        let notes: Vec<Finding> = servers.iter().map(note).collect();
        return (servers.iter().filter_map(unasked)).chain(notes).collect();
    }
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(ask_all(servers)),
        Err(error) => vec![Finding::warning(
            "teacher",
            format!("no server was asked: {error}"),
        )],
    }
}

fn teachers(recipe: &Recipe, needed: bool) -> Vec<Server> {
    let cot = &recipe.cot;
    if cot.is_simulated() {
        return Vec::new();
    }
    let [teacher, judge] = endpoints(cot, None);
    let shared = cot.judge_key_env.is_empty() && judge.key != KeySource::None;
    let judge_key = if shared {
        ("cot.key_env", cot.key_env.clone())
    } else {
        ("cot.judge_key_env", cot.judge_key_env.clone())
    };
    let mut servers = vec![Server {
        about: "judge",
        endpoint: judge,
        key: judge_key,
        model: "cot.judge_model",
        needed,
    }];
    if cot.teacher().is_some() {
        let teacher = Server {
            about: "teacher",
            endpoint: teacher,
            key: ("cot.key_env", cot.key_env.clone()),
            model: "cot.teacher_model",
            needed,
        };
        servers.insert(0, teacher);
    }
    servers
}

/// It is asked for only when reinforcement learning begins, hours later.
fn rollout(recipe: &Recipe) -> Option<Server> {
    let rollout = &recipe.grpo.rollout;
    rollout.is_remote().then(|| Server {
        about: "rollout",
        endpoint: rollout_endpoint(rollout),
        key: ("grpo.rollout.key_env", rollout.key_env.clone()),
        model: "grpo.rollout.model",
        needed: false,
    })
}

/// Whether the journal has answers: then perhaps nothing is left to ask.
fn has_answers(recipe: &Recipe, preflight: &Preflight) -> bool {
    let dir = journal_dir(&recipe.cot, &preflight.run, &preflight.run);
    Journal::open_to_read(&dir).is_ok_and(|journal| !journal.is_empty())
}

fn unasked(server: &Server) -> Option<Finding> {
    let (key, variable) = &server.key;
    let unset = server.endpoint.key == KeySource::None && !variable.is_empty();
    unset.then(|| {
        let what = format!(
            "{variable} ({key}) is not set: no key is sent to {}",
            server.endpoint.base_url
        );
        Finding::warning(server.about, what)
            .remedy(format!("export {variable}=… if the server wants one"))
    })
}

/// All at once, so that the slowest decides how long it takes.
async fn ask_all(servers: Vec<Server>) -> Vec<Finding> {
    let asked: Vec<_> = servers
        .into_iter()
        .map(|server| tokio::spawn(ask(server)))
        .collect();
    let mut found = Vec::new();
    for one in asked {
        found.extend(one.await);
    }
    found
}

async fn ask(server: Server) -> Finding {
    let mut endpoint = server.endpoint.clone();
    endpoint.retry.tries = 1;
    endpoint.retry.throttled_tries = 1;
    let timeouts = &mut endpoint.timeouts;
    (timeouts.connect, timeouts.first_byte) = (PATIENCE, PATIENCE);
    (timeouts.idle, timeouts.total) = (PATIENCE, PATIENCE);
    let checked = match ChatClient::new(endpoint) {
        Ok(client) => client.check(&CancellationToken::new()).await,
        Err(error) => Err(error),
    };
    match checked {
        Ok(said) => of_list(&server, &said),
        Err(error) => of_error(&server, error),
    }
}

fn of_list(server: &Server, said: &ModelCheck) -> Finding {
    let (about, url, model) = (
        server.about,
        &server.endpoint.base_url,
        &server.endpoint.model,
    );
    match said {
        ModelCheck::Known => Finding::note(about, format!("{url} has {model}")),
        ModelCheck::Unsupported => Finding::note(about, format!("{url}: {said}")),
        ModelCheck::NotListed { known } => {
            let what = format!("{url} has no model {model:?}: {said}");
            let first = known.first().map_or("NAME", String::as_str);
            let finding = Finding::stops(about, what).usage();
            finding.remedy(format!("--set {}={first:?}", server.model))
        }
    }
}

fn of_error(server: &Server, error: Error) -> Finding {
    let (key, variable) = &server.key;
    let sent = server.endpoint.key != KeySource::None;
    let finding = Finding::stops(server.about, error.to_string());
    match error {
        Error::Refused {
            status: 401 | 403, ..
        } if sent => finding
            .usage()
            .remedy(format!("check the key in {variable} ({key})")),
        Error::Refused {
            status: 401 | 403, ..
        } => {
            let usual = format!("{}_API_KEY", server.about.to_uppercase());
            let variable = if variable.is_empty() {
                &usual
            } else {
                variable
            };
            finding.usage().remedy(format!(
                "it wants a key: export {variable}=… and --set {key}={variable}"
            ))
        }
        Error::Refused { .. } => finding,
        Error::Unreachable { .. } | Error::GaveUp { .. } => {
            let severity = if server.needed {
                Severity::Stops
            } else {
                Severity::Warning
            };
            let remedy = "start the server, or check the address";
            Finding {
                severity,
                ..finding
            }
            .remedy(remedy)
        }
        _ => finding.usage(),
    }
}
