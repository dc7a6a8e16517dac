//! `rner serve`: a model behind the OpenAI protocol, on this machine only.
//!
//! One thread owns the weights. It takes all requests that wait, generates their completions together, and takes the
//! next ones: continuous batching inside a call, waiting between calls. Adapters of PEFT are loaded while it
//! runs, which is how a trainer elsewhere keeps its rollouts up to date.

mod http;
mod protocol;
mod worker;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc;

use anyhow::{Context, Result};
use clap::Args;
use lm_kernels::TrainBackend;

use crate::backend::{Device, Inner, Task, dispatch};
use crate::cli::RecipeArgs;
use crate::commands::resolve;
use crate::interrupt;
use crate::stages::{Answering, ModelDir};

use worker::{Order, Worker};

/// Flags of `rner serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    /// Model to serve: a folder or an id of the Hugging Face Hub.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Name by which it is asked for; that of the folder if left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Port of the loopback interface; 0 for a free one. Other machines cannot reach it.
    #[arg(long, default_value_t = 8000)]
    pub(crate) port: u16,
    /// Completions that grow at once.
    #[arg(long, value_name = "N", default_value = "32")]
    pub(crate) max_batch: std::num::NonZero<usize>,
}

/// Runs the command until it is interrupted.
pub(crate) fn run(args: &ServeArgs) -> Result<()> {
    let recipe = resolve(&args.recipe, Vec::new())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .with_context(|| format!("cannot listen on port {}", args.port))?;
    let model = ModelDir::find(&args.model)?;
    let folder = args.model.file_name().and_then(|name| name.to_str());
    let name = args.name.as_deref().or(folder).unwrap_or("model");
    let job = ServeJob {
        model,
        name: name.to_owned(),
        weights: Answering::of(&recipe),
        max_batch: args.max_batch.get(),
        listener,
    };
    dispatch(recipe.run.backend, job)
}

struct ServeJob {
    model: ModelDir,
    name: String,
    weights: Answering,
    max_batch: usize,
    listener: TcpListener,
}

impl Task for ServeJob {
    type Output = ();

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let model = self
            .model
            .load_to_answer::<Inner<B>>(device, self.weights)?;
        let tokenizer = self.model.tokenizer()?;
        let address = self.listener.local_addr()?;
        let (orders, waiting) = mpsc::channel();
        let shared = http::Shared::new(&tokenizer, model.config(), orders);
        let serving = Serving::start(self.listener, shared)?;
        announce(&self.name, address);
        Worker::new(model, &tokenizer, self.name, self.max_batch).run(&waiting);
        serving.stop();
        Ok(())
    }
}

fn announce(name: &str, address: SocketAddr) {
    println!("http://{address}/v1");
    eprintln!("serving {name}; stop with Ctrl-C");
}

/// The HTTP side in a thread of its own.
struct Serving(tokio::runtime::Runtime);

impl Serving {
    fn start(listener: TcpListener, shared: http::Shared) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("starting the network runtime")?;
        listener.set_nonblocking(true)?;
        let _entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = http::router(shared);
        runtime.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the server has ended");
            }
        });
        drop(_entered);
        Ok(Self(runtime))
    }

    /// Ends it; requests that are still open are cut off.
    fn stop(self) {
        self.0.shutdown_background();
    }
}

/// The next order; `None` once the user interrupts.
fn next(waiting: &mpsc::Receiver<Order>) -> Option<Order> {
    loop {
        if interrupt::requested() {
            return None;
        }
        match waiting.recv_timeout(std::time::Duration::from_millis(50)) {
            Ok(order) => return Some(order),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
        }
    }
}
