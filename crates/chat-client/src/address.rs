//! Server addresses: completed, checked, and free of secrets.

use reqwest::Url;

use crate::error::Error;

/// Completes a base address to that of the chat-completions method.
pub(crate) fn completions(base: &str) -> Result<Url, Error> {
    let wrong = |why: String| Error::BaseUrl {
        url: without_secrets(base),
        why,
    };
    let mut url = Url::parse(base.trim()).map_err(|error| wrong(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::BaseUrl {
            url: "(hidden)".into(),
            why: "a user or password; keys belong into the environment".into(),
        });
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("another scheme or no host".into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a query or a fragment".into()));
    }
    let path = url.path().trim_end_matches('/').to_string();
    let path = match path.as_str() {
        "" => "/v1/chat/completions".into(),
        path if path.ends_with("/chat/completions") => path.into(),
        path => format!("{path}/chat/completions"),
    };
    url.set_path(&path);
    Ok(url)
}

/// An address as a message may show it: what stands before `@` may be a password, and a query may have a key.
fn without_secrets(address: &str) -> String {
    if address.contains('@') {
        return "(hidden)".into();
    }
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let hidden = if end < address.len() { "?(hidden)" } else { "" };
    format!("{}{hidden}", &address[..end])
}

/// The address of the list of models, beside that of the chat completions.
pub(crate) fn models(completions: &Url) -> Url {
    beside(completions, "models")
}

/// The address of another method of the same server.
pub(crate) fn beside(completions: &Url, method: &str) -> Url {
    let mut url = completions.clone();
    let path = completions.path().trim_end_matches("/chat/completions");
    url.set_path(&format!("{path}/{method}"));
    url
}

/// Whether the address is on this machine, where no proxy belongs in between.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip: Result<std::net::IpAddr, _> = bare.parse();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed() {
        for (base, expected) in [
            ("http://h:1", "http://h:1/v1/chat/completions"),
            ("https://h/v1/", "https://h/v1/chat/completions"),
            (
                "https://h/v1/chat/completions",
                "https://h/v1/chat/completions",
            ),
        ] {
            assert_eq!(completions(base).expect("usable").as_str(), expected);
        }
        let models = models(&completions("http://h/x/v1").expect("usable"));
        assert_eq!(models.as_str(), "http://h/x/v1/models");
        for base in ["", "h:1", "ftp://h", "file:///x", "http://h/v1?key=1"] {
            assert!(completions(base).is_err(), "{base:?}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = completions("https://me:secret@h/v1").expect_err("has a password");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_key_in_the_address_is_not_repeated() {
        for base in [
            "https://h/v1?api_key=secret",
            "https://h/v1#secret",
            "h:1?api_key=secret",
            "ftp://me:secret@h",
            "//me:secret@h",
            "https://h:port?api_key=secret",
        ] {
            let error = completions(base).expect_err("refused");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("secret"), "{shown}");
        }
        let error = completions("https://h/v1?api_key=secret").expect_err("refused");
        assert!(
            error.to_string().contains("https://h/v1?(hidden)"),
            "{error}"
        );
    }

    #[test]
    fn loopback_addresses_are_recognised() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://example.org", false),
        ] {
            assert_eq!(
                is_loopback(&Url::parse(url).expect("a URL")),
                expected,
                "{url}"
            );
        }
    }
}
