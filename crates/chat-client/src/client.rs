//! Sending requests: limits, tries, and keeping what comes back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use reqwest::{StatusCode, Url};
use tokio_util::sync::CancellationToken;

use crate::address;
use crate::aimd::Aimd;
use crate::archive::Archive;
use crate::body;
use crate::check::{self, ModelCheck};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::failure::{Again, Failure, Kind, Tries, Whom, may_be_billed};
use crate::gate::{Gate, Slot};
use crate::http::Http;
use crate::message::{ChatAnswer, ChatRequest, Usage, wire};
use crate::money::{Bound, Ledger, Price, Reservation};
use crate::open::Open;
use crate::rate::{self, Rates};
use crate::stats::{Counters, Stats};
use crate::unknown_words::UnknownWords;

/// Sends chat requests to one model on one server.
pub struct ChatClient {
    http: Http,
    url: Url,
    endpoint: Endpoint,
    gate: Gate,
    rates: Rates,
    money: Option<(Arc<Ledger>, Price)>,
    counters: Counters,
    words: UnknownWords,
}

impl fmt::Debug for ChatClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatClient")
            .field("url", &self.url.as_str())
            .field("model", &self.endpoint.model)
            .field("has_key", &self.http.key.is_some())
            .finish_non_exhaustive()
    }
}

/// A request that may leave now.
struct Pass<'a> {
    slot: Slot<'a>,
    reservation: Reservation,
    /// The most that it can cost.
    bound: Bound,
    /// Its body, until it is sent.
    wire: Vec<u8>,
    /// The length of that.
    bytes: usize,
    /// The tokens that it is expected to cost.
    estimate: u64,
}

impl ChatClient {
    /// Checks the endpoint and reads the key. Sends nothing.
    ///
    /// # Errors
    /// For an unusable address, a setting out of range, or a key that was asked
    /// for and is missing.
    pub fn new(endpoint: Endpoint) -> Result<Self, Error> {
        let url = address::completions(&endpoint.base_url)?;
        endpoint.check()?;
        let aimd = Aimd::new(endpoint.concurrency, endpoint.start, endpoint.adaptive);
        Ok(Self {
            http: Http::new(&endpoint, &url)?,
            gate: Gate::new(aimd),
            rates: Rates::new(endpoint.requests_per_minute, endpoint.tokens_per_minute),
            money: None,
            counters: Counters::default(),
            words: UnknownWords::default(),
            url,
            endpoint,
        })
    }

    /// Enters every answer into `ledger` and sends only what its budget covers: the most that a request can cost is
    /// reserved before it is sent. Clients may share a ledger.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Arc<Ledger>, price: Price) -> Self {
        self.money = Some((ledger, price));
        self
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

    /// Requests that may be in flight now.
    pub fn limit(&self) -> usize {
        self.gate.limit()
    }

    /// HTTP requests sent so far, repeated ones included.
    pub fn sent(&self) -> u64 {
        self.counters.sent.load(Ordering::Relaxed)
    }

    /// Whether the server has ever answered, be it with an error.
    pub fn reached(&self) -> bool {
        self.http.reached()
    }

    /// What the client has done so far.
    pub fn stats(&self) -> Stats {
        self.counters
            .stats(self.gate.in_flight(), self.gate.limit())
    }

    /// Asks the server whether it has the model. That costs nothing.
    ///
    /// # Errors
    /// If the key is refused, the account is empty, nothing answers, or `stop` is cancelled.
    pub async fn check(&self, stop: &CancellationToken) -> Result<ModelCheck, Error> {
        let url = address::models(&self.url);
        let mut tries = Tries::default();
        loop {
            let failure: Failure<Error> = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Error::Stopped),
                reply = self.http.get(&url) => match reply {
                    Err(broken) => broken.into(),
                    Ok(mut reply) => {
                        reply.body = self.http.mask(reply.body);
                        match check::read(reply.status, &reply.body, self.model()) {
                            Some(check) => return Ok(check),
                            None => self.whom(url.as_str()).status(reply),
                        }
                    }
                },
            };
            match failure {
                Failure::Fatal(error) => return Err(error.for_all()),
                Failure::Again(again) => self.wait(&url, &mut tries, again, stop).await?,
            }
        }
    }

    /// Posts `body` to another method of the same server, such as `completions` or `load_lora_adapter`, and returns the
    /// body of its 200 answer. Tries and slots are those of [`ChatClient::chat`]; rates, prices and budgets are not
    /// looked at.
    ///
    /// # Errors
    /// See [`Error`]; the messages name the address and what was received.
    pub async fn call(
        &self,
        method: &str,
        body: &str,
        stop: &CancellationToken,
    ) -> Result<String, Error> {
        let url = address::beside(&self.url, method);
        let mut tries = Tries::default();
        loop {
            let mut slot = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Error::Stopped),
                slot = self.gate.enter() => slot,
            };
            self.gate.opened().await;
            slot.sent();
            Counters::count(&self.counters.sent);
            let failure: Failure<Error> = match self.http.post(&url, body.into()).await {
                Ok(reply) if reply.status == StatusCode::OK => {
                    slot.answered();
                    return Ok(reply.body);
                }
                Ok(reply) => self.refused(&slot, self.whom(url.as_str()).status(reply)),
                Err(broken) => broken.into(),
            };
            drop(slot);
            match failure {
                Failure::Fatal(error) => return Err(error.for_all()),
                Failure::Again(again) => self.wait(&url, &mut tries, again, stop).await?,
            }
        }
    }

    /// Sends `request` until an answer comes, the tries are used up, the budget
    /// is reached or `stop` is cancelled.
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
        stop: &CancellationToken,
        archive: &A,
    ) -> Result<ChatAnswer, A::Error> {
        let mut tries = Tries::default();
        loop {
            let pass = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Error::Stopped.into()),
                pass = self.enter(request) => pass?,
            };
            match self.try_once(pass, archive).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Again(again)) => self.wait(&self.url, &mut tries, again, stop).await?,
            }
        }
    }

    /// Waits before the next try at `url`, without a slot.
    async fn wait(
        &self,
        url: &Url,
        tries: &mut Tries,
        again: Again,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let retry = &self.endpoint.retry;
        let Some(delay) = tries.next(&again, retry, self.http.reached()) else {
            return Err(tries.exhausted(url.as_str(), self.model(), again));
        };
        Counters::count(&self.counters.retried);
        tracing::warn!(%url, ?delay, cause = again.cause, "trying again");
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(()),
            () = stop.cancelled() => Err(Error::Stopped),
        }
    }

    /// Waits until nothing speaks against sending.
    async fn enter(&self, request: &ChatRequest) -> Result<Pass<'_>, Error> {
        let slot = self.gate.enter().await;
        self.gate.opened().await;
        // Written only now: those who wait for a slot need no memory for it, and no try needs a copy.
        let wire = wire(request, self.endpoint.stream)?;
        let bytes = wire.len();
        let max_tokens = request.sampling.max_tokens;
        let estimate = self.rates.reserve(bytes, max_tokens).await;
        let bound = Bound::of(request, bytes);
        let reservation = match &self.money {
            Some((ledger, price)) => ledger.reserve(&bound, price).await?,
            None => Reservation::none(),
        };
        // A pause may have begun in the meantime.
        self.gate.opened().await;
        Ok(Pass {
            slot,
            reservation,
            bound,
            wire,
            bytes,
            estimate,
        })
    }

    async fn try_once<A: Archive>(
        &self,
        mut pass: Pass<'_>,
        archive: &A,
    ) -> Result<ChatAnswer, Failure<A::Error>> {
        let open = Open::new(pass.reservation, pass.bound, archive).await;
        // From here on the request may be billed, whatever becomes of this future.
        let open = open.map_err(Failure::Fatal)?;
        pass.slot.sent();
        Counters::count(&self.counters.sent);
        let wire = std::mem::take(&mut pass.wire);
        let reply = match self.http.post(&self.url, wire).await {
            Ok(reply) => reply,
            Err(broken) => {
                if broken.refused {
                    open.release();
                }
                return Err(broken.into());
            }
        };
        if reply.status != StatusCode::OK {
            if !may_be_billed(reply.status) {
                open.release();
            }
            self.rates.refund(pass.estimate);
            return Err(self.refused(&pass.slot, self.whom(self.url()).status(reply)));
        }
        // The server has done its part. While this answer goes to the disk, it may have the next request.
        pass.slot.leave();
        let body = self.http.mask_answer(reply.body);
        archive.store(&body).await.map_err(Failure::Fatal)?;
        let guess = rate::guess(pass.bytes, body.len());
        match body::parse_body(&body) {
            Ok(answer) => {
                pass.slot.answered();
                self.counters.answered(answer.usage);
                self.words.hear(&answer.finish, self.url());
                self.charge(open, pass.estimate, answer.usage, guess);
                Ok(answer)
            }
            Err(_) => {
                // It may have been paid for nevertheless.
                let usage = body::reported_usage(&body);
                self.charge(open, pass.estimate, usage, guess);
                Err(self.refused(&pass.slot, self.unreadable(body)))
            }
        }
    }

    /// Replaces what is expected of an answer by what it cost. The rates take a guess where the server does not tell;
    /// the budget takes the most that it can be.
    fn charge<A: Archive>(&self, open: Open<'_, A>, estimate: u64, usage: Usage, guess: Usage) {
        let rated = if usage.is_told() { usage } else { guess };
        self.rates
            .correct(estimate, rated.prompt_tokens, rated.completion_tokens);
        if usage.is_told() {
            let price = self.money.as_ref().map(|(_, price)| price);
            let cost = price.map_or(0.0, |price| price.cost(&usage, SystemTime::now()));
            open.settle(cost, usage);
        }
    }

    /// Learns from an answer that is none.
    fn refused<E>(&self, slot: &Slot<'_>, failure: Failure<E>) -> Failure<E> {
        if let Failure::Again(again) = &failure {
            if again.kind == Kind::Throttled {
                Counters::count(&self.counters.throttled);
                slot.throttled();
            }
            if let Some(pause) = again.after {
                // The others would only be refused as well.
                self.gate
                    .pause(pause.min(self.endpoint.retry.max_retry_after));
            }
        }
        failure
    }

    /// A 200 answer that is none. It is read again without the key, so that no
    /// message has a part of it.
    fn unreadable<E: From<Error>>(&self, body: String) -> Failure<E> {
        let masked = self.http.mask(body);
        let problem = match body::parse_body(&masked) {
            Err(problem) => problem,
            Ok(_) => body::BodyProblem::Transient("the body was damaged by the key".into()),
        };
        self.whom(self.url()).body(problem)
    }

    fn whom<'a>(&'a self, url: &'a str) -> Whom<'a> {
        Whom {
            url,
            model: self.model(),
            http: &self.http,
            has_answered: self.counters.has_answered(),
        }
    }
}
