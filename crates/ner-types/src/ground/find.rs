//! All occurrences of a text, overlapping ones included, in linear time.

use std::ops::Range;

/// The places of `needle` in ascending order, by the algorithm of Knuth, Morris and Pratt; none for an empty one.
///
/// Repeated calls of `str::find` from the byte behind each occurrence would be quadratic on repetitive texts.
pub(super) fn occurrences<'t>(
    haystack: &'t str,
    needle: &'t str,
) -> impl Iterator<Item = Range<usize>> + use<'t> {
    let first = haystack.find(needle).filter(|_| !needle.is_empty());
    let borders = first.map(|_| borders(needle.as_bytes()));
    let mut scan = Scan {
        needle: needle.as_bytes(),
        borders: borders.unwrap_or_default(),
        matched: 0,
    };
    let start = first.unwrap_or(haystack.len());
    let bytes = haystack.as_bytes()[start..].iter().enumerate();
    bytes.filter_map(move |(idx, &byte)| {
        let end = start + idx + 1;
        scan.step(byte).then(|| end - needle.len()..end)
    })
}

/// For each prefix of the needle the length of the longest shorter prefix that is also its end.
fn borders(needle: &[u8]) -> Vec<usize> {
    let mut borders = vec![0; needle.len()];
    let mut matched = 0;
    for (idx, &byte) in needle.iter().enumerate().skip(1) {
        while matched > 0 && needle[matched] != byte {
            matched = borders[matched - 1];
        }
        matched += usize::from(needle[matched] == byte);
        borders[idx] = matched;
    }
    borders
}

struct Scan<'n> {
    needle: &'n [u8],
    borders: Vec<usize>,
    matched: usize,
}

impl Scan<'_> {
    /// Whether an occurrence ends with this byte.
    fn step(&mut self, byte: u8) -> bool {
        while self.matched > 0 && self.needle[self.matched] != byte {
            self.matched = self.borders[self.matched - 1];
        }
        self.matched += usize::from(self.needle[self.matched] == byte);
        let is_match = self.matched == self.needle.len();
        if is_match {
            self.matched = self.borders[self.matched - 1];
        }
        is_match
    }
}
