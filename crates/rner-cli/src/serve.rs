//! `rner serve`: a model behind the OpenAI protocol, on this machine only.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use lm_kernels::TrainBackend;
use lm_serve::Server;
use rner::backend::{Device, Inner, Task, dispatch};
use rner::stages::{Answering, ModelDir};
use rner_cli::args::RecipeArgs;
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

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
    let recipe = args.recipe.resolve(Vec::new())?;
    // Before the model is loaded: a port that is taken is known at once.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .with_context(|| format!("cannot listen on port {}", args.port))?;
    let model = ModelDir::find(&args.model, &Terminal::session())?;
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
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let model = self
            .model
            .load_to_answer::<Inner<B>>(device, self.weights)?;
        let server = Server::new(model, self.model.tokenizer()?)
            .name(&self.name)
            .max_batch(self.max_batch)
            .listen(self.listener)?;
        announce(&self.name, server.address());
        Ok(server.run(interrupt::token())?)
    }
}

fn announce(name: &str, address: SocketAddr) {
    println!("http://{address}/v1");
    rner_cli::say!("serving {name}; stop with Ctrl-C");
}
