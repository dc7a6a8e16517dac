//! The words by which a reasoning judges, doubts and denies, in the languages that teachers fall into.
//!
//! English first, then German, Spanish, French, Italian, Portuguese, Chinese and Japanese. A word that is missing here
//! costs a contradiction that is not seen; it does not make a right answer a wrong one.

/// Whether a list has a word.
pub(super) fn has(list: &[&str], word: &str) -> bool {
    list.contains(&word)
}

/// Forms of "to be".
pub(super) const BE: &[&str] = &[
    "is", "are", "was", "were", "be", "ist", "sind", "war", "waren", "es", "son", "era", "fue", "est", "sont",
    "était", "è", "sono", "é", "são", "是", "为", "為", "です", "である", "だ",
];

/// Those that may stand before their subject in a statement: `also ist "X" eine stadt`.
pub(super) const INVERTED: &[&str] = &["ist", "sind", "es", "est", "è"];

/// Those that stand at the end.
pub(super) const FINAL_IS: &[&str] = &["です", "である", "だ"];

/// Words that may stand before the subject of a sentence.
pub(super) const OPENERS: &[&str] = &["but", "so", "and", "now", "then", "wait", "hmm", "no", "well", "here"];

/// Articles and numerals that may open what follows "to be".
pub(super) const ARTICLES: &[&str] = &[
    "a", "an", "the", "one", "another", "some", "ein", "eine", "einen", "einem", "der", "die", "das", "un", "una",
    "uno", "une", "um", "uma", "el", "la", "le", "il", "o", "一个", "一種", "一种", "一位", "一座",
];

/// Other words that may stand between an entity, or a reference to it, and its type.
pub(super) const FILLERS: &[&str] = &[
    "as", "of", "to", "type", "types", "entity", "entities", "name", "kind", "sort", "example", "instance",
    "label", "category", "class", "tag", "clearly", "therefore", "thus", "hence", "so", "then", "here", "now",
    "also", "still", "again", "definitely", "certainly", "simply", "just", "indeed", "obviously", "both", "all",
    "labelled", "labeled", "tagged", "classified", "categorised", "categorized", "annotated", "marked", "called",
    "said", "counted", "considered", "treated", "refers", "denotes", "follows", "and", "being", "been",
    "likewise", "too", "vom", "von", "typ", "als", "daher", "somit", "eindeutig", "folglich", "bezeichnet",
    "eingestuft", "tipo", "como", "de", "del", "du", "d", "l", "c", "por", "lo", "tanto", "así", "que",
    "entonces", "comme", "donc", "ainsi", "quindi", "dunque", "perciò", "portanto", "属于", "屬於", "类型", "類型", "種類",
    "所以", "因此", "は", "が", "の", "这里", "也", "就",
];

/// Words that turn the next type into its opposite.
pub(super) const NEGATIONS: &[&str] = &[
    "not", "isn't", "isn’t", "wasn't", "wasn’t", "aren't", "aren’t", "no", "never", "cannot", "neither", "nor",
    "don't", "don’t", "doesn't", "doesn’t", "wouldn't", "wouldn’t", "can't", "can’t", "won't", "won’t", "kein",
    "keine", "keinen", "nicht", "pas", "non", "ni", "não", "nem", "不是", "不", "并非", "ではない", "ではなく",
];

/// Words after which the statements start anew.
pub(super) const TURNS: &[&str] = &[
    "but", "rather", "instead", "sondern", "sino", "mais", "ma", "mas", "而是", "但",
];

/// Words that join two of a kind.
pub(super) const JOINS: &[&str] = &["and", "und", "y", "et", "e", "&", "和", "与", "と"];

/// Words that leave it open.
pub(super) const OR: &[&str] = &["or", "oder", "o", "ou", "either", "或", "还是"];

/// Words by which a clause is no judgement: possibilities, appearances, what somebody thought before.
pub(super) const HEDGES: &[&str] = &[
    "could", "might", "may", "can", "maybe", "perhaps", "possibly", "possible", "would", "should", "whether",
    "unless", "seem", "seems", "seemed", "look", "looks", "looked", "sound", "sounds", "tempting", "mistake",
    "mistaken", "mistook", "confused", "thought", "initially", "suppose", "imagine", "wonder", "usually", "often",
    "sometimes", "otherwise", "principle", "almost", "like", "reading", "könnte", "kann", "würde", "vielleicht",
    "wäre", "möglich", "scheint", "zuerst", "podría", "puede", "quizás", "parece", "sería", "pourrait", "peut",
    "semble", "serait", "potrebbe", "forse", "sembra", "sarebbe", "poderia", "talvez", "seria", "可能", "也许", "看起来",
    "似乎", "像", "かもしれない",
];

/// Words that make a whole sentence a condition.
pub(super) const CONDITIONS: &[&str] = &["if", "wenn", "falls", "si", "se", "如果", "要是", "もし"];

/// Words that stand for what was spoken of.
pub(super) const PRONOUNS: &[&str] = &[
    "it", "this", "that", "he", "she", "they", "these", "both", "which", "who", "er", "sie", "es", "dies", "das",
    "ella", "él", "esto", "elle", "il", "ce", "c", "lei", "lui", "ele", "ela", "它", "她", "他", "这", "それ", "これ",
];

/// Those that open a sentence about what was spoken of.
pub(super) const SUBJECTS: &[&str] = &[
    "it", "this", "he", "she", "they", "these", "both", "the", "er", "sie", "es", "ella", "él", "elle", "lei",
    "lui", "ele", "ela", "它", "她", "他", "这",
];

/// Those that stand for several.
pub(super) const PLURALS: &[&str] = &["they", "these", "both"];

/// Pronouns that are one word with "is".
pub(super) const PRONOUN_IS: &[&str] = &[
    "it's", "it’s", "that's", "that’s", "he's", "he’s", "she's", "she’s",
];

/// Pronouns as objects.
pub(super) const OBJECTS: &[&str] = &[
    "it", "this", "that", "him", "her", "them", "lo", "la", "es", "ihn", "sie",
];

/// Words for "type".
pub(super) const TYPE_WORDS: &[&str] = &[
    "type", "label", "category", "class", "tag", "typ", "kategorie", "tipo", "etiqueta", "étiquette", "类型", "類型",
    "类别", "種類",
];

/// Words that draw a conclusion.
pub(super) const CONCLUSIONS: &[&str] = &[
    "so", "hence", "thus", "therefore", "also", "daher", "deshalb", "entonces", "alors", "somit", "folglich",
    "donc", "quindi", "dunque", "perciò", "portanto", "所以", "因此", "okay", "ok",
];

/// Verbs by which a type is given.
pub(super) const VERBS: &[&str] = &[
    "label", "labeled", "labelled", "labels", "tag", "tagged", "annotate", "annotated", "classify", "classified",
    "categorize", "categorized", "mark", "marked", "marks", "makes", "treat", "treated", "count", "counts", "use",
    "choose", "chose", "pick", "stay", "settle", "call", "calls", "falls", "belongs", "corresponds", "qualifies",
    "refers", "denotes", "stands", "nehme", "wähle", "bleibe", "zählt", "gehört", "etiqueto", "属于", "屬於",
];

/// Words between such a verb and the type.
pub(super) const PARTICLES: &[&str] = &[
    "as", "with", "on", "for", "under", "to", "into", "als", "zu", "como", "comme",
];

/// Words that may follow a type without making it a part of a longer noun, as "council" would "city".
pub(super) const FOLLOWERS: &[&str] = &[
    "in", "of", "at", "by", "on", "from", "for", "with", "near", "under", "over", "into", "inside", "within",
    "after", "before", "between", "without", "via", "because", "since", "or", "that", "which", "who", "whose",
    "whom", "where", "when", "while", "though", "although", "if", "she", "he", "it", "they", "we", "i", "there",
    "only", "rather", "instead", "given", "based", "according", "however", "even", "mentioned", "itself", "due",
    "per", "weil", "denn", "da", "und", "oder", "aber", "sondern", "im", "mit", "nach", "wie", "hier", "sein",
    "porque", "ya", "pues", "y", "en", "con", "parce", "car", "puisque", "et", "dans", "avec", "perché", "poiché",
    "e", "pois", "em", "com", "ici", "qui", "à", "a", "aqui", "aquí",
];

/// What says that something is no entity, word by word.
pub(super) const NO_ENTITY: &[&[&str]] = &[
    &["not", "an", "entity"],
    &["not", "a", "named", "entity"],
    &["not", "an", "entity"],
    &["no", "entity"],
    &["no", "named", "entity"],
    &["not", "entities"],
    &["isn't", "an", "entity"],
    &["isn’t", "an", "entity"],
    &["none", "of", "the"],
    &["none"],
    &["not", "annotated"],
    &["not", "tagged"],
    &["not", "labelled"],
    &["not", "labeled"],
    &["not", "asked"],
    &["not", "in", "the", "schema"],
    &["outside", "the", "schema"],
    &["left", "out"],
    &["leave", "it", "out"],
    &["skipped"],
    &["skip", "it"],
    &["excluded"],
    &["ignored"],
    &["omitted"],
    &["keine", "entität"],
    &["nicht", "annotiert"],
    &["nicht", "gefragt"],
    &["lasse", "es", "weg"],
    &["no", "es", "una", "entidad"],
    &["ninguna", "entidad"],
    &["pas", "une", "entité"],
    &["non", "è", "un'entità"],
    &["non", "è", "un", "entità"],
    &["não", "é", "uma", "entidade"],
    &["不是", "实体"],
    &["不", "是", "实体"],
];

/// Words behind a judgement after which it is no longer sure that a text is an entity.
pub(super) const DISMISSALS: &[&str] = &[
    "not", "no", "none", "isn't", "isn’t", "don't", "don’t", "doesn't", "doesn’t", "shouldn't", "without", "skip",
    "skipped", "exclude", "excluded", "ignore", "ignored", "generic", "however", "leave", "left", "drop", "omit",
    "omitted", "outside", "unnamed", "unless", "although", "though", "nicht", "kein", "keine", "weg", "pas",
    "sin", "não", "non", "不", "不是", "没有",
];

/// Answers to a question.
pub(super) const YES: &[&str] = &["yes", "right", "correct", "ja", "sí", "oui", "sì", "sim", "是的", "对", "はい"];

/// Words that are no entity when they are quoted alone, but the words of the sentence that a step goes by.
pub(super) const FUNCTION_WORDS: &[&str] = &[
    "it", "this", "that", "he", "she", "they", "there", "here", "which", "what", "who", "where", "when", "the",
    "a", "an", "these", "those", "we", "i", "you", "and", "so", "then", "in", "to", "of", "as", "at", "by", "on",
    "for", "from", "with", "near", "but", "or", "not", "if", "after", "before", "because", "since", "her", "his",
    "their", "its", "our", "my", "is", "are", "was", "were", "es", "das", "er", "sie", "der", "die", "nach",
    "von", "bei", "aus", "im", "am", "mit", "und", "el", "la", "le", "il", "ce", "en", "de", "con", "y", "à",
    "du", "et", "un", "une", "una", "ein", "eine", "di", "で", "を", "に", "の", "は", "在", "的", "和",
];

/// Other words that begin a sentence or a line without being what it speaks of.
pub(super) const LEAD_WORDS: &[&str] = &[
    "one", "now", "all", "both", "type", "none", "nothing", "first", "next", "does", "do", "did", "be", "has",
    "have", "could", "should", "would", "might", "may", "yes", "no", "evidence", "reason", "why", "context",
    "result", "note", "entity", "entities", "step", "decision", "label", "let", "only", "also",
];

/// Words before a quotation that is there as evidence only: `it follows "in"`.
pub(super) const EVIDENCE_BEFORE: &[&str] = &[
    "after", "before", "behind", "follows", "follow", "following", "precedes", "beside", "near", "by", "see",
    "because", "say", "says", "with", "nach", "vor", "hinter", "neben", "sigue", "suit", "segue", "après",
    "avant", "dopo", "después", "dit", "dice", "sagt", "wegen",
];

/// Words that call it evidence.
pub(super) const EVIDENCE_NAMED: &[&str] = &[
    "words", "word", "evidence", "context", "cue", "hint", "wort", "wörter",
];

/// Words behind such a quotation: `"in" tells where`.
pub(super) const EVIDENCE_AFTER: &[&str] = &[
    "says", "tells", "hints", "shows", "marks", "decides", "decide", "indicates", "suggests", "points", "dice",
    "dit", "sagt", "zeigt",
];

/// Words for an entity, or for what makes one.
pub(super) const ENTITY_WORDS: &[&str] = &[
    "entity", "named", "name", "proper", "real", "specific", "entität", "entidad",
];
