//! One operation in the stream of the fusing backend.

use std::fmt;
use std::marker::PhantomData;

use burn::tensor::{
    DType, Shape, TensorMetadata,
    ops::{FloatTensor, IntTensor},
};
use burn_fusion::{
    Client, FusionBackend, FusionHandle, FusionTensor,
    stream::{Operation, OperationStreams},
};
use burn_ir::{BackendIr, CustomOpIr, HandleContainer, OperationIr, TensorIr};

use crate::bodies::Defaults;

/// A tensor of the fusing backend.
pub(super) type Lazy<B> = FusionTensor<<B as FusionBackend>::FusionRuntime>;

/// What an operation computes.
pub(super) enum Made<B: BackendIr> {
    Float(FloatTensor<B>),
    Int(IntTensor<B>),
}

/// The shape and type of an output.
pub(super) struct Like(pub(super) Shape, pub(super) DType);

impl Like {
    /// Those of another tensor.
    pub(super) fn of(tensor: &impl TensorMetadata) -> Self {
        Self(tensor.shape(), tensor.dtype())
    }

    /// A column of `len` numbers.
    pub(super) fn column(len: usize, dtype: DType) -> Self {
        Self(Shape::new([len]), dtype)
    }
}

/// An operation that waits for its turn in the stream: float inputs come first.
struct Call<B, F> {
    ir: CustomOpIr,
    floats: usize,
    run: F,
    /// Where the thread that asked for the operation counts default bodies; it runs on another.
    defaults: Defaults,
    backend: PhantomData<fn() -> B>,
}

impl<B, F> fmt::Debug for Call<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ir.id)
    }
}

impl<B, F> Operation<B::FusionRuntime> for Call<B, F>
where
    B: FusionBackend,
    F: Fn(Vec<FloatTensor<B>>, Vec<IntTensor<B>>) -> Vec<Made<B>> + Send + Sync,
{
    fn execute(&self, handles: &mut HandleContainer<FusionHandle<B::FusionRuntime>>) {
        let (floats, ints) = self.ir.inputs.split_at(self.floats);
        let floats = floats
            .iter()
            .map(|ir| handles.get_float_tensor::<B>(ir))
            .collect();
        let ints = ints
            .iter()
            .map(|ir| handles.get_int_tensor::<B>(ir))
            .collect();
        let made = self.defaults.counting(|| (self.run)(floats, ints));
        assert_eq!(
            made.len(),
            self.ir.outputs.len(),
            "{}: number of outputs",
            self.ir.id
        );
        for (made, ir) in made.into_iter().zip(&self.ir.outputs) {
            match made {
                Made::Float(tensor) => {
                    self.check(&tensor, ir);
                    handles.register_float_tensor::<B>(&ir.id, tensor);
                }
                Made::Int(tensor) => {
                    self.check(&tensor, ir);
                    handles.register_int_tensor::<B>(&ir.id, tensor);
                }
            }
        }
    }
}

impl<B, F> Call<B, F> {
    /// The stream has told others what the output looks like.
    fn check(&self, made: &impl TensorMetadata, promised: &TensorIr) {
        let (made, promised) = (
            (made.shape(), made.dtype()),
            (promised.shape.clone(), promised.dtype),
        );
        assert_eq!(
            made, promised,
            "{}: shape and type of an output",
            self.ir.id
        );
    }
}

/// Puts an operation into the stream; `run` is called with the same inputs when its turn comes, and its outputs must look like
/// those that are returned here. There is at least one float input.
pub(super) fn call<B: FusionBackend>(
    name: &'static str,
    floats: Vec<Lazy<B>>,
    ints: Vec<Lazy<B>>,
    outputs: Vec<Like>,
    run: impl Fn(Vec<FloatTensor<B>>, Vec<IntTensor<B>>) -> Vec<Made<B>> + Send + Sync + 'static,
) -> Vec<Lazy<B>>
where
    B: 'static,
{
    let client: Client<B::FusionRuntime> = floats[0].client.clone();
    let count = floats.len();
    let inputs: Vec<Lazy<B>> = floats.into_iter().chain(ints).collect();
    let streams = OperationStreams::with_inputs(&inputs);
    let inputs: Vec<TensorIr> = inputs.into_iter().map(FusionTensor::into_ir).collect();
    let output = |Like(shape, dtype)| TensorIr::uninit(client.create_empty_handle(), shape, dtype);
    let outputs: Vec<TensorIr> = outputs.into_iter().map(output).collect();
    let ir = CustomOpIr::new(name, &inputs, &outputs);
    let call = Call::<B, _> {
        ir: ir.clone(),
        floats: count,
        run,
        defaults: Defaults::of_this_thread(),
        backend: PhantomData,
    };
    client.register(streams, OperationIr::Custom(ir), call)
}

/// [`call`] of an operation between floats alone.
pub(super) fn floats<B: FusionBackend + 'static, const IN: usize, const OUT: usize>(
    name: &'static str,
    inputs: [Lazy<B>; IN],
    outputs: [Like; OUT],
    run: impl Fn([FloatTensor<B>; IN]) -> [FloatTensor<B>; OUT] + Send + Sync + 'static,
) -> [Lazy<B>; OUT] {
    let run = move |floats: Vec<FloatTensor<B>>, _| made(run(array(floats)));
    array(call::<B>(
        name,
        inputs.into(),
        Vec::new(),
        outputs.into(),
        run,
    ))
}

/// [`call`] of an operation with one tensor of integers.
pub(super) fn floats_and_ints<B: FusionBackend + 'static, const IN: usize, const OUT: usize>(
    name: &'static str,
    inputs: [Lazy<B>; IN],
    ints: Lazy<B>,
    outputs: [Like; OUT],
    run: impl Fn([FloatTensor<B>; IN], IntTensor<B>) -> [FloatTensor<B>; OUT] + Send + Sync + 'static,
) -> [Lazy<B>; OUT] {
    let run = move |floats: Vec<FloatTensor<B>>, ints: Vec<IntTensor<B>>| {
        let [ints] = array(ints);
        made(run(array(floats), ints))
    };
    array(call::<B>(
        name,
        inputs.into(),
        vec![ints],
        outputs.into(),
        run,
    ))
}

/// Float outputs.
pub(super) fn made<B: BackendIr>(
    outputs: impl IntoIterator<Item = FloatTensor<B>>,
) -> Vec<Made<B>> {
    outputs.into_iter().map(Made::Float).collect()
}

/// As many items as are wanted; the stream keeps their number.
pub(super) fn array<T, const N: usize>(items: Vec<T>) -> [T; N] {
    let found = items.len();
    items
        .try_into()
        .unwrap_or_else(|_| panic!("expected {N} tensors, found {found}"))
}
