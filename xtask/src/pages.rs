//! `cargo xtask pages`: the HTML pages in headless Chromium, at two widths and in both colour schemes.
//!
//! The pages are made by the program itself from a short run, see `made.rs`. A script at the end of a copy of each
//! looks for faults of layout (`pages/measure.js`): a page that scrolls sideways, tracks without width, cut or broken
//! texts, tables that scroll and do not say so, weak contrast. The same script has to find the faults that are planted
//! in `planted.rs`, or the command fails: a check that finds nothing anywhere shows nothing.

mod browser;
mod made;
mod planted;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::program::{self, Backend};
use crate::workspace::Workspace;
use browser::{Browser, Look, Measured};
use planted::{PLANTED, SOUND};

/// Widths in CSS pixels: a phone, and a window on a desktop.
const WIDTHS: [u32; 2] = [375, 1280];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// Options of the command.
#[derive(clap::Args)]
pub(crate) struct Pages {
    /// Keep the pages in this folder, each with a picture of every look at it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Makes the pages and looks at them. Where there is no Chromium, says so and passes.
pub(crate) fn run(workspace: &Workspace, options: &Pages) -> Result<ExitCode> {
    let Some(browser) = Browser::find() else {
        return Ok(ExitCode::SUCCESS);
    };
    let rner = program::build(workspace, Backend::Flex)?;
    let scratch = std::env::temp_dir().join(format!("rner-pages-{}", std::process::id()));
    let done = look_at_all(&browser, &rner, workspace, &scratch, options.out.as_deref());
    // A leftover in the folder for temporary files harms nobody.
    std::fs::remove_dir_all(&scratch).ok();
    Ok(if done? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn look_at_all(
    browser: &Browser,
    rner: &Path,
    workspace: &Workspace,
    scratch: &Path,
    out: Option<&Path>,
) -> Result<bool> {
    let pages = made::pages(rner, &workspace.root, scratch)?;
    let looks = looks(pages.len());
    let measured = browser.measure(&pages, &looks, &scratch.join("looks"))?;
    for look in &measured {
        tell(&pages, look);
    }
    let is_seeing = finds_what_is_planted(browser, scratch)?;
    if let Some(out) = out {
        keep(browser, &pages, &measured, out)?;
    }
    let faults: usize = measured.iter().map(|look| look.faults.len()).sum();
    println!("{}", summary(pages.len(), &measured, faults));
    Ok(faults == 0 && is_seeing)
}

/// Every page in every width and scheme.
fn looks(pages: usize) -> Vec<Look> {
    let all = (0..pages).flat_map(|page| WIDTHS.map(move |width| (page, width)));
    all.flat_map(|(page, width)| {
        SCHEMES.map(move |scheme| Look {
            page,
            width,
            scheme,
        })
    })
    .collect()
}

fn summary(pages: usize, measured: &[Measured], faults: usize) -> String {
    let sum = |count: fn(&Measured) -> usize| measured.iter().map(count).sum::<usize>();
    format!(
        "pages: {pages} pages × {} widths × {} colour schemes = {} looks at {} texts, {} tracks and {} tables that \
         scroll: {faults} faults",
        WIDTHS.len(),
        SCHEMES.len(),
        measured.len(),
        sum(|look| look.texts),
        sum(|look| look.tracks),
        sum(|look| look.scrollers),
    )
}

/// Names the faults of a look, the first few of each kind, and how long the page is.
fn tell(pages: &[PathBuf], measured: &Measured) {
    let Look {
        page,
        width,
        scheme,
    } = measured.look;
    let name = pages[page]
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let (faults, folded, unfolded) = (&measured.faults, measured.folded, measured.unfolded);
    eprintln!(
        "{name} at {width} px, {scheme}: {} faults; {folded} px long, {unfolded} px unfolded",
        faults.len()
    );
    for fault in faults.iter().take(20) {
        eprintln!("  {}: {}: {}", fault.kind, fault.place, fault.detail);
    }
    if faults.len() > 20 {
        eprintln!("  and {} more", faults.len() - 20);
    }
}

/// Whether the script finds each planted fault, and nothing in a sound page.
fn finds_what_is_planted(browser: &Browser, scratch: &Path) -> Result<bool> {
    let folder = scratch.join("planted");
    let bodies = PLANTED.iter().map(|fault| fault.body).chain([SOUND]);
    let pages: Result<Vec<PathBuf>> = bodies
        .enumerate()
        .map(|(i, body)| planted::write(&folder, i, body))
        .collect();
    let looks: Vec<Look> = (0..=PLANTED.len())
        .map(|page| Look {
            page,
            width: WIDTHS[0],
            scheme: SCHEMES[0],
        })
        .collect();
    let measured = browser.measure(&pages?, &looks, &folder.join("looks"))?;
    let (sound, faulty) = measured.split_last().context("no page was measured")?;
    let missed: Vec<&str> = PLANTED
        .iter()
        .zip(faulty)
        .filter(|(fault, look)| !look.faults.iter().any(|found| found.kind == fault.kind))
        .map(|(fault, _)| fault.kind)
        .collect();
    let found = PLANTED.len() - missed.len();
    println!("pages: {found} of {} planted faults found", PLANTED.len());
    for kind in &missed {
        eprintln!("error: the planted fault {kind} was not found");
    }
    for fault in &sound.faults {
        eprintln!(
            "error: found in a sound page: {}: {}: {}",
            fault.kind, fault.place, fault.detail
        );
    }
    Ok(missed.is_empty() && sound.faults.is_empty())
}

/// Copies the pages and takes a picture of every look.
fn keep(browser: &Browser, pages: &[PathBuf], measured: &[Measured], out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    for page in pages {
        let name = page.file_name().unwrap_or_default();
        std::fs::copy(page, out.join(name)).with_context(|| page.display().to_string())?;
    }
    for look in measured {
        let page = &pages[look.look.page];
        let stem = page.file_stem().unwrap_or_default().to_string_lossy();
        let picture = format!("{stem}-{}-{}.png", look.look.width, look.look.scheme);
        browser.picture(page, look, &out.join(&picture))?;
        ensure!(
            out.join(&picture).is_file(),
            "{picture}: Chromium took no picture"
        );
    }
    println!("{}", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_looked_at_in_every_way() {
        let looks = looks(3);
        assert_eq!(looks.len(), 12);
        for width in WIDTHS {
            for scheme in SCHEMES {
                let n = looks
                    .iter()
                    .filter(|look| look.width == width && look.scheme == scheme);
                assert_eq!(n.count(), 3, "{width} {scheme}");
            }
        }
    }

    #[test]
    fn every_kind_of_fault_is_planted() {
        let script = include_str!("pages/measure.js");
        let kinds = script.match_indices("fault(\"").map(|(at, call)| {
            let rest = &script[at + call.len()..];
            rest.split('"').next().unwrap_or_default()
        });
        for kind in kinds {
            assert!(
                PLANTED.iter().any(|fault| fault.kind == kind),
                "{kind} is planted nowhere"
            );
        }
    }
}
