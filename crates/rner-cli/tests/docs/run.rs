//! Runs the blocks of one page in a folder of their own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::expect::difference;

/// The longest time of one script. The limit is for what hangs; it is no promise.
const LIMIT: Duration = Duration::from_secs(300);

/// A folder with the program on its path, and with links to what a clone of the repository has.
pub(crate) struct Folder {
    home: tempfile::TempDir,
    path: String,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        for name in ["fixtures", "scripts"] {
            let target = root
                .join(name)
                .canonicalize()
                .expect("a folder of the clone");
            std::os::unix::fs::symlink(target, home.path().join(name)).expect("a link");
        }
        let program = PathBuf::from(env!("CARGO_BIN_EXE_rner"));
        let beside = program.parent().expect("a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            path: format!("{beside}:{path}"),
            home,
        }
    }

    /// Runs a script, which must end well.
    pub(crate) fn script(&self, text: &str) -> Result<(), String> {
        let (printed, is_success) = self.bash(text)?;
        if is_success {
            Ok(())
        } else {
            Err(format!("the script fails:\n{printed}"))
        }
    }

    /// Runs the commands of a `console` block, and compares.
    pub(crate) fn console(&self, text: &str) -> Result<(), String> {
        for (command, expected) in commands(text) {
            if let Some(file) = self.shown_file(&command) {
                let text = expected.join("\n") + "\n";
                std::fs::write(file, text).map_err(|error| error.to_string())?;
                continue;
            }
            let (printed, is_success) = self.bash(&command)?;
            let found: Vec<_> = printed.lines().collect();
            if let Some(difference) = difference(&expected, &found) {
                return Err(format!("`{command}`: {difference}"));
            }
            let says_so = expected.iter().any(|line| line.starts_with("error"));
            if is_success == says_so {
                return Err(format!("`{command}`: success {is_success}"));
            }
        }
        Ok(())
    }

    /// The file that a page makes by showing it.
    fn shown_file(&self, command: &str) -> Option<PathBuf> {
        let file = self.home.path().join(command.strip_prefix("cat ")?);
        (!file.exists()).then_some(file)
    }

    /// What a script prints to both its outputs, and whether it ended well. What it leaves running is ended.
    pub(crate) fn bash(&self, text: &str) -> Result<(String, bool), String> {
        let printed = self.home.path().join(".printed");
        let out = std::fs::File::create(&printed).map_err(|error| error.to_string())?;
        let both = out.try_clone().map_err(|error| error.to_string())?;
        let mut child = Command::new("bash")
            .args(["-euo", "pipefail", "-c", text])
            .current_dir(self.home.path())
            .env("PATH", &self.path)
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(both)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("bash: {error}"))?;
        let ended = wait(&mut child);
        let group = format!("-{}", child.id());
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let printed = std::fs::read_to_string(&printed).map_err(|error| error.to_string())?;
        match ended {
            Some(is_success) => Ok((printed, is_success)),
            None => Err(format!("not done after {} s:\n{printed}", LIMIT.as_secs())),
        }
    }
}

/// Whether it ended well; `None` if it did not end.
fn wait(child: &mut Child) -> Option<bool> {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status.success());
        }
        if Instant::now() > until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The commands of a `console` block with their outputs. A command goes on where its line ends in `\`.
pub(crate) fn commands(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut commands: Vec<(String, Vec<&str>)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let goes_on = line.ends_with('\\');
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => {
                commands.push((command.into(), Vec::new()));
                is_open = goes_on;
            }
            (None, Some((command, _))) if is_open => {
                *command += "\n";
                *command += line;
                is_open = goes_on;
            }
            (None, Some((_, output))) => output.push(line),
            (None, None) => {}
        }
    }
    commands
}
