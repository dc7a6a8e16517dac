//! A label of a schema with the names of its parts.

/// A label with its parts, as a schema writes them: `works for(person, organisation)`, `hire(employer, person)`.
///
/// Of a relation the parts are the types of head and tail; they help the model and may be left out. Of an event they
/// are its roles, and there are no others. What has no such form is a label without parts.
///
/// ```
/// let signature = ner_types::Signature::parse("Hire (employer, person)");
/// assert_eq!(signature.label, "Hire");
/// assert_eq!(signature.parts, ["employer", "person"]);
/// assert!(ner_types::Signature::parse("works for").parts.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The label, which answers use.
    pub label: &'a str,
    /// Types of the arguments, or roles.
    pub parts: Vec<&'a str>,
}

impl<'a> Signature<'a> {
    /// Reads an entry of a schema.
    pub fn parse(entry: &'a str) -> Self {
        let whole = Signature {
            label: entry.trim(),
            parts: Vec::new(),
        };
        let Some((label, parts)) = whole
            .label
            .strip_suffix(')')
            .and_then(|text| text.split_once('('))
        else {
            return whole;
        };
        if label.trim().is_empty() {
            return whole;
        }
        let parts = parts.split(',').map(str::trim);
        Signature {
            label: label.trim(),
            parts: parts.filter(|part| !part.is_empty()).collect(),
        }
    }

    /// The types of head and tail, if the entry gives both.
    pub fn argument_types(&self) -> Option<[&'a str; 2]> {
        self.parts.as_slice().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_signature_is_a_label() {
        for (entry, label, parts) in [
            ("a(b,c)", "a", &["b", "c"][..]),
            (" a ( b , ) ", "a", &["b"]),
            ("a()", "a", &[]),
            ("a", "a", &[]),
            ("(a)", "(a)", &[]),
            ("a) b(", "a) b(", &[]),
            ("a(b", "a(b", &[]),
            ("", "", &[]),
        ] {
            let read = Signature::parse(entry);
            assert_eq!(
                (read.label, read.parts.as_slice()),
                (label, parts),
                "{entry:?}"
            );
        }
    }

    #[test]
    fn two_parts_are_the_types_of_the_arguments() {
        let types = |entry: &'static str| Signature::parse(entry).argument_types();
        assert_eq!(types("a(b, c)"), Some(["b", "c"]));
        assert_eq!(types("a(b)"), None);
        assert_eq!(types("a"), None);
    }
}
