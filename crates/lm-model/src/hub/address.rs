//! Which addresses are asked: `https`, or `http` on this machine, and no step from the first to the second.
//!
//! Over plain HTTP anybody on the way could send another model, together with the hashes that fit it.

use std::net::IpAddr;

use reqwest::{Url, redirect};

use super::failure::Failure;

const MAX_REDIRECTS: usize = 10;

/// The address of the Hub or of a mirror, if it may be asked.
pub(super) fn endpoint(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| !url.cannot_be_a_base());
    let url = url.ok_or_else(|| Failure::last(format!("HF_ENDPOINT is not an address: {text}")))?;
    if is_safe(&url) {
        return Ok(url);
    }
    Err(Failure::last(format!(
        "HF_ENDPOINT is {}://{}, expected https, or http on this machine (127.0.0.1, ::1, localhost), such as the end \
         of a tunnel",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )))
}

fn is_safe(url: &Url) -> bool {
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

/// Follows a redirect wherever its bytes are as safe as those of the address before.
pub(super) fn to_any_host() -> redirect::Policy {
    redirect::Policy::custom(follow)
}

/// Follows redirects on the same host only: the headers of a file are the Hub's own, its bytes may lie elsewhere.
pub(super) fn to_the_same_host() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let origin = attempt.previous().first().map(Url::origin);
        if origin == Some(attempt.url().origin()) {
            follow(attempt)
        } else {
            attempt.stop()
        }
    })
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from_https = attempt.previous().iter().any(|url| url.scheme() == "https");
    if !is_safe(attempt.url()) || from_https && attempt.url().scheme() != "https" {
        return attempt.error("it redirects from https, or from this machine, to plain http");
    }
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_asked() {
        for (address, is_asked) in [
            ("https://huggingface.co", true),
            ("https://mirror.example:8443/hf", true),
            ("http://127.0.0.1:9", true),
            ("http://[::1]:9", true),
            ("http://localhost:9", true),
            ("http://huggingface.co", false),
            ("http://192.168.1.5:80", false),
            ("http://127.0.0.1.example.org", false),
            ("http://localhost.example.org", false),
            ("ftp://127.0.0.1", false),
            ("file:///etc", false),
            ("data:text/plain,x", false),
            ("huggingface.co", false),
        ] {
            assert_eq!(endpoint(address).is_ok(), is_asked, "{address}");
        }
        let refused = endpoint("http://user:secret@hub.example/x").err();
        let refused = refused.map(|failure| failure.to_string());
        let refused = refused.unwrap_or_default();
        assert!(refused.contains("http://hub.example"), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
}
