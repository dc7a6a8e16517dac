//! Statements that agree with an answer, and statements that do not.

use super::*;

fn check(reasoning: &str, entities: &[(&str, &str)]) -> Option<String> {
    let schema = ["person", "city", "band", "music genre", "music"].map(String::from);
    let sentence = "Ann Lee of Brel plays it with The Oslin Four in Oslin.";
    let entities: Vec<_> = entities.iter().map(|(t, l)| Entity::new(*t, *l)).collect();
    contradiction(reasoning, &schema, sentence, &entities)
}

#[test]
fn agreeing_texts_pass() {
    let both = [("Ann Lee", "person"), ("Brel", "city")];
    for reasoning in [
        "\"Ann Lee\" is a person: she plays. \"Brel\" is a city.",
        "Ann Lee -> person\nBrel -> City",
        "**Ann Lee** (person), `Brel`: city",
        "Ann Lee could be a band. She plays, so Ann Lee is labelled as person. Brel is a city",
        "\"Ann Lee\" is a band? No: \"Ann Lee\" is not a band but a person. Brel, the city.",
        "Ann Lee is an amateur. Brel is nice.",
        "\"Oslin\" is a person. No, \"Oslin\" is not a person.",
        "\"Ann Lee\" stands before \"of Brel\", so its type is person. \"Brel\" follows \"of\", so its type is city.",
        "\"Brel\" follows \"plays\", so plays is a city.",
        "\"Ann Lee\" follows \"it\". \"Brel\" is small, so it is a city.",
        "\"Oslin\" follows \"in\", so its type is music hall, which is not asked for.",
        "the singer \"Ann Lee\", so its type is person. hall \"Oslin\" next, so its type is music hall, which is not asked for.",
        "",
    ] {
        assert_eq!(check(reasoning, &both), None, "{reasoning:?}");
    }
}

#[test]
fn a_longer_entity_is_not_mistaken_for_its_part() {
    let entities = [("The Oslin Four", "band"), ("Oslin", "city")];
    assert_eq!(
        check("\"The Oslin Four\" is a band. Oslin is a city.", &entities),
        None
    );
    assert_eq!(
        check(
            "\"Oslin\" is a city, as in \"The Oslin Four\": band.",
            &entities
        ),
        None
    );
}

#[test]
fn a_reference_goes_to_what_is_quoted_not_to_the_first_word() {
    let schema = ["restaurant_name", "location"].map(String::from);
    let sentence = "find an applebees restaurant within 5 miles";
    let check = |reasoning: &str, second: &str| {
        let entities = [
            Entity::new("applebees", "restaurant_name"),
            Entity::new("within 5 miles", second),
        ];
        contradiction(reasoning, &schema, sentence, &entities)
    };
    let reasoning = "find an \"applebees\", so its type is restaurant_name. \
                     applebees restaurant \"within 5 miles\", so its type is location.";
    assert_eq!(check(reasoning, "location"), None);
    assert!(check(reasoning, "restaurant_name").is_some());
}

#[test]
fn questions_conditions_and_second_thoughts_are_no_final_judgement() {
    let both = [("Ann Lee", "person"), ("Brel", "city")];
    for reasoning in [
        "Is \"Brel\" a band? No. \"Brel\" is a city. \"Ann Lee\" is a person.",
        "If \"Brel\" were a band, it would play. It is a city.",
        "\"Brel\" is a band. Wait, no: \"Brel\" is a city.",
        "\"Brel\" might be a band, but people live there, so it is a city.",
        "\"Oslin\" could be a city. I leave it out, since the four are a band of that name.",
        "\"Oslin\" is a city in principle, but here it is only a part of a name.",
        "\"Brel\" is a city council's seat, thus a city.",
        "person: Ann Lee\ncity: Brel\nband: none",
        "**city**\n- Brel\n\n**person**\n- Ann Lee",
        "| Ann Lee | person |\n| Brel | city |",
        "\"Brel\" ist eine Stadt, also city. Ist \"Ann Lee\" eine band? Nein, \"Ann Lee\" ist eine person.",
    ] {
        assert_eq!(check(reasoning, &both), None, "{reasoning:?}");
    }
    for reasoning in [
        "Is \"Brel\" a city? No, \"Brel\" is a band.",
        "\"Brel\" is a city. Wait, no: \"Brel\" is a band.",
        "\"Brel\" might be a city. I label it as band.",
        "\"Brel\" could be a city, but \"Brel\" is not an entity.",
        "person: Ann Lee\nband: Brel",
        "**band**\n- Brel\n\n**person**\n- Ann Lee",
        "| Ann Lee | person |\n| Brel | band |",
        "\"Brel\" steht nach \"of\", also ist der Typ band.",
        "\"Ann Lee\" is a person, \"Brel\" is a city and \"Oslin\" is a city too.",
    ] {
        assert!(check(reasoning, &both).is_some(), "{reasoning:?}");
    }
}

#[test]
fn a_text_that_is_only_passed_by_is_no_entity() {
    let reasoning = "\"Ann Lee\" plays, so its type is person. She plays it with others.";
    let found = check(reasoning, &[("Ann Lee", "person"), ("plays", "music")]).unwrap_or_default();
    assert!(found.contains("no type"), "{found:?}");
}

#[test]
fn contradictions_are_named() {
    for (reasoning, entity, word) in [
        (
            "\"Brel\" is a city.",
            ("Brel", "band"),
            "calls \"Brel\" \"city\"",
        ),
        ("Brel -> city", ("Brel", "person"), "the answer \"person\""),
        (
            "Brel is a band. But Brel is a city.",
            ("Brel", "band"),
            "\"city\"",
        ),
        ("\"Brel\" is not a city.", ("Brel", "city"), "denies"),
        (
            "Brel is a music genre.",
            ("Brel", "music"),
            "\"music genre\"",
        ),
        (
            "\"Ann Lee\" is a person.",
            ("Brel", "city"),
            "leaves it out",
        ),
    ] {
        let found = check(reasoning, &[entity]).unwrap_or_default();
        assert!(found.contains(word), "{reasoning:?}: {found:?}");
    }
}

#[test]
fn two_labels_of_one_text_are_both_accepted() {
    let entities = [("Oslin", "city"), ("Oslin", "band")];
    assert_eq!(check("\"Oslin\" is a city and a band.", &entities), None);
    assert_eq!(check("Oslin is a band. Oslin is a city.", &entities), None);
}
