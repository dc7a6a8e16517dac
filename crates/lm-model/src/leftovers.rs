//! Hidden files of writers that were killed: `.model.safetensors.4711-0.partial`, as `atomic-files` names what is not
//! complete yet.
//!
//! A writer holds no lock on its file, so what tells a leftover from a file in progress is whether the process in its
//! name lives. Folders that several machines write at once need a lock around them, as the runs of `rner` have.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// Where the system does not tell which processes live, a file that nobody has touched for so long is a leftover.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// When this process first prepared a folder. A file with its number that is older was written by an earlier process,
/// as numbers return: in a container every program has the same.
static FIRST: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Removes the leftovers in `dir`. What cannot be removed is in nobody's way, and the next call tries again.
pub(crate) fn clear(dir: &Path) {
    let first = *FIRST;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(writer_of) else {
            continue;
        };
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let is_leftover = changed.is_ok_and(|changed| is_abandoned(process, changed, first));
        if is_leftover && let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(file = %entry.path().display(), %error, "a leftover of a killed writer stays");
        }
    }
}

/// The process that writes the file of this name, if it is one in progress.
fn writer_of(name: &str) -> Option<u32> {
    let inner = name.strip_prefix('.')?.strip_suffix(".partial")?;
    let (target, writer) = inner.rsplit_once('.')?;
    let (process, number) = writer.split_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !target.is_empty())
        .then_some(process)?
        .parse()
        .ok()
}

/// Whether nobody writes the file any more that `process` has written last at `changed`.
fn is_abandoned(process: u32, changed: SystemTime, first: SystemTime) -> bool {
    let processes = Path::new("/proc");
    if process == std::process::id() {
        changed < first
    } else if processes.join("self").exists() {
        !processes.join(process.to_string()).exists()
    } else {
        changed.elapsed().is_ok_and(|age| age > ABANDONED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_in_progress_have_a_writer() {
        assert_eq!(writer_of(".model.safetensors.4711-0.partial"), Some(4711));
        for other in [
            "model.safetensors",
            ".model.safetensors.4711-0.removed",
            ".model.safetensors.mine.partial",
            ".model.safetensors.4711-.partial",
            ".4711-0.partial",
            ".partial",
        ] {
            assert_eq!(writer_of(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, "half").unwrap();
            path
        };
        let own = std::process::id();
        // No process has this number: Linux gives at most 2^22.
        let dead = write(format!(".model.safetensors.{}-0.partial", u32::MAX));
        let earlier = write(format!(".adapter_model.safetensors.{own}-77.partial"));
        let day = SystemTime::now() - 2 * ABANDONED;
        for path in [&dead, &earlier] {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(day).unwrap();
        }
        clear(dir.path());
        let ours = write(format!(".model.safetensors.{own}-78.partial"));
        let other = write(".notes.partial".into());
        clear(dir.path());
        assert!(!dead.exists() && !earlier.exists());
        assert!(ours.exists() && other.exists());
    }
}
