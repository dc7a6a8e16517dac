//! Sending requests: slots, tries, and what every status means.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use tokio::sync::Semaphore;

use crate::address;
use crate::backoff::{self, Retry};
use crate::body::{self, BodyProblem};
use crate::error::{Error, excerpt};
use crate::message::{ChatAnswer, ChatRequest};
use crate::stop::Stop;

/// Where a model is served, and how patiently to ask it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `http://host:port`, `https://host/v1` or the full path of the method.
    pub base_url: String,
    /// The model's name on that server.
    pub model: String,
    /// Name of the environment variable that holds the API key, if one is needed.
    pub api_key_env: Option<String>,
    /// Requests in flight at once, at least 1.
    pub concurrency: usize,
    /// Longest time to establish a connection.
    pub connect_timeout: Duration,
    /// Longest time from sending a request to the last byte of its answer.
    pub request_timeout: Duration,
    /// How failures are tried again.
    pub retry: Retry,
}

impl Endpoint {
    /// An endpoint without a key, with 16 requests in flight, 10 seconds to
    /// connect, 10 minutes for an answer and the default retries.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key_env: None,
            concurrency: 16,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(600),
            retry: Retry::default(),
        }
    }
}

/// Sends chat requests to one model on one server.
pub struct ChatClient {
    http: reqwest::Client,
    url: Url,
    endpoint: Endpoint,
    key: Option<HeaderValue>,
    slots: Semaphore,
    sent: AtomicU64,
    reached: AtomicBool,
}

impl fmt::Debug for ChatClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatClient")
            .field("url", &self.url.as_str())
            .field("model", &self.endpoint.model)
            .field("has_key", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

/// Where answers are kept before anything looks into them.
pub trait Archive: Sync {
    /// What ends a call: an error of the archive, or of this crate.
    type Error: From<Error> + Send;

    /// Keeps the body of a 200 answer. The answer is read only after this has succeeded.
    ///
    /// # Errors
    /// If the body cannot be kept; the error ends the call.
    fn store(&self, body: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// An archive that keeps nothing, for answers that cost nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoArchive;

impl Archive for NoArchive {
    type Error = Error;

    async fn store(&self, _body: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// Why one try failed.
enum Failure<E> {
    /// Trying again cannot help.
    Fatal(E),
    /// Trying again may help.
    Transient {
        cause: String,
        /// The server's own wish for the delay.
        after: Option<Duration>,
        /// Whether no connection could be made.
        refused: bool,
    },
}

impl<E: From<Error>> Failure<E> {
    fn fatal(error: Error) -> Self {
        Self::Fatal(error.into())
    }

    fn transient(cause: impl Into<String>) -> Self {
        Self::Transient {
            cause: cause.into(),
            after: None,
            refused: false,
        }
    }
}

impl ChatClient {
    /// Checks the endpoint and reads the key from the environment. Sends nothing.
    ///
    /// # Errors
    /// For an unusable address, a setting out of range, or a key that was asked
    /// for and is missing.
    pub fn new(endpoint: Endpoint) -> Result<Self, Error> {
        let url = address::completions(&endpoint.base_url)?;
        if !(1..=Semaphore::MAX_PERMITS).contains(&endpoint.concurrency) {
            return Err(Error::Setting {
                field: "concurrency",
                expected: "at least one request in flight",
                found: endpoint.concurrency.to_string(),
            });
        }
        Ok(Self {
            http: http_client(&endpoint, &url)?,
            key: endpoint.api_key_env.as_deref().map(read_key).transpose()?,
            slots: Semaphore::new(endpoint.concurrency),
            sent: AtomicU64::new(0),
            reached: AtomicBool::new(false),
            url,
            endpoint,
        })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.endpoint.model
    }

    /// The address that requests go to.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Most requests in flight at once.
    pub fn concurrency(&self) -> usize {
        self.endpoint.concurrency
    }

    /// HTTP requests sent so far, repeated ones included.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends `request` until an answer comes, the tries are used up or `stop`
    /// is set.
    ///
    /// `archive` receives every body of a 200 answer before it is parsed; its
    /// error ends the call. A request in flight is not given up because of `stop`;
    /// drop the future for that.
    ///
    /// # Errors
    /// See [`Error`]; the messages name the address and what was received.
    pub async fn chat<A: Archive>(
        &self,
        request: &ChatRequest,
        stop: &Stop,
        archive: &A,
    ) -> Result<ChatAnswer, A::Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (cause, after, refused) = match self.try_once(request, stop, archive).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Transient {
                    cause,
                    after,
                    refused,
                }) => (cause, after, refused),
            };
            if tries >= self.allowed_tries(refused) {
                return Err(self.exhausted(tries, cause, refused).into());
            }
            let delay = self.endpoint.retry.delay(tries, after);
            tracing::warn!(url = %self.url, tries, ?delay, cause, "trying again");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.stopped() => return Err(Error::Stopped.into()),
            }
        }
    }

    /// A mistyped address should be reported at once, but a server that has
    /// answered before may be restarting.
    fn allowed_tries(&self, refused: bool) -> u32 {
        let tries = self.endpoint.retry.tries.max(1);
        if refused && !self.reached.load(Ordering::Relaxed) {
            tries.min(3)
        } else {
            tries
        }
    }

    fn exhausted(&self, tries: u32, cause: String, refused: bool) -> Error {
        let url = self.url.to_string();
        if refused {
            Error::Unreachable { url, tries, cause }
        } else {
            Error::GaveUp { url, tries, cause }
        }
    }

    async fn try_once<A: Archive>(
        &self,
        request: &ChatRequest,
        stop: &Stop,
        archive: &A,
    ) -> Result<ChatAnswer, Failure<A::Error>> {
        let _slot = tokio::select! {
            biased;
            () = stop.stopped() => return Err(Failure::fatal(Error::Stopped)),
            slot = self.slots.acquire() => slot,
        };
        let body = self.send(request).await?;
        archive.store(&body).await.map_err(Failure::Fatal)?;
        body::parse_body(&body).map_err(|problem| self.body_failure(problem))
    }

    /// Sends once and returns the body of a 200 answer.
    async fn send<E: From<Error>>(&self, request: &ChatRequest) -> Result<String, Failure<E>> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            headers.insert(AUTHORIZATION, key.clone());
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        let call = self.http.post(self.url.clone()).headers(headers);
        let response = call.json(request).send().await.map_err(transport)?;
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        let after = retry_after(response.headers());
        let body = response.bytes().await;
        if status == StatusCode::OK {
            return Ok(String::from_utf8_lossy(&body.map_err(transport)?).into_owned());
        }
        let body = body.map(|b| String::from_utf8_lossy(&b).into_owned());
        Err(self.status_failure(status, after, &body.unwrap_or_default()))
    }

    fn status_failure<E: From<Error>>(
        &self,
        status: StatusCode,
        after: Option<Duration>,
        body: &str,
    ) -> Failure<E> {
        let message = self.without_key(body::error_message(body));
        let transient =
            status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429);
        if transient {
            return Failure::Transient {
                cause: format!("{status}: {message}"),
                after,
                refused: false,
            };
        }
        Failure::fatal(Error::Refused {
            url: self.url.to_string(),
            status: status.as_u16(),
            model: self.endpoint.model.clone(),
            message,
            hint: hint(status.as_u16()),
        })
    }

    /// Some servers repeat a wrong key in their error message.
    fn without_key(&self, message: String) -> String {
        let header = self.key.as_ref().and_then(|key| key.to_str().ok());
        match header.and_then(|header| header.strip_prefix("Bearer ")) {
            Some(key) => message.replace(key, "(key)"),
            None => message,
        }
    }

    fn body_failure<E: From<Error>>(&self, problem: BodyProblem) -> Failure<E> {
        let (expected, found) = match problem {
            BodyProblem::Transient(cause) => return Failure::transient(cause),
            BodyProblem::NotJson(found) => ("a JSON object", found),
            BodyProblem::WrongShape(found) => ("a JSON object with choices[0].message", found),
        };
        Failure::fatal(Error::NotOpenAi {
            url: self.url.to_string(),
            expected,
            found: excerpt(&found),
        })
    }
}

/// A failure before the answer was complete. All are worth another try.
fn transport<E>(error: reqwest::Error) -> Failure<E> {
    let refused = error.is_connect();
    // The chain's lowest link says most ("connection refused").
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(link) = source {
        cause = format!("{cause}: {link}");
        source = link.source();
    }
    Failure::Transient {
        cause,
        after: None,
        refused,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    backoff::parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => " (redirects are not followed: give the final address)",
        401 | 403 => " (is the right API key in the environment?)",
        402 => " (the account is out of credit; what was answered so far is kept)",
        404 => " (check the address and the model's name)",
        _ => "",
    }
}

fn read_key(var: &str) -> Result<HeaderValue, Error> {
    let key = std::env::var(var).unwrap_or_default();
    if key.trim().is_empty() {
        return Err(Error::MissingKey { var: var.into() });
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim()))
        .map_err(|_| Error::InvalidKey { var: var.into() })?;
    value.set_sensitive(true);
    Ok(value)
}

fn http_client(endpoint: &Endpoint, url: &Url) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("chat-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(endpoint.connect_timeout)
        .timeout(endpoint.request_timeout)
        .redirect(reqwest::redirect::Policy::none());
    if url.scheme() == "http" {
        // Without this, a machine that has no certificates could not even talk
        // to a server of its own.
        builder = builder.tls_certs_only([]);
    }
    if address::is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Error::HttpClient(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_names_its_variable_only() {
        let mut endpoint = Endpoint::new("http://h", "m");
        endpoint.api_key_env = Some("CHAT_CLIENT_TEST_KEY_THAT_IS_NOT_SET".into());
        let error = ChatClient::new(endpoint).expect_err("no key").to_string();
        assert!(
            error.contains("CHAT_CLIENT_TEST_KEY_THAT_IS_NOT_SET"),
            "{error}"
        );
    }
}
