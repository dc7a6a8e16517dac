//! What is said of a subject: `is a city`, `: city`, `is not a band but a city`.

use super::lexicon::{
    ARTICLES, BE, CONCLUSIONS, CONDITIONS, DISMISSALS, FILLERS, FOLLOWERS, HEDGES, JOINS,
    NEGATIONS, OR, TURNS, has,
};
use super::token::Token;

/// Most tokens between a subject and its type.
const LONGEST: usize = 12;

/// Types that a subject is said to have and not to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Predicate {
    pub(super) positive: Vec<String>,
    pub(super) negative: Vec<String>,
    /// Where the last of them stands.
    pub(super) at: usize,
}

/// Reads from `at`. With `connected`, a type may come at once; otherwise a verb, a colon or the like has to come first.
///
/// What is not understood is no statement.
pub(super) fn predicate(tokens: &[Token], at: usize, connected: bool) -> Option<Predicate> {
    let mut reader = Reader {
        tokens,
        at,
        connected,
        comma: false,
        article: false,
        negated: false,
        adjectives: 0,
        found: Predicate::default(),
    };
    let end = at + LONGEST;
    while reader.at < end && reader.step()? {}
    let found = reader.found;
    let any = !found.positive.is_empty() || !found.negative.is_empty();
    any.then_some(found)
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    connected: bool,
    comma: bool,
    article: bool,
    negated: bool,
    adjectives: usize,
    found: Predicate,
}

impl Reader<'_> {
    /// Goes on by one token; `Some(false)` at the end, `None` if nothing is stated after all.
    fn step(&mut self) -> Option<bool> {
        let Some(token) = self.tokens.get(self.at) else {
            return Some(false);
        };
        let goes_on = match token {
            Token::Mention { .. } => false,
            Token::Label(label) => self.label(label.clone()),
            Token::Mark(mark) => self.mark(*mark),
            Token::Word(word) => return self.word(word),
        };
        self.at += 1;
        Some(goes_on)
    }

    fn label(&mut self, label: String) -> bool {
        let allowed = self.connected || (self.comma && self.article);
        if !allowed || !is_head(self.tokens, self.at) {
            return false;
        }
        let side = if self.negated {
            &mut self.found.negative
        } else {
            &mut self.found.positive
        };
        side.push(label);
        self.found.at = self.at;
        (self.article, self.adjectives) = (false, 0);
        true
    }

    fn mark(&mut self, mark: char) -> bool {
        if self.has_found() {
            return matches!(mark, ',' | '/') && self.leads_to_label(self.at + 1);
        }
        match mark {
            ',' => self.comma = true,
            ')' => return false,
            _ => self.connected = true,
        }
        true
    }

    fn word(&mut self, word: &str) -> Option<bool> {
        if self.has_found() && !self.leads_to_label(self.at) {
            return Some(false);
        }
        if has(OR, word) {
            // "A person or a city" is not decided, and neither is what went before.
            return if self.leads_to_label(self.at + 1) {
                None
            } else {
                Some(false)
            };
        }
        if has(HEDGES, word) || has(CONDITIONS, word) && !has(FILLERS, word) {
            return Some(false);
        }
        if self.comma && !self.has_found() && has(CONCLUSIONS, word) {
            // `…, so city` speaks of the whole sentence.
            return Some(false);
        }
        self.at += 1;
        if has(NEGATIONS, word) {
            (self.negated, self.connected) = (true, true);
        } else if has(TURNS, word) {
            (self.negated, self.connected) = (false, true);
        } else if has(ARTICLES, word) {
            // An article alone joins nothing: `"Brel" the city` may go on in any way.
            self.article = true;
        } else if has(BE, word) || has(FILLERS, word) {
            self.connected |= !has(JOINS, word);
        } else if self.article && self.connected && self.adjectives < 2 && is_adjective(word) {
            self.adjectives += 1;
        } else {
            return Some(false);
        }
        Some(true)
    }

    fn has_found(&self) -> bool {
        !self.found.positive.is_empty() || !self.found.negative.is_empty()
    }

    /// Whether nothing but joining words stands between here and a type.
    fn leads_to_label(&self, at: usize) -> bool {
        let joins = |token: &&Token| match token {
            Token::Word(word) => [
                JOINS,
                NEGATIONS,
                TURNS,
                ARTICLES,
                OR,
                &["also", "as", "auch"],
            ]
            .iter()
            .any(|list| has(list, word)),
            Token::Mark(mark) => matches!(mark, ',' | '/'),
            _ => false,
        };
        let rest = self.tokens.get(at..).unwrap_or_default();
        let joining = rest.iter().take_while(joins).count();
        matches!(rest.get(joining), Some(Token::Label(_))) && is_head(self.tokens, at + joining)
    }
}

/// Whether the type that stands here is what is meant, not the beginning of another noun, as in `city council`.
pub(super) fn is_head(tokens: &[Token], at: usize) -> bool {
    match tokens.get(at + 1) {
        None | Some(Token::Mark(_)) | Some(Token::Label(_)) => true,
        Some(Token::Mention { .. }) => false,
        Some(Token::Word(word)) => {
            let lists = [
                FOLLOWERS, FILLERS, BE, NEGATIONS, TURNS, HEDGES, DISMISSALS, JOINS,
            ];
            !word.is_ascii() || lists.iter().any(|list| has(list, word))
        }
    }
}

fn is_adjective(word: &str) -> bool {
    let lists = [FOLLOWERS, DISMISSALS, JOINS, OR];
    !lists.iter().any(|list| has(list, word)) && word != "…"
}
