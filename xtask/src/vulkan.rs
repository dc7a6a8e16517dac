//! The tests of the CubeCL kernels, which need a Vulkan device, if only one in software.

use std::path::Path;

/// The tests that the kernels share with Flex, on Vulkan. The crate is built without optimisation for them: it compiles
/// all of Burn's generic kernels, and the device does the work.
pub(crate) const TEST: &[&str] = &[
    "test",
    "--locked",
    "--release",
    "-p",
    "lm-kernels",
    "--features",
    "vulkan",
    "--test",
    "kernels",
    "--config",
    "profile.release.package.lm-kernels.opt-level=0",
];

/// Where the Vulkan loader looks for descriptions of drivers on Linux.
const FOLDERS: [&str; 3] = [
    "/usr/share/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
];

/// Variables that name drivers to the loader.
const VARIABLES: [&str; 3] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"];

/// Whether a Vulkan driver is installed; says so if none is.
pub(crate) fn is_there() -> bool {
    let named = VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let found = named || FOLDERS.iter().any(|folder| has_driver(Path::new(folder)));
    if !found {
        eprintln!(
            "warning: no Vulkan driver in {}: the CubeCL kernels were NOT tested; \
             install mesa-vulkan-drivers and libvulkan1",
            FOLDERS.join(", ")
        );
    }
    found
}

/// Whether a folder describes a driver.
fn has_driver(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    let description = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    };
    entries.flatten().any(|entry| description(&entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_a_description_in_json() -> std::io::Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-icd-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        assert!(!has_driver(&folder.join("nothing")));
        assert!(!has_driver(&folder));
        std::fs::write(folder.join("lvp_icd.json"), "{}")?;
        assert!(has_driver(&folder));
        std::fs::remove_dir_all(folder)
    }
}
