//! A row as a part of the page: the text with its marks, what is wrong, and folded the reasoning and a table.

use super::escape::escaped;
use super::marks::{Mark, marked};
use super::summary::Types;
use crate::export::mention::ExportMention;
use crate::export::row::ExportRow;

/// The article of a row. `number` is unique on the page.
pub(super) fn article(number: usize, row: &ExportRow, types: &Types) -> String {
    let wrong = wrong(row);
    let faulty = if wrong.is_empty() { "" } else { " faulty" };
    let found = if row.mentions.is_empty() {
        ""
    } else {
        " found"
    };
    let mut html = format!("<article id=\"t{number}\" class=\"row{faulty}{found}\">\n");
    html += &heading(number, row);
    if row.error.is_none() {
        let marks = marks(row, types);
        html += &format!(
            "<p class=\"text\" dir=\"auto\">{}</p>\n",
            marked(&row.sentence, &marks)
        );
    }
    html += &absent(row, types);
    html += &list(&wrong);
    if let Some(reasoning) = row
        .reasoning
        .as_deref()
        .filter(|text| !text.trim().is_empty())
    {
        let reasoning = escaped(reasoning.trim());
        html += "<details><summary>Reasoning</summary>";
        html += &format!("<blockquote dir=\"auto\">{reasoning}</blockquote></details>\n");
    }
    html += &table(row, types);
    html + "</article>\n"
}

/// Whether something is wrong with a row.
pub(super) fn is_faulty(row: &ExportRow) -> bool {
    !wrong(row).is_empty()
}

fn heading(number: usize, row: &ExportRow) -> String {
    let place = match &row.file {
        Some(file) => format!("{file}, line {}", row.line),
        None => format!("line {}", row.line),
    };
    let id = row.id.as_deref().map(escaped);
    let id = id.map_or(String::new(), |id| format!(" <small>{id}</small>"));
    format!(
        "<h3><a href=\"#t{number}\">{}</a>{id}</h3>\n",
        escaped(&place)
    )
}

fn marks(row: &ExportRow, types: &Types) -> Vec<Mark> {
    let placed = row.placed();
    let marks = placed.map(|(mention, span)| Mark {
        span: span.bytes(),
        colour: types.colour(&mention.label),
        label: labelled(mention),
    });
    marks.collect()
}

/// The label, and the confidence if there is one.
fn labelled(mention: &ExportMention) -> String {
    match mention.confidence {
        Some(confidence) => format!("{} {confidence:.2}", mention.label),
        None => mention.label.clone(),
    }
}

/// The entities that stand nowhere.
fn absent(row: &ExportRow, types: &Types) -> String {
    let absent = row.mentions.iter().filter(|mention| mention.span.is_none());
    let marks: Vec<String> = absent.map(|mention| alone(mention, types)).collect();
    if marks.is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"soft\">Not in the text: {}</p>\n",
        marks.join(" ")
    )
}

fn alone(mention: &ExportMention, types: &Types) -> String {
    let (text, label) = (escaped(&mention.text), escaped(&labelled(mention)));
    let colour = types.colour(&mention.label);
    format!("<mark class=\"c{colour}\">{text}<small>{label}</small></mark>")
}

/// What is wrong, in words.
fn wrong(row: &ExportRow) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(row.error.iter().map(|error| format!("No answer: {error}")));
    if row.is_cut_off {
        wrong.push("The answer was cut off because it had become too long.".into());
    }
    let problems = row
        .problems
        .iter()
        .map(|problem| match problem.message.as_str() {
            "" => problem.kind.clone(),
            message => message.to_owned(),
        });
    wrong.extend(problems);
    wrong
}

fn list(wrong: &[String]) -> String {
    if wrong.is_empty() {
        return String::new();
    }
    let items = wrong
        .iter()
        .map(|fault| format!("<li>{}</li>", escaped(fault)));
    format!("<ul class=\"callout\">{}</ul>\n", items.collect::<String>())
}

fn table(row: &ExportRow, types: &Types) -> String {
    let n = row.mentions.len();
    if n == 0 {
        return String::new();
    }
    let shown = Shown {
        confidence: row
            .mentions
            .iter()
            .any(|mention| mention.confidence.is_some()),
        evidence: row
            .mentions
            .iter()
            .any(|mention| mention.evidence.is_some()),
    };
    let rows: String = row
        .mentions
        .iter()
        .map(|mention| shown.line(mention, types))
        .collect();
    let plural = if n == 1 { "y" } else { "ies" };
    format!(
        "<details><summary>{n} entit{plural}</summary><div class=\"scroll\" tabindex=\"0\"><table>\n<thead>{}</thead>\n\
         <tbody>\n{rows}</tbody></table></div></details>\n",
        shown.head()
    )
}

/// The columns of a table that not every row has.
struct Shown {
    confidence: bool,
    evidence: bool,
}

impl Shown {
    fn head(&self) -> String {
        let mut head = String::from(
            "<tr><th scope=\"col\">text</th><th scope=\"col\" class=\"words\">type</th><th scope=\"col\">characters</th>\
             <th scope=\"col\" class=\"words\">found</th>",
        );
        if self.confidence {
            head += "<th scope=\"col\">confidence</th>";
        }
        if self.evidence {
            head += "<th scope=\"col\" class=\"words\">reason</th>";
        }
        head + "</tr>"
    }

    fn line(&self, mention: &ExportMention, types: &Types) -> String {
        let place = mention.span.map_or("–".into(), |span| {
            format!("{}–{}", span.char_start, span.char_end)
        });
        let (text, label) = (escaped(&mention.text), escaped(&mention.label));
        let (colour, found) = (types.colour(&mention.label), escaped(&grounding(mention)));
        let mut line = format!(
            "<tr><th scope=\"row\" dir=\"auto\">{text}</th><td class=\"words\"><mark class=\"c{colour}\">{label}</mark></td>\
             <td>{place}</td><td class=\"words\">{found}</td>"
        );
        if self.confidence {
            let confidence = mention.confidence.map_or("–".into(), |c| format!("{c:.2}"));
            line += &format!("<td>{confidence}</td>");
        }
        if self.evidence {
            let evidence = mention.evidence.as_deref().unwrap_or("–");
            line += &format!(
                "<td class=\"words\" dir=\"auto\">{}</td>",
                escaped(evidence)
            );
        }
        line + "</tr>\n"
    }
}

/// How it was found, and how the answer spells it.
fn grounding(mention: &ExportMention) -> String {
    let mut said = mention.grounding.clone();
    if let Some(edits) = mention.edits {
        said += &format!(", {edits} edits");
    }
    if let Some(answer) = &mention.answer {
        said += &format!("; the answer has “{answer}”");
    }
    said
}
