//! Where files are asked for: their own homes, a mirror of these, or another endpoint of the Hub.

/// The Hub as addresses in the catalogue name it.
const HUB: &str = "https://huggingface.co/";

/// In whose place others are asked.
///
/// Addresses of the Hub go to `hub`, all other `https` addresses to `mirror`, if there is one:
/// `https://<host>/<path>` becomes `<mirror>/<host>/<path>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Address of a mirror of every other host.
    pub mirror: Option<String>,
    /// Address of the Hub or of a mirror of it.
    pub hub: Option<String>,
    /// The Hub's token, for datasets that are not open to everybody.
    pub token: Option<String>,
}

impl Endpoints {
    /// From `RNER_MIRROR`, `HF_ENDPOINT` and `HF_TOKEN`; empty ones count as none.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name| read(name).filter(|value| !value.trim().is_empty());
        Endpoints {
            mirror: read("RNER_MIRROR"),
            hub: read("HF_ENDPOINT"),
            token: read("HF_TOKEN"),
        }
    }

    /// The address that is asked in place of one of the catalogue.
    pub fn address(&self, url: &str) -> String {
        if let Some(path) = url.strip_prefix(HUB) {
            return match &self.hub {
                Some(hub) => format!("{}/{path}", hub.trim_end_matches('/')),
                None => url.into(),
            };
        }
        match (url.strip_prefix("https://"), &self.mirror) {
            (Some(rest), Some(mirror)) => format!("{}/{rest}", mirror.trim_end_matches('/')),
            _ => url.into(),
        }
    }

    /// The token, for addresses of the Hub only.
    pub(super) fn token_for(&self, url: &str) -> Option<&str> {
        is_on_hub(url).then_some(self.token.as_deref()).flatten()
    }
}

/// Whether the Hub is the home of an address of the catalogue.
pub(super) fn is_on_hub(url: &str) -> bool {
    url.starts_with(HUB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_to_the_mirror_or_the_hub_that_is_named() {
        let variables = |name: &str| match name {
            "RNER_MIRROR" => Some("http://127.0.0.1:9/".to_owned()),
            "HF_ENDPOINT" => Some("http://hub.local".to_owned()),
            "HF_TOKEN" => Some(String::new()),
            _ => None,
        };
        let endpoints = Endpoints::from_variables(variables);
        assert_eq!(endpoints.token, None, "an empty token is none");
        for (url, expected) in [
            (
                "https://raw.example.org/a/b.txt",
                "http://127.0.0.1:9/raw.example.org/a/b.txt",
            ),
            (
                "https://huggingface.co/datasets/a/b",
                "http://hub.local/datasets/a/b",
            ),
            ("http://127.0.0.1:1/file", "http://127.0.0.1:1/file"),
        ] {
            assert_eq!(endpoints.address(url), expected);
            assert_eq!(Endpoints::default().address(url), url);
        }
    }
}
