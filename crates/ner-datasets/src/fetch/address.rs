//! Which addresses are asked: `https`, or `http` on this machine, and no step from the first to the second.
//!
//! Where the catalogue pins the hash of a file, a mirror may be asked over plain HTTP as well: whoever changes the
//! bytes on the way is found out.

use std::net::IpAddr;

use reqwest::{Url, redirect};

use crate::catalogue::CatalogueFile;
use crate::error::Error;

const MAX_REDIRECTS: usize = 10;

/// The same address, if this file may be asked for there.
pub(super) fn checked(address: String, file: &CatalogueFile) -> Result<String, Error> {
    let refused = |found: String| Error::Download {
        url: file.url.clone(),
        found,
    };
    let url = Url::parse(&address).map_err(|error| refused(format!("no address: {error}")))?;
    if is_safe(&url) || url.scheme() == "http" && file.sha256.is_some() {
        return Ok(address);
    }
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    Err(refused(format!(
        "an address at {scheme}://{host}; a file without a pinned hash comes over https, or over http from this \
         machine, such as the end of a tunnel"
    )))
}

/// Whether nobody on the way can change or read what is sent.
pub(super) fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_this_machine(url.host_str().unwrap_or_default()),
        _ => false,
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a redirect leads to an address that is as safe as the one before.
pub(super) fn may_follow(from: &Url, to: &Url) -> bool {
    match from.scheme() {
        "https" => to.scheme() == "https",
        _ => is_safe(to) || !is_safe(from) && to.scheme() == "http",
    }
}

/// Follows redirects that [`may_follow`] allows.
pub(super) fn redirects() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last();
        if from.is_some_and(|from| !may_follow(from, attempt.url())) {
            return attempt.error("it redirects to plain http");
        }
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        attempt.follow()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_and_for_pinned_files() {
        for (address, pinned, unpinned) in [
            ("https://example.org/x", true, true),
            ("http://127.0.0.1:9/x", true, true),
            ("http://[::1]:9/x", true, true),
            ("http://localhost/x", true, true),
            ("http://example.org/x", true, false),
            ("http://127.0.0.1.example.org/x", true, false),
            ("ftp://127.0.0.1/x", false, false),
            ("file:///etc/passwd", false, false),
            ("example.org/x", false, false),
        ] {
            for (sha256, expected) in [(Some("00".to_owned()), pinned), (None, unpinned)] {
                let file = CatalogueFile {
                    path: "x".into(),
                    url: "https://example.org/x".into(),
                    sha256,
                    bytes: None,
                    split: None,
                };
                let found = checked(address.into(), &file);
                assert_eq!(found.is_ok(), expected, "{address} {:?}", file.sha256);
            }
        }
    }

    #[test]
    fn no_redirect_leads_away_from_https() {
        let (https, here, plain) = ("https://a.org", "http://127.0.0.1", "http://a.org");
        for (from, to, expected) in [
            (https, https, true),
            (https, here, false),
            (https, plain, false),
            (here, https, true),
            (here, here, true),
            (here, plain, false),
            (plain, plain, true),
            (plain, https, true),
            (plain, "ftp://a.org", false),
        ] {
            let [from, to] = [from, to].map(|url| Url::parse(url).expect("an address"));
            assert_eq!(may_follow(&from, &to), expected, "{from} {to}");
        }
    }
}
