//! The one place that names concrete backends.
//!
//! A command is written once, generic over the backend, as a [`Task`];
//! [`dispatch`] runs it on the backend that the user chose, if this program was
//! built with it.

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend, Device as DeviceKind, DeviceOps};
use lm_kernels::TrainBackend;

use crate::error::{Error, Result};
use crate::recipe;

/// The backend below an autodiff backend.
pub type Inner<B> = <B as AutodiffBackend>::InnerBackend;
/// The device of a backend.
pub type Device<B> = <B as burn::tensor::backend::BackendTypes>::Device;

/// A piece of work that is generic over the backend.
pub trait Task {
    /// What it gives back.
    type Output;
    /// Why it could not; [`Error`] for the tasks of this library.
    type Error: From<Error>;

    /// Does the work on a device of the backend.
    ///
    /// # Errors
    /// What the task says.
    fn run<B>(self, device: &Device<B>) -> Result<Self::Output, Self::Error>
    where
        B: TrainBackend;
}

/// Any CPU, for whoever needs no choice.
#[cfg(feature = "flex")]
pub use burn::backend::Flex;

/// Runs a task on a backend.
///
/// # Errors
/// Wrong usage if the program was built without the backend; otherwise the
/// task's own error.
pub fn dispatch<T: Task>(backend: recipe::Backend, task: T) -> Result<T::Output, T::Error> {
    match backend {
        #[cfg(feature = "flex")]
        recipe::Backend::Flex => task.run::<Autodiff<burn::backend::Flex>>(&Default::default()),
        #[cfg(feature = "libtorch")]
        recipe::Backend::Libtorch => {
            task.run::<Autodiff<burn::backend::LibTorch>>(&Default::default())
        }
        #[cfg(feature = "cuda")]
        recipe::Backend::Cuda => task.run::<Autodiff<burn::backend::Cuda>>(&Default::default()),
        #[cfg(feature = "vulkan")]
        recipe::Backend::Vulkan => task.run::<Autodiff<burn::backend::Vulkan>>(&Default::default()),
        #[allow(
            unreachable_patterns,
            reason = "reachable unless every backend is built in"
        )]
        missing => Err(not_built(missing).into()),
    }
}

/// Whether this program can compute on a backend.
pub const fn is_built(backend: recipe::Backend) -> bool {
    match backend {
        recipe::Backend::Flex => cfg!(feature = "flex"),
        recipe::Backend::Libtorch => cfg!(feature = "libtorch"),
        recipe::Backend::Cuda => cfg!(feature = "cuda"),
        recipe::Backend::Vulkan => cfg!(feature = "vulkan"),
    }
}

/// Refuses a backend that this program was built without.
///
/// # Errors
/// That, with the command that builds it in.
pub fn check_built(backend: recipe::Backend) -> Result<()> {
    if is_built(backend) {
        return Ok(());
    }
    Err(not_built(backend))
}

/// `count` devices of the kind of `first`. On a CPU backend they are all the same one, so that several workers
/// share it.
///
/// # Errors
/// Wrong usage if the machine has fewer, or if several workers would share a device of CubeCL, which computes wrong
/// sums then (`rner-lab parity` shows it, with the default bodies too).
pub fn devices<B: Backend>(first: &Device<B>, count: usize) -> Result<Vec<Device<B>>> {
    let id = first.id();
    let numbered = |index: usize| {
        let mut other = id;
        other.index_id += index as u16;
        <Device<B> as DeviceKind>::from_id(other)
    };
    let found: Vec<Device<B>> = (0..count).map(numbered).collect();
    let distinct = count > 1 && found[0] != found[1];
    if count > 1 && !distinct && B::name(first).contains("cubecl") {
        return Err(Error::Usage(format!(
            "hardware.gpus is {count}, but this backend's workers cannot share a device; use --set hardware.gpus=1"
        )));
    }
    let there = B::device_count(id.type_id);
    if distinct && there < count {
        return Err(Error::Usage(format!(
            "hardware.gpus is {count}, but there are {there} devices; \
             use --set hardware.gpus={there}"
        )));
    }
    Ok(found)
}

fn not_built(backend: recipe::Backend) -> Error {
    let name = backend.name();
    Error::Usage(format!(
        "this program was built without the backend {name}; \
         build it with: cargo build --release -p rner-cli --no-default-features --features {name}"
    ))
}
