//! Training runs of tiny models on the CPU backend: what the trainer promises, end to end.

mod accumulation;
mod concurrent;
mod contradiction;
mod damage;
mod evaluation;
mod examples;
mod failure;
mod known_gradient;
mod learning;
mod optimizer;
mod parallel;
mod resume;
mod support;
mod trajectory;
