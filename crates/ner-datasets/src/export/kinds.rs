//! The forms of output by their names.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::dataset::Dataset;
use super::form::{Form, LeftOut};
use super::html::{Html, HtmlOptions};
use super::label_studio::LabelStudio;
use super::prodigy::Prodigy;
use super::{csv, rows};
use crate::format::Format;
use crate::writer::is_lines;

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExportFormat {
    /// The rows as `rner extract` writes them.
    Jsonl,
    /// A line for each mention.
    Csv,
    /// A row for each text, its mentions as a list of structs. Needs the feature `parquet`.
    Parquet,
    /// A page for people.
    Html,
    /// spaCy's binary format of training data. Needs the feature `docbin`.
    DocBin,
    /// A folder with a text and an annotation for each row.
    Brat,
    /// Tasks of Label Studio with predictions, and the labels beside.
    LabelStudio,
    /// Rows of doccano with labels to correct.
    Doccano,
    /// Rows of Prodigy with spans to correct.
    Prodigy,
    /// Words and mentions as GLiNER is trained on.
    Gliner,
    /// A word and its BIO tag on each line.
    Conll,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [ExportFormat; 11] = [
        ExportFormat::Jsonl,
        ExportFormat::Csv,
        ExportFormat::Parquet,
        ExportFormat::Html,
        ExportFormat::DocBin,
        ExportFormat::Brat,
        ExportFormat::LabelStudio,
        ExportFormat::Doccano,
        ExportFormat::Prodigy,
        ExportFormat::Gliner,
        ExportFormat::Conll,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Csv => "csv",
            ExportFormat::Parquet => "parquet",
            ExportFormat::Html => "html",
            ExportFormat::DocBin => "docbin",
            ExportFormat::Brat => "brat",
            ExportFormat::LabelStudio => "label-studio",
            ExportFormat::Doccano => "doccano",
            ExportFormat::Prodigy => "prodigy",
            ExportFormat::Gliner => "gliner",
            ExportFormat::Conll => "conll",
        }
    }

    /// The form that the ending of a file's name says; `.json` may be several.
    pub fn of_ending(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        Some(match ending {
            "jsonl" | "ndjson" => ExportFormat::Jsonl,
            "csv" => ExportFormat::Csv,
            "parquet" => ExportFormat::Parquet,
            "html" | "htm" => ExportFormat::Html,
            "spacy" => ExportFormat::DocBin,
            "conll" | "bio" | "iob" => ExportFormat::Conll,
            _ => return None,
        })
    }

    /// Whether the form is a folder and not a file.
    pub fn is_folder(self) -> bool {
        self == ExportFormat::Brat
    }

    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            ExportFormat::Jsonl | ExportFormat::Doccano | ExportFormat::Prodigy => "jsonl",
            ExportFormat::Csv => "csv",
            ExportFormat::Parquet => "parquet",
            ExportFormat::Html => "html",
            ExportFormat::DocBin => "spacy",
            ExportFormat::Brat => "",
            ExportFormat::LabelStudio | ExportFormat::Gliner => "json",
            ExportFormat::Conll => "conll",
        }
    }

    /// Begins the form in a place. What it cannot hold is counted under the name of the options.
    ///
    /// # Errors
    /// A form that is a folder, see [`super::Brat`]; one that needs a feature that is not compiled in.
    pub fn form<'w>(
        self,
        out: impl Write + Send + 'w,
        options: &ExportOptions,
    ) -> io::Result<Box<dyn Form + 'w>> {
        let left_out = LeftOut::new(&options.name);
        let dataset = |format| (format, is_lines(&options.name));
        let (format, is_lines) = match self {
            ExportFormat::Jsonl => return Ok(Box::new(rows::Rows::new(out, left_out))),
            ExportFormat::Csv => return Ok(Box::new(csv::Csv::new(out, left_out)?)),
            ExportFormat::Parquet => return parquet(out, left_out),
            ExportFormat::Html => return Ok(Box::new(Html::new(out, &options.html, left_out))),
            ExportFormat::DocBin => return docbin(out, left_out),
            ExportFormat::LabelStudio => return Ok(Box::new(LabelStudio::new(out, left_out))),
            ExportFormat::Brat => return Err(io::Error::other("brat is a folder")),
            ExportFormat::Prodigy => return Ok(Box::new(Prodigy::new(out, left_out))),
            // doccano reads JSON lines.
            ExportFormat::Doccano => (Format::Doccano, true),
            ExportFormat::Gliner => dataset(Format::Gliner),
            ExportFormat::Conll => dataset(Format::Bio),
        };
        Ok(Box::new(Dataset::new(out, format, is_lines, left_out)))
    }
}

#[cfg(feature = "parquet")]
fn parquet<'w>(out: impl Write + Send + 'w, left_out: LeftOut) -> io::Result<Box<dyn Form + 'w>> {
    Ok(Box::new(super::parquet::Parquet::new(out, left_out)?))
}

#[cfg(not(feature = "parquet"))]
fn parquet<'w>(_: impl Write + Send + 'w, _: LeftOut) -> io::Result<Box<dyn Form + 'w>> {
    Err(io::Error::other(
        "Parquet needs a build with the feature `parquet`",
    ))
}

#[cfg(feature = "docbin")]
fn docbin<'w>(out: impl Write + Send + 'w, left_out: LeftOut) -> io::Result<Box<dyn Form + 'w>> {
    Ok(Box::new(super::docbin::DocBin::new(out, left_out)))
}

#[cfg(not(feature = "docbin"))]
fn docbin<'w>(_: impl Write + Send + 'w, _: LeftOut) -> io::Result<Box<dyn Form + 'w>> {
    Err(io::Error::other(
        "DocBin needs a build with the feature `docbin`",
    ))
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("expected a form of output ({names}), found {name:?}")
        })
    }
}

/// How a form is written.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// The file that is written, for messages; if it ends in `.jsonl`, forms that may be JSON lines or an array are
    /// lines.
    pub name: PathBuf,
    /// The page for people.
    pub html: HtmlOptions,
    /// Whether another folder that is in the way gets another name, and is not refused.
    pub sets_aside: bool,
}
