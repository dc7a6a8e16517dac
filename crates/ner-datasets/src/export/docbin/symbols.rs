//! The names that spaCy has numbers for, in their order: `spacy.symbols`, the same since version 3.0. A word of a text
//! that is such a name has that number and not its hash.

/// Names before those of the flags, from 1.
const FIRST: &str = "IS_ALPHA IS_ASCII IS_DIGIT IS_LOWER IS_PUNCT IS_SPACE IS_TITLE IS_UPPER LIKE_URL LIKE_NUM \
    LIKE_EMAIL IS_STOP IS_OOV_DEPRECATED IS_BRACKET IS_QUOTE IS_LEFT_PUNCT IS_RIGHT_PUNCT IS_CURRENCY";
/// Names between the flags and those that are no longer used.
const MIDDLE: &str = "ID ORTH LOWER NORM SHAPE PREFIX SUFFIX LENGTH CLUSTER LEMMA POS TAG DEP ENT_IOB ENT_TYPE HEAD \
    SENT_START SPACY PROB LANG ADJ ADP ADV AUX CONJ CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X EOL \
    SPACE";
const LAST: &str = "PERSON NORP FACILITY ORG GPE LOC PRODUCT EVENT WORK_OF_ART LANGUAGE LAW DATE TIME PERCENT MONEY \
    QUANTITY ORDINAL CARDINAL acomp advcl advmod agent amod appos attr aux auxpass cc ccomp complm conj cop csubj \
    csubjpass dep det dobj expl hmod hyph infmod intj iobj mark meta neg nmod nn npadvmod nsubj nsubjpass num number \
    oprd obj obl parataxis partmod pcomp pobj poss possessive preconj prep prt punct quantmod relcl rcmod root xcomp \
    acl ENT_KB_ID MORPH ENT_ID IDX _";

/// The number of a name.
pub(super) fn symbol(name: &str) -> Option<u64> {
    let among = |names: &str, first: u64| {
        let position = names.split(' ').position(|known| known == name)?;
        Some(first + position as u64)
    };
    // FLAG19 to FLAG63 are 19 to 63, DEPRECATED001 to DEPRECATED276 are 104 to 379.
    let flag = || numbered(name, "FLAG", 2).filter(|n| (19..=63).contains(n));
    let unused = || numbered(name, "DEPRECATED", 3).filter(|n| (1..=276).contains(n));
    among(FIRST, 1)
        .or_else(flag)
        .or_else(|| among(MIDDLE, 64))
        .or_else(|| unused().map(|n| n + 103))
        .or_else(|| among(LAST, 380))
}

/// The number behind a word, of so many digits.
fn numbered(name: &str, word: &str, digits: usize) -> Option<u64> {
    let number = name.strip_prefix(word)?;
    let is_number = number.len() == digits && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.parse().ok())?
}
