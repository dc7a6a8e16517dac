//! Pages with a fault each, which the script must find.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A fault and the body of a page that has it at 375 px.
pub(super) struct Planted {
    /// Its name in `measure.js`.
    pub(super) kind: &'static str,
    pub(super) body: &'static str,
}

/// One fault of every kind.
pub(super) const PLANTED: [Planted; 9] = [
    Planted {
        kind: "page-overflow",
        body: r#"<div style="width: 385px">too wide</div>"#,
    },
    Planted {
        kind: "collapsed-track",
        body: r#"<div style="display: grid; grid-template-columns: 9rem 1fr 12rem"><span>set</span>
            <div style="position: relative"><i style="position: absolute; left: 30%">•</i></div><span>−6.11</span></div>"#,
    },
    Planted {
        kind: "no-scroll-hint",
        body: r#"<div style="overflow-x: auto"><div style="width: 900px">wide</div></div>"#,
    },
    Planted {
        kind: "first-column-moves",
        body: r#"<div style="overflow-x: auto"><table style="width: 900px"><tbody><tr><th>set</th><td>1</td></tr></tbody></table></div>"#,
    },
    Planted {
        kind: "cut-text",
        body: r#"<div style="width: 60px; overflow: hidden; white-space: nowrap">a text that is cut</div>"#,
    },
    Planted {
        kind: "broken-word",
        body: r#"<div style="width: 70px; overflow-wrap: anywhere">literature</div>"#,
    },
    Planted {
        kind: "tiny-text",
        body: r#"<svg viewBox="0 0 1000 100" style="width: 300px"><text y="50" font-size="12">small</text></svg>"#,
    },
    Planted {
        kind: "low-contrast",
        body: r#"<p style="color: #bbb; background: #fff">pale</p>"#,
    },
    Planted {
        kind: "texts-overlap",
        body: r#"<svg viewBox="0 0 300 60"><text x="10" y="30">one</text><text x="20" y="32">another</text></svg>"#,
    },
];

/// A body without a fault: a table that scrolls as it should, a track, a drawing.
pub(super) const SOUND: &str = r#"<h1>A sound page</h1>
<div style="overflow-x: auto; background: linear-gradient(white, white) local"><table style="width: 900px"><tbody>
<tr><th style="position: sticky; left: 0">set</th><td>1</td></tr></tbody></table></div>
<div style="position: relative; height: 20px"><i style="position: absolute; left: 30%">•</i></div>
<svg viewBox="0 0 300 60"><text x="10" y="30">one</text><text x="100" y="30">another</text></svg>"#;

/// Writes a page with such a body.
pub(super) fn write(folder: &Path, number: usize, body: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let page = folder.join(format!("planted-{number}.html"));
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><body>{body}</body></html>"
    );
    std::fs::write(&page, text).with_context(|| page.display().to_string())?;
    Ok(page)
}
