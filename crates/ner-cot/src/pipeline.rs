//! A run: rows in, questions out to the servers, answers into the journal.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chat_client::body::parse_body;
use chat_client::money::{Bound, Ledger};
use chat_client::{Archive, ChatAnswer, ChatClient, Finish, ModelCheck};
use ner_types::Example;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::bill::{Bill, Prices};
use crate::cut_off::{CutOffLimit, CutOffs};
use crate::drive::Drive;
use crate::error::Error;
use crate::failure::{RowEnd, RowFailure};
use crate::journal::{Journal, JournalOptions, Lost, Part, Record};
use crate::observer::{Observer, Progress};
use crate::plan::{PipelineConfig, Plan};
use crate::replay::{SettledRow, Visitor, replay};
use crate::report::Funnel;
use crate::row::{Question, RowWork, Step};
use crate::source::{OpenRow, Selection, SelectionOptions};

/// What a run with all its rows in memory ended with.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The accepted rows in the order of the source: the teacher's reasoning and
    /// entities, with guid, dataset and sentence of the source.
    pub accepted: Vec<Example>,
    /// What became of the rows and answers.
    pub funnel: Funnel,
    /// Whether the run was stopped before all rows were done.
    pub stopped: bool,
    /// HTTP requests that this run sent; 0 if the journal had everything.
    pub requests: u64,
}

/// How a run goes, beside the settings that shape its answers.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// End when so many rows are accepted: exactly so many, the first of the source.
    pub target: Option<usize>,
    /// How the journal is written.
    pub journal: JournalOptions,
    /// The ledger that the clients share, and the prices by which answers of earlier runs are entered.
    pub ledger: Option<(Arc<Ledger>, Prices)>,
    /// Ask each server whether it has the model before the first question is sent to it.
    pub check_models: bool,
    /// Go on in a folder whose answers were asked for with other models, prompts or sampling.
    pub allow_change: bool,
    /// When answers that run out of tokens end the run.
    pub cut_off: CutOffLimit,
    /// Ask once more what a server would not answer in an earlier run, for a reason of the request's own.
    pub retry_failed: bool,
}

/// How the sending part of a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// Where it stood at the end.
    pub progress: Progress,
    /// Why it ended before all rows were done.
    pub stopped: Option<StopCause>,
}

/// Why a run ended early without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// It was asked to.
    Asked,
    /// The budget does not allow another request; the message says which.
    Budget(String),
}

/// Turns sentences and schemas into rows of NER-CoT.
#[derive(Debug)]
pub struct Pipeline {
    teacher: Arc<ChatClient>,
    judge: Arc<ChatClient>,
    plan: Arc<Plan>,
}

/// What all rows of a run share.
pub(crate) struct Shared {
    pub(crate) teacher: Arc<ChatClient>,
    pub(crate) judge: Arc<ChatClient>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) journal: Journal,
    /// Set when no further request may be sent.
    pub(crate) halt: CancellationToken,
    /// Whether the servers have the models, teacher and judge, once it is known.
    checked: [OnceCell<()>; 2],
    check_models: bool,
    retry_failed: bool,
    /// Answers of teacher and judge to earlier runs of this pipeline.
    answered_before: [u64; 2],
    cut_off: CutOffLimit,
    cut_offs: Mutex<CutOffs>,
}

impl Pipeline {
    /// Puts the parts together and checks the settings. Sends nothing.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(
        teacher: ChatClient,
        judge: ChatClient,
        config: PipelineConfig,
    ) -> Result<Self, Error> {
        let plan = Plan::new(teacher.model(), judge.model(), config)?;
        Ok(Self {
            teacher: Arc::new(teacher),
            judge: Arc::new(judge),
            plan: Arc::new(plan),
        })
    }

    /// What shapes and decides, for [`replay`].
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Opens the journal of `dir` and makes the folder this configuration's own; see [`Plan::open_journal`].
    ///
    /// # Errors
    /// If the journal cannot be used or belongs to another configuration.
    pub fn open(&self, dir: &Path, options: &RunOptions) -> Result<Journal, Error> {
        self.plan
            .open_journal(dir, &options.journal, options.allow_change)
    }

    /// Asks about the rows of `selection` until each is accepted or rejected.
    ///
    /// Only sentence and schema of a row are sent; its entities are not used.
    /// Requests that the journal has answers for are not sent again. When `stop` is cancelled, no further request is
    /// sent, and those in flight get the grace period; when the budget is spent or an error ends the run, none is sent
    /// either, and all in flight are awaited, as they are paid for. The result says so. `observer` hears of every row.
    /// The memory needed does not depend on the number of rows, beside the journal's index.
    ///
    /// The dataset is then in the journal; [`replay`] takes it out.
    ///
    /// # Errors
    /// If the journal cannot be written, a server refuses, or the teacher's answers run out of tokens again and again
    /// ([`Error::CutOff`]). What was answered until then is in the journal.
    pub async fn send(
        &self,
        selection: &Selection<'_>,
        journal: Journal,
        options: &RunOptions,
        stop: &CancellationToken,
        observer: &mut (dyn Observer + Send),
    ) -> Result<(Journal, Sent), Error> {
        if let Some((ledger, prices)) = &options.ledger {
            Bill::entered(&journal, prices, Some(ledger))?;
        }
        let shared = Arc::new(Shared {
            teacher: self.teacher.clone(),
            judge: self.judge.clone(),
            plan: self.plan.clone(),
            journal,
            halt: CancellationToken::new(),
            checked: [OnceCell::new(), OnceCell::new()],
            check_models: options.check_models,
            retry_failed: options.retry_failed,
            answered_before: [&self.teacher, &self.judge].map(|client| client.stats().answered),
            cut_off: options.cut_off,
            cut_offs: Mutex::default(),
        });
        let before = self.count();
        let mut drive = Drive::new(&shared, selection, options.target)?;
        let measure = |progress: &mut Progress| {
            let now = self.count();
            progress.requests = now.0 - before.0;
            progress.completion_tokens = now.1 - before.1;
            let ledger = options.ledger.as_ref();
            progress.dollars = ledger.map_or(0.0, |(ledger, _)| ledger.spent().0);
        };
        let sent = drive.run(stop, &measure, observer).await;
        drop(drive);
        // A journal that could not be written gets its last chance here.
        shared.journal.finish()?;
        let sent = sent?;
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok((shared.journal, sent)),
            // All tasks have ended, so nobody else can have a share.
            Err(_) => Err(Error::Internal("a task outlived its run")),
        }
    }

    /// Annotates rows that are in memory, with the journal in `dir`; see [`Pipeline::send`].
    ///
    /// The outcome depends on the servers' answers only, not on their timing.
    ///
    /// # Errors
    /// If nothing in `source` can be annotated, the journal cannot be used, or a
    /// server refuses. What was answered until then is in the journal.
    pub async fn run(
        &self,
        source: &[Example],
        dir: &Path,
        stop: &CancellationToken,
        observer: &mut (dyn Observer + Send),
    ) -> Result<Outcome, Error> {
        let selection = Selection::new(source, SelectionOptions::default())?;
        let options = RunOptions::default();
        let journal = self.open(dir, &options)?;
        let sent = self.send(&selection, journal, &options, stop, observer);
        let sent = sent.await;
        let (journal, sent) = sent?;
        let mut accepted = Collect(Vec::new());
        let funnel = replay(&self.plan, &selection, &journal, None, &mut accepted)?;
        Ok(Outcome {
            accepted: accepted.0,
            stopped: sent.stopped.is_some() && funnel.unfinished > 0,
            funnel,
            requests: sent.progress.requests,
        })
    }

    /// Requests sent and tokens received by both clients, since they were made.
    fn count(&self) -> (u64, u64) {
        let (teacher, judge) = (self.teacher.stats(), self.judge.stats());
        let tokens = teacher.usage.completion_tokens + judge.usage.completion_tokens;
        (teacher.sent + judge.sent, tokens)
    }
}

/// Keeps the accepted rows.
struct Collect(Vec<Example>);

impl Visitor for Collect {
    fn settled(&mut self, row: SettledRow) -> Result<(), Error> {
        self.0.extend(row.accepted);
        Ok(())
    }
}

impl Shared {
    /// Asks until the row is accepted, its attempts are used up, or a server does not answer it.
    pub(crate) async fn annotate(&self, row: &OpenRow) -> Result<RowEnd, Error> {
        let mut work = RowWork::new(&self.plan, &row.asked);
        loop {
            let question = match work.step() {
                Step::Done(result) if result.accepted.is_some() => return Ok(RowEnd::Accepted),
                Step::Done(_) => return Ok(RowEnd::Rejected),
                Step::Ask(question) => question,
            };
            match self.ask(&question).await {
                Ok(Some(answer)) => work.answer(answer),
                Ok(None) => return Ok(RowEnd::Remembered),
                Err(error) => {
                    let failure = RowFailure::of(row, &question, error)?;
                    return Ok(RowEnd::Failed(Box::new(failure)));
                }
            }
        }
    }

    /// An answer from the journal, or else from the server; `None` if the server would not give one before.
    async fn ask(&self, question: &Question) -> Result<Option<ChatAnswer>, Error> {
        if let Some(body) = self.journal.get(&question.key)?
            && let Ok(answer) = parse_body(&body)
        {
            return Ok(Some(answer));
        }
        if !self.retry_failed && self.journal.failed(&question.key).is_some() {
            return Ok(None);
        }
        let client = self.client(question.part);
        let checked = &self.checked[question.part as usize];
        if self.check_models {
            let check = || self.check(client);
            checked.get_or_try_init(check).await?;
        }
        let entry = Entry {
            journal: &self.journal,
            version: self.plan.version(question.part),
            question,
        };
        let answer = client.chat(&question.request, &self.halt, &entry).await?;
        if question.part == Part::Teacher {
            let is_cut = answer.finish == Finish::Length;
            let max_tokens = question.request.sampling.max_tokens;
            let mut cut_offs = self.cut_offs.lock().unwrap_or_else(PoisonError::into_inner);
            cut_offs.add(is_cut, self.cut_off, max_tokens)?;
        }
        Ok(Some(answer))
    }

    /// Answers that teacher and judge have given in this run.
    pub(crate) fn answered(&self) -> [u64; 2] {
        let all = [&self.teacher, &self.judge].map(|client| client.stats().answered);
        [0, 1].map(|part: usize| all[part] - self.answered_before[part])
    }

    fn client(&self, part: Part) -> &ChatClient {
        match part {
            Part::Teacher => &self.teacher,
            Part::Judge => &self.judge,
        }
    }
}

impl Shared {
    /// Refuses a model that the server says it has not.
    async fn check(&self, client: &ChatClient) -> Result<(), Error> {
        match client.check(&self.halt).await? {
            ModelCheck::NotListed { known } => Err(Error::UnknownModel {
                url: client.url().into(),
                model: client.model().into(),
                known: ModelCheck::NotListed { known }.to_string(),
            }),
            ModelCheck::Known | ModelCheck::Unsupported => Ok(()),
        }
    }
}

/// The place of one answer in the journal.
struct Entry<'a> {
    journal: &'a Journal,
    version: &'a str,
    question: &'a Question,
}

impl Archive for Entry<'_> {
    type Error = Error;

    async fn store(&self, body: &str) -> Result<(), Error> {
        let Question {
            key,
            part,
            attempt,
            request,
        } = self.question;
        let record = Record::new(key, *part, &request.model, self.version, *attempt, body);
        self.journal.append(key, &record).await
    }

    async fn sending(&self, bound: &Bound) -> Result<(), Error> {
        let Question { part, request, .. } = self.question;
        self.journal.begin(*part, &request.model, bound).await
    }

    fn ended(&self, bound: &Bound) {
        let Question { part, request, .. } = self.question;
        self.journal.end(*part, &request.model, bound);
    }

    fn lost(&self, bound: &Bound) {
        let Question {
            key,
            part,
            attempt,
            request,
        } = self.question;
        let lost = Lost::new(key, *part, &request.model, *attempt, bound);
        if let Err(error) = self.journal.append_lost(&lost) {
            tracing::warn!(%error, "a request whose cost is unknown is not in the journal");
        }
    }
}
