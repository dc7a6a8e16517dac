//! Which folders may be read as adapters.

use std::path::{Path, PathBuf};

use axum::http::StatusCode;

use crate::failure::{Failure, wrong};

/// The files of an adapter of PEFT.
const FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Most bytes of an adapter's name.
const NAME: usize = 256;

/// Refuses a name that would burden every list of the models.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    if (1..=NAME).contains(&name.len()) {
        return Ok(());
    }
    let found = name.len();
    Err(wrong(format!(
        "lora_name: expected 1 to {NAME} bytes, found {found}"
    )))
}

/// The folder that a client means, if it lies below `root` and has the regular files of an adapter there: no device or
/// pipe that would be read for ever, and no link that leads out. Whatever is wrong has the same words, so that nobody
/// learns which paths there are.
///
/// What is exchanged between this look and the reading is not seen: only those who may ask should be able to write
/// below `root`.
pub(crate) fn find(root: Option<&Path>, path: &Path) -> Result<PathBuf, Failure> {
    let Some(root) = root else {
        return Err(Failure(
            StatusCode::FORBIDDEN,
            "adapters are not loaded: the server was started without --adapter-root".into(),
        ));
    };
    below(root, path).ok_or_else(|| {
        Failure(
            StatusCode::BAD_REQUEST,
            "lora_path: expected a folder below the server's --adapter-root with the regular files \
             adapter_config.json and adapter_model.safetensors"
                .into(),
        )
    })
}

fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let inside = |path: &Path| {
        path.canonicalize()
            .ok()
            .filter(|path| path.starts_with(&root))
    };
    let dir = inside(&root.join(path))?;
    let is_file = |name: &&str| inside(&dir.join(name)).is_some_and(|file| file.is_file());
    FILES.iter().all(is_file).then_some(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_below_the_root_are_an_adapter() -> std::io::Result<()> {
        let outer = tempfile::tempdir()?;
        let root = outer.path().join("root");
        let write = |dir: &Path| {
            std::fs::create_dir_all(dir)?;
            FILES
                .iter()
                .try_for_each(|name| std::fs::write(dir.join(name), "{}"))
        };
        let (good, outside) = (root.join("good"), outer.path().join("outside"));
        write(&good)?;
        write(&outside)?;
        std::fs::create_dir(root.join("empty"))?;
        assert!(below(&root, Path::new("good")).is_some() && below(&root, &good).is_some());
        for bad in ["../outside", "empty", "absent", "good/adapter_config.json"] {
            assert_eq!(below(&root, Path::new(bad)), None, "{bad}");
        }
        assert_eq!(below(&root, &outside), None);
        assert!(find(None, &good).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&outside, root.join("link"))?;
            assert_eq!(below(&root, Path::new("link")), None);
            std::fs::remove_file(good.join(FILES[1]))?;
            std::os::unix::fs::symlink("/dev/zero", good.join(FILES[1]))?;
            assert_eq!(below(&root, &good), None);
            std::fs::remove_file(good.join(FILES[1]))?;
            // A socket is no regular file either, and needs no program to make.
            let _socket = std::os::unix::net::UnixListener::bind(good.join(FILES[1]))?;
            assert_eq!(below(&root, &good), None);
        }
        Ok(())
    }
}
