//! Conversions between tensors and the primitives that backends work on.

use burn::tensor::{
    DType, Int, Tensor, TensorData, TensorPrimitive,
    backend::Backend,
    ops::{FloatTensor, IntTensor, QuantizedTensor},
};

/// The tensor of a float primitive. The caller knows its rank.
pub(crate) fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// The float primitive of a tensor.
pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// The values of a quantised primitive. The caller knows its rank.
pub(crate) fn dequantized<B: Backend, const D: usize>(
    primitive: QuantizedTensor<B>,
) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::QFloat(primitive)).dequantize()
}

/// The tensor of an integer primitive. The caller knows its rank.
pub(crate) fn ints<B: Backend, const D: usize>(primitive: IntTensor<B>) -> Tensor<B, D, Int> {
    Tensor::from_primitive(primitive)
}

/// Two columns `[T]` as the rows of one tensor `[2, T]`.
pub(crate) fn stacked<B: Backend>(rows: [FloatTensor<B>; 2]) -> FloatTensor<B> {
    let rows = rows.map(tensor::<B, 1>);
    primitive(Tensor::stack::<2>(rows.into(), 0))
}

/// A one-dimensional integer tensor of indices.
pub(crate) fn indices<B: Backend>(values: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    Tensor::from_data(TensorData::from(values.as_slice()), device)
}

/// `x` in 32 bits, or 64 if it has them, in which sums and exponentials are taken whatever the storage type.
pub(crate) fn full<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    match x.dtype() {
        DType::F64 => x,
        _ => x.cast(DType::F32),
    }
}
