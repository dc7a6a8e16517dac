//! Programs of somebody else: two workspaces outside of ours that import our crates by path, built and run.
//!
//! They are written into a temporary folder, so that nothing of this workspace (its lints, its profiles, its feature
//! unification) helps them. What they build is kept in `target/consumers`, and they take the versions of our lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Stands in a manifest for the root of this workspace.
const ROOT: &str = "@ROOT@";

/// A workspace of somebody else.
struct Consumer {
    name: &'static str,
    manifest: &'static str,
    main: &'static str,
    /// The one line that its program prints.
    prints: &'static str,
}

const CONSUMERS: [Consumer; 2] = [
    Consumer {
        name: "score",
        manifest: include_str!("../consumers/score/Cargo.toml.in"),
        main: include_str!("../consumers/score/main.rs.in"),
        prints: "reward F1 0.6667, schema 1.0; micro-F1 0.6667",
    },
    Consumer {
        name: "train",
        manifest: include_str!("../consumers/train/Cargo.toml.in"),
        main: include_str!("../consumers/train/main.rs.in"),
        prints: "fine-tuning: 30 steps, the loss fell: true; GRPO: 2 steps",
    },
];

/// Builds and runs all of them; true if each printed what it should.
pub(crate) fn pass(workspace: &Workspace) -> Result<bool> {
    let outside = std::env::temp_dir().join(format!("rner-consumers-{}", std::process::id()));
    let passed = CONSUMERS
        .iter()
        .map(|consumer| consumer.passes(workspace, &outside));
    let passed: Result<Vec<bool>> = passed.collect();
    // A leftover in the folder for temporary files harms nobody.
    std::fs::remove_dir_all(&outside).ok();
    Ok(passed?.into_iter().all(|passed| passed))
}

impl Consumer {
    fn passes(&self, workspace: &Workspace, outside: &Path) -> Result<bool> {
        let root = self.write(workspace, &outside.join(self.name))?;
        let output = self
            .command(workspace, &root)?
            .output()
            .context("cannot start cargo")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let passed = output.status.success() && printed.trim() == self.prints;
        if passed {
            eprintln!("consumer {}: {}", self.name, self.prints);
        } else {
            let reason = String::from_utf8_lossy(&output.stderr);
            eprintln!(
                "consumer {}: expected `{}`, found `{}`\n{}",
                self.name,
                self.prints,
                printed.trim(),
                reason.trim()
            );
        }
        Ok(passed)
    }

    /// Writes the workspace with our lock file, whose versions are on this machine already.
    fn write(&self, workspace: &Workspace, root: &Path) -> Result<PathBuf> {
        let source = root.join("src");
        std::fs::create_dir_all(&source).with_context(|| source.display().to_string())?;
        let ours = workspace.root.to_string_lossy().replace('\\', "/");
        let manifest = self.manifest.replace(ROOT, &ours);
        std::fs::write(root.join("Cargo.toml"), manifest)?;
        std::fs::write(source.join("main.rs"), self.main)?;
        std::fs::copy(workspace.root.join("Cargo.lock"), root.join("Cargo.lock"))?;
        Ok(root.to_owned())
    }

    fn command(&self, workspace: &Workspace, root: &Path) -> Result<Command> {
        let target = workspace.metadata()?.target_directory.join("consumers");
        let mut command = workspace.cargo(&["run", "--release", "--quiet"]);
        command.current_dir(root).env("CARGO_TARGET_DIR", target);
        // The pinned toolchain is that of the folder, which this one does not inherit.
        if let Some(toolchain) = std::env::var_os("RUSTUP_TOOLCHAIN") {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_names_our_crates_by_path_and_is_a_workspace_of_its_own() {
        for consumer in &CONSUMERS {
            assert!(consumer.manifest.contains(ROOT), "{}", consumer.name);
            assert!(
                consumer.manifest.contains("[workspace]"),
                "{}",
                consumer.name
            );
        }
    }
}
