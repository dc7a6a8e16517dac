//! Headless Chromium: it shows copies of pages in frames of a certain width and colour scheme, and a script in each
//! sends what it found to the page around the frames, whose text is then read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;

const MEASURE: &str = include_str!("measure.js");
/// Names under which Chromium is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Milliseconds of the page's own clock that a look may take.
const BUDGET: u32 = 60_000;
/// Height of a frame, and the greatest of a picture, in CSS pixels.
const HEIGHT: u32 = 800;
const TALLEST: u32 = 12_000;

/// The program.
pub(super) struct Browser {
    program: OsString,
}

/// A page in a width and a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Its place in the list of pages.
    pub(super) page: usize,
    pub(super) width: u32,
    pub(super) scheme: &'static str,
}

/// What was found.
pub(super) struct Measured {
    pub(super) look: Look,
    /// Heights as the page opens, and with everything unfolded.
    pub(super) folded: u32,
    pub(super) unfolded: u32,
    pub(super) texts: usize,
    pub(super) tracks: usize,
    pub(super) scrollers: usize,
    pub(super) faults: Vec<Fault>,
}

/// A fault of layout.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) kind: String,
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) detail: String,
}

/// A message of the script.
#[derive(Deserialize)]
struct Message {
    job: String,
    width: u32,
    dark: bool,
    folded: u32,
    unfolded: u32,
    texts: usize,
    tracks: usize,
    scrollers: usize,
    faults: Vec<Fault>,
}

impl Browser {
    /// The program that `CHROMIUM` names, or one that is installed; says so if there is none.
    pub(super) fn find() -> Option<Self> {
        let named = std::env::var_os("CHROMIUM");
        let known = NAMES.iter().map(OsString::from);
        let starts = |program: &OsString| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let found = named.into_iter().chain(known).find(starts);
        if found.is_none() {
            eprintln!(
                "warning: no Chromium, neither in CHROMIUM nor as {}: the pages were NOT looked at; install chromium",
                NAMES.join(", ")
            );
        }
        found.map(|program| Self { program })
    }

    /// Measures the pages in one start of the program, in the order of the looks.
    pub(super) fn measure(
        &self,
        pages: &[PathBuf],
        looks: &[Look],
        folder: &Path,
    ) -> Result<Vec<Measured>> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (i, page) in pages.iter().enumerate() {
            let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
            // At the end it stands behind everything that it measures.
            let with_script = format!("{text}\n<script>{MEASURE}</script>\n");
            std::fs::write(folder.join(file_name(i)), with_script)?;
        }
        let host = folder.join("host.html");
        std::fs::write(&host, host_page(looks, HEIGHT))?;
        let output = self
            .command(folder)
            .args([
                format!("--virtual-time-budget={BUDGET}"),
                "--dump-dom".into(),
                address(&host),
            ])
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let messages = messages(&String::from_utf8_lossy(&output.stdout))?;
        looks
            .iter()
            .map(|look| measured(*look, &messages))
            .collect()
    }

    /// Takes a picture of a page, as high as it is when it opens.
    pub(super) fn picture(&self, page: &Path, measured: &Measured, to: &Path) -> Result<()> {
        let folder = to.with_extension("look");
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(page, folder.join(file_name(0)))?;
        let look = Look {
            page: 0,
            ..measured.look
        };
        let height = measured.folded.clamp(HEIGHT, TALLEST);
        let host = folder.join("host.html");
        std::fs::write(&host, host_page(&[look], height))?;
        let mut picture = OsString::from("--screenshot=");
        picture.push(to);
        let status = self
            .command(&folder)
            .arg(picture)
            .args([
                "--hide-scrollbars".to_owned(),
                format!("--window-size={},{height}", look.width.max(500)),
                address(&host),
            ])
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?
            .status;
        std::fs::remove_dir_all(&folder)?;
        ensure!(
            status.success(),
            "{}: Chromium ended with {status}",
            to.display()
        );
        Ok(())
    }

    /// Headless, with a profile of its own. Without its sandbox, which root cannot have: it reads our pages only.
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        let mut profile = OsString::from("--user-data-dir=");
        profile.push(folder.join("profile"));
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .arg(profile);
        command
    }
}

fn file_name(page: usize) -> String {
    format!("page-{page}.html")
}

fn address(file: &Path) -> String {
    format!("file://{}", file.display())
}

/// A page of frames that collects what their scripts send.
fn host_page(looks: &[Look], height: u32) -> String {
    let frames: Vec<_> = looks
        .iter()
        .map(|look| json!([job(look), file_name(look.page), look.width, look.scheme]))
        .collect();
    let script = r#"
addEventListener("message", (event) => {
  document.getElementById("found").textContent += encodeURIComponent(JSON.stringify(event.data)) + "\n";
});
for (const [job, file, width, scheme] of FRAMES) {
  const frame = document.createElement("iframe");
  frame.name = job;
  frame.style.cssText = `width: ${width}px; height: HEIGHTpx; border: 0; display: block; color-scheme: ${scheme}`;
  frame.src = file;
  document.body.append(frame);
}"#;
    let script = script.replace("FRAMES", &json!(frames).to_string());
    let script = script.replace("HEIGHT", &height.to_string());
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <body style=\"margin: 0\"><pre id=\"found\" hidden></pre><script>{script}</script>"
    )
}

fn job(look: &Look) -> String {
    format!("{}/{}/{}", look.page, look.width, look.scheme)
}

/// The messages in the text of the host page.
fn messages(dom: &str) -> Result<Vec<Message>> {
    let found = dom.split_once("<pre id=\"found\" hidden=\"\">");
    let Some((found, _)) = found.and_then(|(_, rest)| rest.split_once("</pre>")) else {
        bail!(
            "Chromium printed no page: {}",
            dom.chars().take(200).collect::<String>()
        );
    };
    let lines = found.lines().filter(|line| !line.is_empty());
    let read = lines.map(|line| {
        let text = percent_decoded(line)?;
        serde_json::from_str(&text).with_context(|| text)
    });
    read.collect()
}

/// What JavaScript's `encodeURIComponent` made.
fn percent_decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).context("a cut escape")?;
        bytes.push(u8::from_str_radix(digits, 16).with_context(|| part.to_owned())?);
        bytes.extend(rest.bytes());
    }
    Ok(String::from_utf8(bytes)?)
}

/// What was sent about a look; an error if nothing was, or if the frame was not what it should be.
fn measured(look: Look, messages: &[Message]) -> Result<Measured> {
    let name = job(&look);
    let Some(message) = messages.iter().find(|message| message.job == name) else {
        bail!("page {name}: Chromium did not finish it");
    };
    ensure!(
        message.width == look.width && message.dark == (look.scheme == "dark"),
        "page {name}: Chromium showed it {} px wide, dark: {}",
        message.width,
        message.dark
    );
    let copy = |fault: &Fault| Fault {
        kind: fault.kind.clone(),
        place: fault.place.clone(),
        detail: fault.detail.clone(),
    };
    Ok(Measured {
        look,
        folded: message.folded,
        unfolded: message.unfolded,
        texts: message.texts,
        tracks: message.tracks,
        scrollers: message.scrollers,
        faults: message.faults.iter().map(copy).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_back_and_held_against_the_frame() {
        let sent = "%7B%22job%22%3A%220%2F375%2Fdark%22%2C%22width%22%3A375%2C%22dark%22%3Atrue%2C%22folded%22%3A9%2C\
                    %22unfolded%22%3A9%2C%22texts%22%3A1%2C%22tracks%22%3A0%2C%22scrollers%22%3A0%2C%22faults%22%3A\
                    %5B%7B%22kind%22%3A%22k%22%2C%22where%22%3A%22p%22%2C%22detail%22%3A%22%E2%88%926%22%7D%5D%7D";
        let dom = format!("<html><pre id=\"found\" hidden=\"\">{sent}\n</pre></html>");
        let messages = messages(&dom).expect("readable");
        let look = Look {
            page: 0,
            width: 375,
            scheme: "dark",
        };
        let found = measured(look, &messages).expect("the frame");
        assert_eq!(found.faults[0].detail, "\u{2212}6");
        let refused = |look| {
            measured(look, &messages)
                .err()
                .expect("refused")
                .to_string()
        };
        assert!(refused(Look { page: 1, ..look }).contains("did not finish"));
        assert!(super::messages("nothing").is_err() && percent_decoded("%4").is_err());
    }
}
