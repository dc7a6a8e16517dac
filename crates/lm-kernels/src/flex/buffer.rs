//! Reading tensors as slices, writing outputs without clearing them first, and reusing scratch memory.

use std::{cell::Cell, mem::MaybeUninit};

use burn::{
    backend::Flex,
    tensor::{Bytes, DType, Shape, ops::FloatTensorOps},
};
use burn_flex::{FlexTensor, Layout};

/// A tensor as one dense slice of 32-bit floats.
pub(super) struct Input {
    tensor: FlexTensor,
    len: usize,
}

impl Input {
    /// Copies only when the tensor is a strided view or of another type.
    pub(super) fn new(tensor: FlexTensor) -> Self {
        let tensor = dense(tensor);
        Self {
            len: tensor.layout().num_elements(),
            tensor,
        }
    }

    pub(super) fn shape(&self) -> &Shape {
        self.tensor.layout().shape()
    }

    /// The size of dimension `dim`.
    pub(super) fn dim(&self, dim: usize) -> usize {
        self.shape()[dim]
    }
}

impl std::ops::Deref for Input {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // A dense tensor starts at offset 0 and may be shorter than its storage.
        &self.tensor.storage::<f32>()[..self.len]
    }
}

/// The tensor in 32 bits, dense, at the start of its storage.
fn dense(tensor: FlexTensor) -> FlexTensor {
    match tensor.dtype() {
        DType::F32 => tensor.to_contiguous(),
        _ => Flex::float_cast(tensor, DType::F32.into()).to_contiguous(),
    }
}

/// `tensor` in the type of the operation's input.
pub(super) fn cast(tensor: FlexTensor, dtype: DType) -> FlexTensor {
    if tensor.dtype() == dtype {
        tensor
    } else {
        Flex::float_cast(tensor, dtype.into())
    }
}

/// The values of an integer tensor.
pub(super) fn integers(tensor: FlexTensor) -> Vec<usize> {
    let tensor = tensor.to_contiguous();
    let len = tensor.layout().num_elements();
    match tensor.dtype() {
        DType::I32 => tensor.storage::<i32>()[..len]
            .iter()
            .map(|&x| x as usize)
            .collect(),
        DType::I64 => tensor.storage::<i64>()[..len]
            .iter()
            .map(|&x| x as usize)
            .collect(),
        other => panic!("indices: expected 32- or 64-bit integers, found {other:?}"),
    }
}

/// A tensor that is changed in place, or in a copy when its storage is shared.
pub(super) struct InPlace {
    tensor: FlexTensor,
    dtype: DType,
    len: usize,
}

impl InPlace {
    pub(super) fn new(tensor: FlexTensor) -> Self {
        let dtype = tensor.dtype();
        let tensor = dense(tensor);
        Self {
            len: tensor.layout().num_elements(),
            dtype,
            tensor,
        }
    }

    pub(super) fn dim(&self, dim: usize) -> usize {
        self.tensor.layout().shape()[dim]
    }

    pub(super) fn values(&mut self) -> &mut [f32] {
        &mut self.tensor.storage_mut::<f32>()[..self.len]
    }

    pub(super) fn finish(self) -> FlexTensor {
        cast(self.tensor, self.dtype)
    }
}

/// An output that has not been written yet. Clearing it first would cost as much as many of the operations.
pub(super) struct Output(Vec<f32>);

impl Output {
    pub(super) fn new(len: usize) -> Self {
        Self(Vec::with_capacity(len))
    }

    /// The memory to be written. `len` must be that of [`Output::new`].
    pub(super) fn slots(&mut self, len: usize) -> &mut [MaybeUninit<f32>] {
        &mut self.0.spare_capacity_mut()[..len]
    }

    /// The written output as a tensor.
    ///
    /// # Safety
    /// Every slot of the shape's elements has been written.
    pub(super) unsafe fn finish(mut self, shape: Shape) -> FlexTensor {
        let len = shape.num_elements();
        assert!(
            len <= self.0.capacity(),
            "output: shape {shape:?} exceeds the allocation"
        );
        // SAFETY: the capacity was checked and the caller has written the elements.
        unsafe { self.0.set_len(len) };
        tensor(self.0, shape)
    }
}

/// A tensor of the given values.
pub(super) fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape),
        DType::F32,
    )
}

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends `len` floats of unspecified value, kept between calls on this thread.
///
/// The buffer is taken out while it is lent, so a nested call, as when a waiting thread steals another task, finds none
/// and makes its own.
pub(super) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = f(&mut buffer[..len]);
    SCRATCH.set(buffer);
    result
}
