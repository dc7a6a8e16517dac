//! Who may ask: the name by which the server is called, the page that asks, the form of the body, and the key.
//!
//! A server on the loopback interface is reached by every web page that its user's browser shows. Such a page names
//! itself in `Origin`; one whose name points to this machine (DNS rebinding) shows it in `Host`; and a form, which
//! needs no permission to post, cannot have the type of JSON.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::failure::Failure;

/// Who may ask a [`Server`](crate::Server), and what for. By default: programs of this machine, without a key, and no
/// adapters.
#[derive(Clone, Default)]
pub struct Access {
    /// Names in `Host` besides those of the loopback interface, without a port.
    pub hosts: Vec<String>,
    /// Pages that may ask, such as `http://localhost:3000`.
    pub origins: Vec<String>,
    /// The key that `Authorization: Bearer` must show for all paths below `/v1`; none if it is `None`.
    pub api_key: Option<String>,
    /// The folder below which adapters may be loaded; none may if it is `None`.
    pub adapter_root: Option<PathBuf>,
}

/// Without the key.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .field("api_key", &self.api_key.as_ref().map(|_| "..."))
            .field("adapter_root", &self.adapter_root)
            .finish()
    }
}

/// Refuses who may not ask, before the body is read.
pub(crate) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).cloned();
    if let Err(failure) = access.check(request.method(), request.uri().path(), headers) {
        return failure.into_response();
    }
    let preflight = origin.is_some() && request.method() == Method::OPTIONS;
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        permit(response.headers_mut(), origin);
    }
    response
}

/// Tells the browser that a page which is allowed may post JSON and read the answer.
fn permit(headers: &mut HeaderMap, origin: HeaderValue) {
    let names: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type"),
        ),
        (header::VARY, HeaderValue::from_static("origin")),
    ];
    headers.extend(names);
}

impl Access {
    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Failure> {
        self.check_host(headers)?;
        self.check_origin(headers)?;
        // A preflight carries no key.
        if *method != Method::OPTIONS && path != "/health" {
            self.check_key(headers)?;
        }
        if *method == Method::POST {
            check_type(headers)?;
        }
        Ok(())
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let host = host.filter(|_| hosts.next().is_none()).map(without_port);
        if host.is_some_and(|host| is_loopback(host) || self.knows(host)) {
            return Ok(());
        }
        Err(Failure(
            StatusCode::FORBIDDEN,
            "Host: expected a name of this machine's loopback interface; --allow-host adds one"
                .into(),
        ))
    }

    fn knows(&self, host: &str) -> bool {
        self.hosts.iter().any(|one| one.eq_ignore_ascii_case(host))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if origins.all(|origin| self.origins.iter().any(|one| one.as_bytes() == origin)) {
            return Ok(());
        }
        Err(Failure(
            StatusCode::FORBIDDEN,
            "Origin: web pages may not ask this server; --allow-origin allows one".into(),
        ))
    }

    fn check_key(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(key) = &self.api_key else {
            return Ok(());
        };
        let shown = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        // Hashes compare in the same time wherever they differ, and hide the key's length.
        if shown.is_some_and(|shown| blake3::hash(shown) == blake3::hash(key.as_bytes())) {
            return Ok(());
        }
        Err(Failure(
            StatusCode::UNAUTHORIZED,
            "expected this server's key in `Authorization: Bearer`".into(),
        ))
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let value = headers.get(header::CONTENT_TYPE);
    let kind = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding: expected none, bodies are not unpacked here".into(),
        ));
    }
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Failure(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Content-Type: expected application/json".into(),
    ))
}

/// The name in a `Host`, without the port and the brackets of IPv6.
fn without_port(host: &str) -> &str {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.split(']').next().unwrap_or("");
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
