//! `rner serve`: a model behind the OpenAI protocol, on this machine only.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use lm_kernels::TrainBackend;
use lm_serve::{Access, Limits, Server};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::recipe::{Backend, Recipe};
use rner::report::Machine;
use rner::stages::{Answering, ModelDir};
use rner_cli::args::RecipeArgs;
use rner_cli::interrupt;
use rner_cli::progress::Terminal;

/// Bytes of a GiB.
const GIB: f64 = (1_u64 << 30) as f64;

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
    /// Most memory of the key-value cache in GiB; a quarter of the device's if left out.
    #[arg(long, value_name = "GIB", value_parser = gib)]
    pub(crate) kv_memory: Option<f64>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

fn gib(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (1e-3..1e6).contains(&value) {
        Ok(value)
    } else {
        Err("expected 0.001 to 1000000".into())
    }
}

/// Memory of the cache where the user does not say; `None` where that of the device is not known.
fn quarter_of_device(recipe: &Recipe) -> Option<f64> {
    let all = match recipe.run.backend {
        Backend::Flex => Machine::here("").memory_gib,
        _ => recipe.hardware.gpu_memory_gib,
    };
    (all > 0.0).then_some(all / 4.0)
}

/// What clients may ask for.
#[derive(Clone, Debug, Args)]
pub(crate) struct LimitArgs {
    /// Longest body of a request, in bytes.
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    max_body: std::num::NonZero<usize>,
    /// Requests that are generated or wait; further ones are answered with 429.
    #[arg(long, value_name = "N", default_value = "256")]
    max_waiting: std::num::NonZero<usize>,
    /// Open connections; a further one takes the place of the one whose client was awaited longest.
    #[arg(long, value_name = "N", default_value = "4096")]
    max_connections: std::num::NonZero<usize>,
    /// Tokens of a request: its prompts, and the most new tokens of all its completions.
    #[arg(long, value_name = "N", default_value = "262144")]
    max_tokens: std::num::NonZero<usize>,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            body: self.max_body.get(),
            waiting: self.max_waiting.get(),
            connections: self.max_connections.get(),
            tokens: self.max_tokens.get(),
            ..Limits::default()
        }
    }
}

/// Who may ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct AccessArgs {
    /// A name in `Host` besides those of the loopback interface, such as that of a proxy.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// A web page that may ask, such as http://localhost:3000; others may not.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Environment variable with the key that clients must show; without it none is asked for.
    #[arg(long, value_name = "VARIABLE")]
    api_key_env: Option<String>,
    /// Folder below which adapters may be loaded while it runs; without it none are.
    #[arg(long, value_name = "DIR")]
    adapter_root: Option<PathBuf>,
}

impl AccessArgs {
    fn access(&self) -> Result<Access> {
        let read = |name: &String| match std::env::var(name) {
            Ok(key) if !key.is_empty() => Ok(key),
            _ => bail!("--api-key-env: the environment variable {name} is not set"),
        };
        if let Some(root) = self.adapter_root.as_ref().filter(|root| !root.is_dir()) {
            bail!("--adapter-root: {} is not a folder", root.display());
        }
        Ok(Access {
            hosts: self.allow_host.clone(),
            origins: self.allow_origin.clone(),
            api_key: self.api_key_env.as_ref().map(read).transpose()?,
            adapter_root: self.adapter_root.clone(),
        })
    }
}

/// Runs the command until it is interrupted.
pub(crate) fn run(args: &ServeArgs) -> Result<()> {
    let recipe = args.recipe.resolve(Vec::new())?;
    let access = args.access.access()?;
    // Before the model is loaded: a port that is taken is known at once.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .with_context(|| format!("cannot listen on port {}", args.port))?;
    let model = ModelDir::find(&args.model, &Terminal::session())?;
    if model.own_prompt()?.is_some() {
        let shown = args.model.display();
        rner_cli::say!("its own prompt: rner prompt --json --model {shown} --types TYPES SENTENCE");
    }
    let folder = args.model.file_name().and_then(|name| name.to_str());
    let name = args.name.as_deref().or(folder).unwrap_or("model");
    let job = ServeJob {
        model,
        name: name.to_owned(),
        weights: Answering::of(&recipe),
        max_batch: args.max_batch.get(),
        kv_memory: args.kv_memory.or_else(|| quarter_of_device(&recipe)),
        limits: args.limits.limits(),
        access,
        listener,
    };
    dispatch(recipe.run.backend, job)
}

struct ServeJob {
    model: ModelDir,
    name: String,
    weights: Answering,
    max_batch: usize,
    kv_memory: Option<f64>,
    limits: Limits,
    access: Access,
    listener: TcpListener,
}

impl Task for ServeJob {
    type Output = ();
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<()> {
        let model = self
            .model
            .load_to_answer::<Inner<B>>(device, self.weights)?;
        let mut server = Server::new(model, self.model.tokenizer()?)
            .name(&self.name)
            .max_batch(self.max_batch)
            .limits(self.limits)
            .access(self.access);
        if let Some(gib) = self.kv_memory {
            server = server.kv_memory((gib * GIB) as usize);
        }
        let server = server.listen(self.listener)?;
        announce(&self.name, server.address(), self.kv_memory);
        Ok(server.run(interrupt::token())?)
    }
}

fn announce(name: &str, address: SocketAddr, kv_memory: Option<f64>) {
    println!("http://{address}/v1");
    let cache = kv_memory.map(|gib| format!(", with a cache of at most {gib:.1} GiB"));
    rner_cli::say!(
        "serving {name}{}; stop with Ctrl-C",
        cache.unwrap_or_default()
    );
}
