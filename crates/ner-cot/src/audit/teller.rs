//! Reasoning that leads to a gold annotation, in the manner of several teachers.
//!
//! Templates: `{x}` is the entity, `{l}` its type, `{o}` another type, `{b}` the two words before it and `{a}` those
//! behind it.

use ner_types::Example;

use super::manner::Manner;
use super::seeded::Dice;

/// How one teacher writes.
struct Style {
    /// Before all else.
    opening: &'static [&'static str],
    /// For an entity.
    step: &'static [&'static str],
    /// For a text that is no entity.
    denial: &'static [&'static str],
    /// If there is no entity.
    nothing: &'static str,
    closing: &'static [&'static str],
    /// Between the parts.
    join: &'static str,
    /// Each entity is told in a way of its own, not all in the same.
    varied: bool,
}

const EVIDENCE: &[Style] = &[Style {
    opening: &[""],
    step: &["{b} \"{x}\", so its type is {l}."],
    denial: &["{b} \"{x}\" is not an entity."],
    nothing: "No phrase of the sentence has one of the types asked for.",
    closing: &[""],
    join: " ",
    varied: false,
}];

const TERSE: &[Style] = &[Style {
    opening: &[""],
    step: &[
        "{x} -> {l}",
        "\"{x}\" is a {l}.",
        "{x}: {l}",
        "\"{x}\" = {l};",
        "{l}: {x}",
        "\"{x}\" ({l}),",
        "\"{x}\" follows \"{b}\", so {l}.",
        "{x} is the {l} here.",
    ],
    denial: &["\"{x}\" is not an entity.", "{x}: none", "\"{x}\" -> none"],
    nothing: "There is nothing of the types asked for.",
    closing: &[""],
    join: "\n",
    varied: false,
}];

const SECOND_THOUGHTS: &[Style] = &[Style {
    opening: &[
        "Okay, let me go through the sentence from left to right.",
        "Alright, the prompt says to use only the types of the schema. Let me look at each phrase.",
        "First, I need to understand the task. According to the instructions, every entity has to be copied exactly.",
    ],
    step: &[
        "\"{x}\" could be a {o}. Hmm, but \"{b}\" stands before it. No, \"{x}\" is a {l}.",
        "Is \"{x}\" a {o}? No. It comes after \"{b}\", so its type is {l}.",
        "Next is \"{x}\". If it were a {o}, there would be more about it. So I think it is a {l}.",
        "\"{x}\" looks like a {o} at first. Wait, the words around it say otherwise. I label it as {l}.",
        "\"{x}\" is a {o}. No, wait, that is wrong: \"{x}\" is a {l}.",
        "Then there is \"{x}\". Maybe a {o}? The words \"{a}\" behind it decide. Therefore, {l}.",
        "Should \"{x}\" be a {l} or a {o}? The schema has both. I'd say \"{x}\" is not a {o} but a {l}.",
        "What about \"{x}\"? That's a {l}, clearly.",
        "\"{x}\" might be left out, but the schema asks for {l}, and \"{x}\" is a {l}.",
    ],
    denial: &[
        "Is \"{x}\" a {l}? No, it is only a common word, so \"{x}\" is not an entity.",
        "\"{x}\" could be a {l}. On second thought, \"{x}\" is not an entity of the schema.",
        "What about \"{x}\"? It is not in the schema. I leave it out.",
    ],
    nothing: "Is there any entity? I went through all the words, and no, there is none.",
    closing: &[
        "Let me double-check the instructions: each text is copied exactly. Done.",
        "I don't see anything else.",
        "The rest are common words. Wait, did I miss something? No.",
    ],
    join: " ",
    varied: true,
}];

const MARKDOWN: &[Style] = &[Style {
    opening: &[
        "**Step 1: go through the sentence**\n",
        "Let me list the candidates:\n",
        "",
    ],
    step: &[
        "- **{x}** → {l} (after \"{b}\")",
        "- `{x}`: {l}",
        "* \"{x}\" – **{l}**",
        "1. **{x}** ({l}): see \"{a}\"",
        "- **{l}**: \"{x}\"",
        "- \"{x}\"\n  - evidence: \"{b}\"\n  - type: {l}",
        "| {x} | {l} | after \"{b}\" |",
        "### {x}\nIt stands behind \"{b}\".\nType: **{l}**\n",
    ],
    denial: &[
        "- **{x}** → none",
        "- \"{x}\": not an entity",
        "- `{x}` is not an entity of the schema",
    ],
    nothing: "- no entity of the schema was found",
    closing: &["", "\n**Result:** all phrases are covered."],
    join: "\n",
    varied: false,
}];

const OTHER_LANGUAGE: &[Style] = &[
    Style {
        opening: &["Ich gehe den Satz von links nach rechts durch.", ""],
        step: &[
            "\"{x}\" steht nach \"{b}\", also ist der Typ {l}.",
            "\"{x}\" ist vom Typ {l}.",
            "Ist \"{x}\" vielleicht {o}? Nein, \"{x}\" ist {l}.",
            "\"{x}\" könnte {o} sein, ist aber {l}, also ist \"{x}\" eindeutig {l}.",
        ],
        denial: &["\"{x}\" ist keine Entität."],
        nothing: "Der Satz nennt nichts von den gefragten Typen.",
        closing: &["", "Sonst ist nichts gefragt."],
        join: " ",
        varied: true,
    },
    Style {
        opening: &["Leo la frase de izquierda a derecha.", ""],
        step: &[
            "\"{x}\" sigue a \"{b}\", por lo tanto su tipo es {l}.",
            "\"{x}\" es de tipo {l}.",
            "¿Es \"{x}\" un {o}? No, \"{x}\" es un {l}.",
        ],
        denial: &["\"{x}\" no es una entidad."],
        nothing: "La frase no nombra nada de lo pedido.",
        closing: &[""],
        join: " ",
        varied: true,
    },
    Style {
        opening: &[""],
        step: &[
            "« {x} » suit « {b} », donc son type est {l}.",
            "« {x} » est un {l}.",
            "« {x} » pourrait être un {o}. Non, « {x} » est un {l}.",
        ],
        denial: &["« {x} » n'est pas une entité."],
        nothing: "La phrase ne nomme rien de ce qui est demandé.",
        closing: &[""],
        join: " ",
        varied: true,
    },
    Style {
        opening: &[""],
        step: &[
            "\"{x}\" segue \"{b}\", quindi il tipo è {l}.",
            "\"{x}\" è un {l}, non un {o}.",
        ],
        denial: &["\"{x}\" non è un'entità."],
        nothing: "La frase non nomina nulla di quanto richiesto.",
        closing: &[""],
        join: " ",
        varied: true,
    },
];

/// Tells why the row's entities have their types; `denied` is told not to be one.
pub(super) fn tell(
    manner: Manner,
    row: &Example,
    denied: Option<usize>,
    dice: &mut Dice,
) -> String {
    let styles = match manner {
        Manner::Evidence => EVIDENCE,
        Manner::Terse => TERSE,
        Manner::SecondThoughts => SECOND_THOUGHTS,
        Manner::Markdown => MARKDOWN,
        Manner::OtherLanguage => OTHER_LANGUAGE,
    };
    let style = &styles[dice.below(styles.len())];
    let fixed = dice.below(style.step.len());
    let mut parts = vec![dice.pick(style.opening).unwrap_or_default().to_owned()];
    for at in 0..row.entities.len() {
        let way = if style.varied {
            dice.below(style.step.len())
        } else {
            fixed
        };
        let denial = dice.pick(style.denial).unwrap_or_default();
        let template = if denied == Some(at) {
            denial
        } else {
            style.step[way]
        };
        parts.push(filled(template, row, at, dice));
    }
    if row.entities.is_empty() {
        parts.push(style.nothing.into());
    }
    parts.push(dice.pick(style.closing).unwrap_or_default().into());
    parts.retain(|part| !part.is_empty());
    let told = parts.join(style.join);
    // Less than a line is refused by design, whatever it says.
    if told.chars().count() < SHORTEST {
        return format!("{told}{}Nothing else is asked for.", style.join);
    }
    told
}

/// Characters of the shortest reasoning, those of the rules' own limit and some more.
const SHORTEST: usize = 24;

fn filled(template: &str, row: &Example, at: usize, dice: &mut Dice) -> String {
    let entity = &row.entities[at];
    let start = row.sentence.find(&entity.text).unwrap_or_default();
    let before = words(&row.sentence[..start]);
    let after = words(&row.sentence[start + entity.text.len()..]);
    let others: Vec<&String> = row
        .schema
        .iter()
        .filter(|label| **label != entity.label)
        .collect();
    let other = dice.pick(&others).map_or("thing", |other| other.as_str());
    let before = before[before.len().saturating_sub(2)..].join(" ");
    let after = after[..after.len().min(2)].join(" ");
    let or = |words: String, edge: &str| if words.is_empty() { edge.into() } else { words };
    template
        .replace("{b}", &or(before, "the beginning"))
        .replace("{a}", &or(after, "the end"))
        .replace("{o}", other)
        .replace("{l}", &entity.label)
        .replace("{x}", &entity.text)
}

fn words(text: &str) -> Vec<&str> {
    let bare = |word: &'_ str| -> usize { word.chars().filter(|c| c.is_alphanumeric()).count() };
    let words = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| bare(word) > 0).collect()
}
