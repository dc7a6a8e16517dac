//! How much may be in flight: what a killed process leaves behind, though it can write nothing any more.
//!
//! Before a request is sent that would be more than the journal says may be in flight, the journal says more, with
//! something to spare, so that a line is seldom needed. When less is in flight it says less, at most once a second; at
//! the end of a run, nothing. The last word of a process that was killed remains, and counts as requests whose cost is
//! unknown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, UNIX_EPOCH};

use chat_client::money::Bound;
use serde::{Deserialize, Serialize};

use super::record::{Part, checksum};

/// Least time between two lines that only say less than before.
const LESS: Duration = Duration::from_secs(1);

/// What may be in flight, in sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Requests.
    pub requests: u64,
    /// Those of them that set no limit to their answer.
    pub without_limit: u64,
    /// Most tokens of their prompts.
    pub prompt_tokens: u64,
    /// Most tokens of their answers, where there is a limit.
    pub completion_tokens: u64,
}

impl Amount {
    fn of(bound: &Bound) -> Self {
        Self {
            requests: 1,
            without_limit: u64::from(bound.completion_tokens.is_none()),
            prompt_tokens: bound.prompt_tokens,
            completion_tokens: bound.completion_tokens.unwrap_or(0),
        }
    }

    fn map(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            requests: f(self.requests, other.requests),
            without_limit: f(self.without_limit, other.without_limit),
            prompt_tokens: f(self.prompt_tokens, other.prompt_tokens),
            completion_tokens: f(self.completion_tokens, other.completion_tokens),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        self.map(*other, |a, b| u64::from(a >= b)) == self.map(*self, |_, _| 1)
    }

    /// An eighth more than this, so that the next requests need no line of their own.
    fn with_room(self) -> Self {
        self.map(self, |a, _| a.saturating_add(a / 8))
    }

    /// The most that all of them together can be billed for.
    pub fn bound(&self) -> Bound {
        Bound {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: Some(self.completion_tokens),
        }
    }
}

/// A line about what may be in flight from here on, for one part and model. It takes the place of earlier ones of the
/// same process.
///
/// Programs that do not know this kind of line pass it over as damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InFlight<'a> {
    /// Tells the processes apart that wrote to a journal one after the other.
    #[serde(borrow, rename = "in_flight")]
    pub run: Cow<'a, str>,
    /// What the requests are for.
    pub part: Part,
    /// The model that is asked.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// How much.
    pub most: Amount,
    /// First 16 hexadecimal digits of the hash of the rest.
    #[serde(borrow)]
    pub check: Cow<'a, str>,
}

impl<'a> InFlight<'a> {
    fn new(run: &'a str, part: Part, model: &'a str, most: Amount) -> Self {
        let mut line = Self {
            run: run.into(),
            part,
            model: model.into(),
            most,
            check: "".into(),
        };
        line.check = line.checksum().into();
        line
    }

    /// The line, with its line feed.
    pub(super) fn line(&self) -> Vec<u8> {
        // Strings and numbers can always be written into memory.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line; `None` if it is damaged or of another kind.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(line).ok()?;
        (read.check == read.checksum()).then_some(read)
    }

    fn checksum(&self) -> String {
        let rest = (self.part, &self.model, self.most);
        checksum(&self.run, &format!("{rest:?}"))
    }
}

/// Whose line it is: the process, the part, the model.
type Owner = (String, Part, String);

/// The last words about what is in flight, of every process that wrote to a journal.
#[derive(Clone, Debug, Default)]
pub struct LastWords(BTreeMap<Owner, Amount>);

impl LastWords {
    /// Hears of a line; later ones take the place of earlier ones.
    pub fn hear(&mut self, line: &InFlight<'_>) {
        let owner = (line.run.to_string(), line.part, line.model.to_string());
        self.0.insert(owner, line.most);
    }

    /// What was in flight when each process had its last word, by part and model.
    pub fn iter(&self) -> impl Iterator<Item = (Part, &str, Amount)> {
        let some = self
            .0
            .iter()
            .filter(|(_, most)| **most != Amount::default());
        some.map(|((_, part, model), most)| (*part, model.as_str(), *most))
    }

    /// The lines that say the same; none about processes that ended with nothing in flight.
    pub(super) fn lines(&self) -> impl Iterator<Item = Vec<u8>> {
        let some = self
            .0
            .iter()
            .filter(|(_, most)| **most != Amount::default());
        some.map(|(owner, most)| line_of(owner, *most))
    }

    /// Takes over what others say, and gives a line to `append` for everything that is new.
    pub(super) fn update<E>(
        &mut self,
        others: &Self,
        append: impl Fn(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (owner, most) in &others.0 {
            let known = self.0.get(owner).copied().unwrap_or_default();
            if known != *most {
                append(line_of(owner, *most))?;
                self.0.insert(owner.clone(), *most);
            }
        }
        Ok(())
    }
}

fn line_of((run, part, model): &Owner, most: Amount) -> Vec<u8> {
    InFlight::new(run, *part, model, most).line()
}

/// What is in flight, and what the journal says of it.
#[derive(Debug)]
pub(super) struct Book {
    run: String,
    entries: BTreeMap<(Part, String), Entry>,
}

#[derive(Debug)]
struct Entry {
    now: Amount,
    /// What the journal says, or will say once the lines that it was given are written.
    said: Amount,
    since: Instant,
    /// Number of the last line that said more than the one before.
    raised: u64,
    /// Number of the last line of which is known that it is written.
    written: u64,
}

/// What must happen before a request is sent.
#[derive(Debug)]
pub(super) struct Before {
    /// What to append; nothing if a line that was appended before only has to be waited for.
    pub(super) line: Vec<u8>,
    /// What to tell [`Book::written`] then.
    pub(super) number: u64,
}

impl Book {
    /// The book of a process that begins.
    pub(super) fn new() -> Self {
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        Self {
            run: format!("{now:x}-{:x}", std::process::id()),
            entries: BTreeMap::new(),
        }
    }

    /// A request will be sent. Says what must be in the journal before, if something must.
    pub(super) fn begin(&mut self, part: Part, model: &str, bound: &Bound) -> Option<Before> {
        let entries = &mut self.entries;
        let entry = entries.entry((part, model.to_owned()));
        let entry = entry.or_insert_with(Entry::new);
        entry.now = entry.now.map(Amount::of(bound), u64::saturating_add);
        if !entry.said.covers(&entry.now) {
            entry.raised += 1;
            let line = entry.say(&self.run, part, model, entry.now.with_room());
            let number = entry.raised;
            return Some(Before { line, number });
        }
        (entry.written < entry.raised).then(|| Before {
            line: Vec::new(),
            number: entry.raised,
        })
    }

    /// What [`Book::begin`] asked for is done.
    pub(super) fn written(&mut self, part: Part, model: &str, number: u64) {
        if let Some(entry) = self.entries.get_mut(&(part, model.to_owned())) {
            entry.written = entry.written.max(number);
        }
    }

    /// A request has ended. Gives a line if it is time to say that less is in flight.
    pub(super) fn end(&mut self, part: Part, model: &str, bound: &Bound) -> Option<Vec<u8>> {
        let entry = self.entries.get_mut(&(part, model.to_owned()))?;
        entry.now = entry.now.map(Amount::of(bound), u64::saturating_sub);
        let is_less = entry.now.with_room().requests < entry.said.requests.div_ceil(2);
        let is_due = is_less && entry.since.elapsed() >= LESS;
        is_due.then(|| entry.say(&self.run, part, model, entry.now.with_room()))
    }

    /// The lines that say what is left, where the journal says more.
    pub(super) fn settle(&mut self) -> Vec<Vec<u8>> {
        let run = &self.run;
        let more = self.entries.iter_mut().filter(|(_, e)| e.said != e.now);
        let line = |((part, model), entry): (&(Part, String), &mut Entry)| {
            entry.say(run, *part, model, entry.now)
        };
        more.map(line).collect()
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            now: Amount::default(),
            said: Amount::default(),
            since: Instant::now(),
            raised: 0,
            written: 0,
        }
    }

    fn say(&mut self, run: &str, part: Part, model: &str, most: Amount) -> Vec<u8> {
        self.said = most;
        self.since = Instant::now();
        InFlight::new(run, part, model, most).line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(completion_tokens: Option<u64>) -> Bound {
        Bound {
            prompt_tokens: 100,
            completion_tokens,
        }
    }

    fn said(line: &[u8]) -> Amount {
        InFlight::read(line).expect("sound").most
    }

    #[test]
    fn what_is_in_flight_is_never_more_than_what_is_said() {
        let mut book = Book::new();
        let (mut lines, mut most) = (0, Amount::default());
        for _ in 0..256 {
            if let Some(before) = book.begin(Part::Teacher, "m", &bound(Some(40))) {
                (lines, most) = (lines + 1, said(&before.line));
                book.written(Part::Teacher, "m", before.number);
            }
            let now = book.entries[&(Part::Teacher, "m".to_owned())].now;
            assert!(most.covers(&now), "{most:?} {now:?}");
        }
        assert!(most.requests <= 288, "{most:?}");
        assert!(lines < 40, "{lines} lines for 256 requests");
        // Others that come and go need none.
        for _ in 0..1000 {
            assert!(book.end(Part::Teacher, "m", &bound(Some(40))).is_none());
            let before = book.begin(Part::Teacher, "m", &bound(Some(40)));
            assert!(before.is_none());
        }
    }

    #[test]
    fn a_request_waits_for_the_line_that_covers_it() {
        let mut book = Book::new();
        let begin = |book: &mut Book| book.begin(Part::Teacher, "m", &bound(Some(40)));
        // Of nine requests the last one fits into the room of the line of the eighth.
        let nine: Vec<Before> = (0..9).filter_map(|_| begin(&mut book)).collect();
        assert_eq!(nine.len(), 9, "nothing is written yet");
        assert!(nine[..8].iter().all(|before| !before.line.is_empty()));
        assert!(nine[8].line.is_empty());
        assert_eq!(nine[8].number, nine[7].number);
        let again = |book: &mut Book| {
            book.end(Part::Teacher, "m", &bound(Some(40)));
            begin(book)
        };
        book.written(Part::Teacher, "m", nine[6].number);
        assert!(again(&mut book).is_some(), "an earlier line was written");
        book.written(Part::Teacher, "m", nine[7].number);
        assert!(again(&mut book).is_none());
    }

    #[test]
    fn less_is_said_in_time_and_nothing_at_the_end() {
        let mut book = Book::new();
        for _ in 0..4 {
            book.begin(Part::Judge, "m", &bound(None));
        }
        book.begin(Part::Teacher, "m", &bound(Some(1)));
        for entry in book.entries.values_mut() {
            entry.since = Instant::now()
                .checked_sub(LESS)
                .expect("long after the start");
        }
        assert!(book.end(Part::Judge, "m", &bound(None)).is_none(), "three");
        assert!(book.end(Part::Judge, "m", &bound(None)).is_none(), "two");
        let line = book
            .end(Part::Judge, "m", &bound(None))
            .expect("one of four");
        let expected = Amount {
            requests: 1,
            without_limit: 1,
            prompt_tokens: 112,
            completion_tokens: 0,
        };
        assert_eq!(said(&line), expected);
        book.end(Part::Judge, "m", &bound(None));
        book.end(Part::Teacher, "m", &bound(Some(1)));
        let lines = book.settle();
        assert_eq!(lines.len(), 1, "it was time to say the other one at once");
        assert!(lines.iter().all(|line| said(line) == Amount::default()));
        assert!(book.settle().is_empty());
        let mut words = LastWords::default();
        words.hear(&InFlight::read(&line).expect("sound"));
        assert_eq!(words.iter().count(), 1);
        for line in &lines {
            words.hear(&InFlight::read(line).expect("sound"));
        }
        assert_eq!(words.iter().count(), 0);
    }
}
