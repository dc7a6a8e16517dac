//! The program as a user meets it: wrong input, interruption, exit codes.

mod cli {
    mod bad_input;
    #[cfg(unix)]
    mod bulk;
    mod cot;
    #[cfg(unix)]
    mod cot_crash;
    mod data;
    mod dial;
    mod eval;
    mod eval_ways;
    mod export;
    mod extract;
    mod families;
    #[cfg(unix)]
    mod finished;
    #[cfg(unix)]
    mod folders;
    mod grpo;
    #[cfg(unix)]
    mod interruption;
    mod lab;
    mod model_prompt;
    mod preflight;
    mod promise;
    mod real_run;
    mod real_run_docs;
    mod rows;
    mod run_folder;
    mod serve;
    mod server;
    mod structures;
    mod support;
}
