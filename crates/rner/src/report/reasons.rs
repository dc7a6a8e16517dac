//! Why an answer was not accepted, in words.

/// The reason of this name as a reader would say it; a name without words is written with spaces.
pub fn reason_words(name: &str) -> String {
    let words = match name {
        "truncated" => "the answer reached the limit of its length",
        "json_complete" => "the answer is not one complete JSON object",
        "no_reasoning" => "there is no reasoning",
        "think_tag" => "the reasoning holds a think tag",
        "labels_in_schema" => "a label was not asked for",
        "entity_in_sentence" => "an entity is not in the sentence",
        "entity_not_verbatim" => "an entity is spelt otherwise than in the sentence",
        "duplicate" => "an entity is given twice",
        "entity_in_reasoning" => "the reasoning does not mention an entity",
        "reasoning_answer_agree" => "the reasoning contradicts the answer",
        "reasoning_length" => "the reasoning is too short or too long",
        "loop" => "the reasoning repeats itself",
        "language" => "the reasoning is in another script",
        "leak" => "the answer speaks of an annotation that was given",
        "judge_score" => "the judge's score is below the threshold",
        "judge_unreadable" => "the judge gave no score that can be read",
        "near_duplicate" => "an earlier row is nearly the same",
        "in_evaluation_data" => "the sentence is in the evaluation data",
        "empty_schema" => "no type is asked for",
        _ => return name.replace('_', " "),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_words() {
        for rule in ner_cot::rules::Rule::ALL {
            assert_ne!(
                reason_words(rule.name()),
                rule.name().replace('_', " "),
                "{}",
                rule.name()
            );
        }
        assert_eq!(reason_words("content_filter"), "content filter");
    }
}
