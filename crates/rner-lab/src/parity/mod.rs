//! `rner-lab parity`: this program against reference values of transformers, PEFT and PyTorch.
//!
//! A folder of reference values is recognised by the files in it, not by names or sizes, so values
//! of any seed, width, depth, head size or rank will do. Every part gives one or more lines; a part
//! whose files cannot be used gives a failed line with the reason, and the others still run.

mod adapter;
mod batch;
mod benchmark;
mod board;
mod compare;
mod files;
mod forward;
mod greedy;
mod grpo;
mod layout;
mod model;
mod prompt;
mod rotary;
mod sampling;
mod scorer;
mod trajectory;

use std::path::PathBuf;

use anyhow::Result;
use lm_kernels::TrainBackend;
use rner::backend::{Device, Task};
use rner_cli::interrupt;

use board::Board;
pub(crate) use layout::Layout;
use layout::{Kind, Part};

/// One comparison of everything in a folder.
pub(crate) struct ParityJob<'a> {
    /// What the folder holds.
    pub(crate) layout: &'a Layout,
    /// Where the datasets of the benchmark are.
    pub(crate) datasets: PathBuf,
    /// Whether to show JSON at the end and not lines as they come.
    pub(crate) json: bool,
}

impl Task for ParityJob<'_> {
    type Output = Board;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Board> {
        let mut board = Board::new(self.json);
        for part in self.layout.parts() {
            interrupt::check()?;
            if let Err(error) = self.run_part::<B>(part, device, &mut board) {
                interrupt::check()?;
                board.broken(&part.name, &error);
            }
        }
        for kind in self.layout.absent() {
            board.absent(kind.name(), kind.needs());
        }
        Ok(board)
    }
}

impl ParityJob<'_> {
    fn run_part<B: TrainBackend>(
        &self,
        part: &Part,
        device: &Device<B>,
        board: &mut Board,
    ) -> Result<()> {
        let layout = self.layout;
        match part.kind {
            Kind::Model => model::check::<B>(part, device, board),
            Kind::Adapter => adapter::check::<B>(layout, part, device, board),
            Kind::Trajectory => trajectory::check::<B>(layout, part, device, board),
            Kind::Sampling => sampling::check(part, board),
            Kind::Grpo => grpo::check(part, board),
            Kind::Prompt => prompt::check(layout, part, board),
            Kind::Scorer => scorer::check(part, board),
            Kind::Benchmark => benchmark::check(part, &self.datasets, board),
        }
    }
}
