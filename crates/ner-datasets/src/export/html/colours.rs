//! The colours of the types: a ground and an ink, for light and for dark screens. Every pair has a contrast of at least
//! 7 to 1, as WCAG 2.2 asks in 1.4.6; a type has its name beside its colour, so nothing is told by the colour alone.

use std::fmt::Write as _;

/// How many there are; further types begin again.
pub(super) const COLOURS: usize = PALETTE.len();

/// Light ground and ink, dark ground and ink.
const PALETTE: [[&str; 4]; 12] = [
    ["#d6e8fa", "#0b3f6b", "#17395a", "#cfe6fb"],
    ["#fde3cf", "#6b2e05", "#522c12", "#fbdcc4"],
    ["#d8f0dc", "#14482a", "#1c4029", "#cdeed5"],
    ["#e9dcf8", "#46177a", "#3d2560", "#e5d6fa"],
    ["#fbefc0", "#574200", "#463a0c", "#f6e7ad"],
    ["#fbdbe8", "#701040", "#551a38", "#fbd3e3"],
    ["#d0efee", "#0a4644", "#12403f", "#c6eeec"],
    ["#fadbd8", "#6e1712", "#54201c", "#f9d2ce"],
    ["#e6eccb", "#3d4708", "#363f12", "#e2ebbf"],
    ["#dddff9", "#262a7d", "#2a2d66", "#d9dcfb"],
    ["#eee0d3", "#4f3319", "#43301f", "#ecdccb"],
    ["#e2e5e9", "#2f3740", "#363d45", "#dfe4ea"],
];

/// A colour for marks on a light ground, as annotation tools take it: the ink, which they lighten themselves.
pub(in crate::export) fn colour(number: usize) -> &'static str {
    PALETTE[number % COLOURS][1]
}

/// The rules of the classes `c0`, `c1` and so on.
pub(super) fn rules() -> String {
    let (mut light, mut dark) = (String::new(), String::new());
    for (i, [ground, ink, dark_ground, dark_ink]) in PALETTE.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(light, ".c{i} {{ background: {ground}; color: {ink}; }}");
        let _ = writeln!(
            dark,
            ".c{i} {{ background: {dark_ground}; color: {dark_ink}; }}"
        );
    }
    format!("{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of `#rrggbb`, WCAG 2.2.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("hexadecimal");
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn every_ink_stands_out_from_its_ground() {
        for [ground, ink, dark_ground, dark_ink] in PALETTE {
            for (a, b) in [(ground, ink), (dark_ground, dark_ink)] {
                let (a, b) = (luminance(a), luminance(b));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 7.0, "{ground} {dark_ground}: {contrast}");
            }
        }
    }
}
