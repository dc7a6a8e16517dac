//! The workspace as cargo sees it: its root, its packages, and cargo itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Where the workspace lies; every path of a finding is relative to it.
pub(crate) struct Workspace {
    /// Folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
}

/// The part of `cargo metadata --no-deps` that the tasks read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// A member of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A direct dependency of a member, of any kind (normal, dev or build).
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Set for dependencies inside the workspace only.
    pub(crate) path: Option<PathBuf>,
}

impl Workspace {
    /// Finds the root from the place of this crate's manifest, so that the
    /// tasks work from any folder of the tree.
    pub(crate) fn locate() -> Result<Self> {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .parent()
            .map(Path::to_path_buf)
            .with_context(|| format!("{} has no parent folder", manifest_dir.display()))?;
        if !root.join("Cargo.toml").is_file() {
            bail!(
                "{}: expected the workspace's Cargo.toml here",
                root.display()
            );
        }
        Ok(Self { root })
    }

    /// A cargo command in the root, with the environment of a cargo called from a shell.
    ///
    /// `cargo run` describes the running package in variables such as
    /// `CARGO_PKG_NAME`. Build scripts that watch them (ring's does) would be
    /// rerun on every change between `cargo` and `cargo xtask`.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(describes_running_package) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Members and target folder, without resolving anything outside the workspace.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let mut command = self.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.output().context("cannot start cargo metadata")?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!(
                "cargo metadata failed ({}): {}",
                output.status,
                reason.trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("cannot read the output of cargo metadata")
    }

    /// `path` relative to the root with forward slashes, as findings name it.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        inside.to_string_lossy().replace('\\', "/")
    }
}

fn describes_running_package(variable: &str) -> bool {
    const EXACT: [&str; 5] = [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
    ];
    variable.starts_with("CARGO_PKG_") || EXACT.contains(&variable)
}

/// The command as one would type it.
pub(crate) fn shown(args: &[&str]) -> String {
    let quoted = args.iter().map(|arg| {
        if arg.contains(' ') {
            format!("\"{arg}\"")
        } else {
            (*arg).to_owned()
        }
    });
    std::iter::once("cargo".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_user_reach_the_inner_cargo() {
        assert!(describes_running_package("CARGO_PKG_VERSION_MAJOR"));
        assert!(describes_running_package("CARGO_MANIFEST_DIR"));
        for kept in ["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_BUILD_JOBS", "PATH"] {
            assert!(!describes_running_package(kept), "{kept}");
        }
    }

    #[test]
    fn metadata_lists_this_crate_with_its_manifest() {
        let workspace = Workspace::locate().expect("a workspace");
        let metadata = workspace.metadata().expect("metadata");
        let own = metadata
            .packages
            .iter()
            .find(|package| package.name == "xtask");
        let manifest = &own.expect("xtask is a member").manifest_path;
        assert_eq!(workspace.relative(manifest), "xtask/Cargo.toml");
    }
}
