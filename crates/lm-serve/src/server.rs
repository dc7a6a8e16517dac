//! The server: one thread with the weights, and the HTTP side beside it.
//!
//! One thread owns the weights. Requests for one model join those that are generated, step by step; one for another
//! model waits until they are done. Adapters of PEFT are loaded while it runs, which is how a trainer elsewhere keeps
//! its rollouts up to date.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};

use axum::Router;
use lm_generate::CachePool;
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, Qwen3};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::connections;
use crate::error::Error;
use crate::http::{Shared, router};
use crate::limits::Limits;
use crate::request::Known;
use crate::worker::{Signs, Worker};

/// A model that is to be served.
#[derive(Debug)]
pub struct Server<B: LmOps> {
    model: Qwen3<B>,
    tokenizer: ChatTokenizer,
    name: String,
    max_batch: usize,
    kv_memory: Option<usize>,
    limits: Limits,
    access: Access,
}

impl<B: LmOps> Server<B> {
    /// A server of this model, which is asked for as `model`; 32 completions grow at once.
    pub fn new(model: Qwen3<B>, tokenizer: ChatTokenizer) -> Self {
        Self {
            model,
            tokenizer,
            name: "model".to_owned(),
            max_batch: 32,
            kv_memory: None,
            limits: Limits::default(),
            access: Access::default(),
        }
    }

    /// Under another name.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// With another number of completions that grow at once, at least one.
    pub fn max_batch(self, max_batch: usize) -> Self {
        Self {
            max_batch: max_batch.max(1),
            ..self
        }
    }

    /// With a limit of the key-value cache in bytes. Requests that do not fit alone are refused, others wait until
    /// there is room; without a limit the cache grows as the completions do.
    pub fn kv_memory(self, bytes: usize) -> Self {
        Self {
            kv_memory: Some(bytes),
            ..self
        }
    }

    /// With other limits of what clients may ask for.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// For others than the programs of this machine, with a key, or with adapters.
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Opens the address. Port 0 takes a free one, which [`BoundServer::address`] tells.
    ///
    /// # Errors
    /// If the address is taken, or not this machine's.
    pub fn bind(self, address: impl Into<SocketAddr>) -> Result<BoundServer<B>, Error> {
        let address = address.into();
        let listener = TcpListener::bind(address);
        self.listen(listener.map_err(|source| Error::Listen { address, source })?)
    }

    /// Takes a socket that is open already, such as one that was opened before the model was loaded.
    ///
    /// # Errors
    /// If the socket is none.
    pub fn listen(self, listener: TcpListener) -> Result<BoundServer<B>, Error> {
        let address = listener.local_addr()?;
        Ok(BoundServer {
            server: self,
            listener,
            address,
        })
    }
}

/// A server with its address.
#[derive(Debug)]
pub struct BoundServer<B: LmOps> {
    server: Server<B>,
    listener: TcpListener,
    address: SocketAddr,
}

impl<B: LmOps> BoundServer<B> {
    /// Where it can be asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled; this thread does the work. Requests that are still open then are cut off.
    ///
    /// # Errors
    /// If the system has no more threads or sockets.
    pub fn run(self, stop: &CancellationToken) -> Result<(), Error> {
        let Server {
            model,
            tokenizer,
            name,
            max_batch,
            kv_memory,
            limits,
            access,
        } = self.server;
        let (jobs, waiting) = mpsc::channel();
        let known = Known {
            tokenizer: tokenizer.clone(),
            positions: model.config().max_positions(),
            vocabulary: model.config().vocab_size,
            limits: limits.clone(),
        };
        let signs = Arc::new(Signs::new(&name));
        let router = router(
            Shared::new(known, access.adapter_root.clone(), Arc::clone(&signs), jobs),
            access,
        );
        let runtime = start(self.listener, router, limits)?;
        let worker = Worker {
            base: model,
            name,
            adapted: BTreeMap::new(),
            tokenizer: &tokenizer,
            max_batch,
            pool: kv_memory.map_or_else(CachePool::new, CachePool::with_limit),
            signs,
            stop,
        };
        worker.run(&waiting);
        runtime.shutdown_background();
        Ok(())
    }
}

/// Starts the HTTP side in a thread of its own.
fn start(listener: TcpListener, router: Router, limits: Limits) -> io::Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    listener.set_nonblocking(true)?;
    let entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    drop(entered);
    runtime.spawn(connections::serve(listener, router, limits));
    Ok(runtime)
}
