//! What the Hub says of a file before it is fetched: its hash, its size, and the commit that the address stands for.

use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use super::FetchOptions;
use super::address::{self, may_follow};
use super::endpoints::is_on_hub;
use crate::catalogue::CatalogueFile;

const MAX_REDIRECTS: usize = 10;

/// What the Hub states; each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) sha256: Option<String>,
    pub(super) bytes: Option<u64>,
    /// The commit that a branch or reference stood for.
    pub(super) commit: Option<String>,
}

/// Asks the Hub; a file that does not lie there, or a Hub that does not answer, states nothing.
pub(super) async fn ask(file: &CatalogueFile, options: &FetchOptions) -> Stated {
    let address = options.endpoints.address(&file.url);
    // An address that is refused is named when the file itself is asked for.
    if !is_on_hub(&file.url) || address::checked(address, file).is_err() {
        return Stated::default();
    }
    match head(file, options).await {
        Ok((status, headers)) if status.is_success() || status.is_redirection() => read(&headers),
        Ok((status, _)) => {
            tracing::warn!(url = %file.url, %status, "the Hub does not state the hash");
            Stated::default()
        }
        Err(error) => {
            tracing::warn!(url = %file.url, %error, "the Hub does not state the hash");
            Stated::default()
        }
    }
}

/// The headers that state something: those of the file itself, not of where its bytes lie. The Hub redirects to other
/// paths of its own where a repository has another name now; these are followed.
async fn head(
    file: &CatalogueFile,
    options: &FetchOptions,
) -> reqwest::Result<(StatusCode, HeaderMap)> {
    let client = Client::builder()
        .read_timeout(options.timeout)
        .redirect(Policy::none())
        .build()?;
    let mut address = options.endpoints.address(&file.url);
    for _ in 0..MAX_REDIRECTS {
        let mut request = client.head(&address);
        if let Some(token) = options.endpoints.token_for(&file.url) {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        match next(&response) {
            Some(other) => address = other,
            None => return Ok((response.status(), response.headers().clone())),
        }
    }
    Ok((StatusCode::LOOP_DETECTED, HeaderMap::new()))
}

/// Where a redirection leads that states nothing itself, if that is on the same host.
fn next(response: &Response) -> Option<String> {
    let headers = response.headers();
    if !response.status().is_redirection() || headers.contains_key("x-linked-etag") {
        return None;
    }
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let other = response.url().join(location).ok()?;
    let is_there = other.authority() == response.url().authority();
    (is_there && may_follow(response.url(), &other)).then(|| other.into())
}

/// A file in LFS has its SHA-256 as tag; others have the hash of a Git blob, which is shorter and says nothing here.
fn read(headers: &HeaderMap) -> Stated {
    let header = |name: &'static str| {
        let value = headers.get(HeaderName::from_static(name))?.to_str().ok()?;
        Some(value.trim_start_matches("W/").trim_matches('"').to_owned())
    };
    let is_hex = |text: &String, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    Stated {
        sha256: header("x-linked-etag").filter(|tag| is_hex(tag, 64)),
        bytes: header("x-linked-size").and_then(|size| size.parse().ok()),
        commit: header("x-repo-commit").filter(|commit| is_hex(commit, 40)),
    }
}

/// The address with a commit in place of the revision that it names, so that the content cannot change while it comes.
pub(super) fn at_commit(url: &str, commit: Option<&str>) -> String {
    let parts = url.split_once("/resolve/").zip(commit);
    let Some(((repository, rest), commit)) = parts else {
        return url.into();
    };
    match rest.split_once('/') {
        Some((_, path)) => format!("{repository}/resolve/{commit}/{path}"),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_lfs_is_taken_and_that_of_git_is_not() {
        let headers = |tag: &str| {
            let mut headers = HeaderMap::new();
            let mut put = |name, value: &str| {
                headers.insert(
                    HeaderName::from_static(name),
                    value.parse().expect("a value"),
                )
            };
            put("x-linked-etag", &format!("\"{tag}\""));
            put("x-linked-size", "12");
            put("x-repo-commit", &"c".repeat(40));
            read(&headers)
        };
        let stated = headers(&"a1".repeat(32));
        assert_eq!(stated.sha256, Some("a1".repeat(32)));
        assert_eq!(
            (stated.bytes, stated.commit),
            (Some(12), Some("c".repeat(40)))
        );
        assert_eq!(headers(&"a1".repeat(20)).sha256, None);
    }

    #[test]
    fn a_moving_reference_becomes_a_commit() {
        let url = "https://huggingface.co/datasets/a/b/resolve/refs%2Fconvert%2Fparquet/default/0.parquet";
        assert_eq!(
            at_commit(url, Some("c0")),
            "https://huggingface.co/datasets/a/b/resolve/c0/default/0.parquet"
        );
        assert_eq!(at_commit(url, None), url);
    }
}
