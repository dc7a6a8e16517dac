//! One memory-mapped safetensors file.
//!
//! Format: eight bytes with the length of the header, little-endian; the header, a JSON object
//! from names to type, shape and place; the data. <https://huggingface.co/docs/safetensors>

use std::fs::File;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use half::{bf16, f16};
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use safetensors::tensor::{Dtype, Metadata};
use safetensors::{SafeTensorError, SafeTensors};

use crate::error::{Error, Result};
use crate::precision::Precision;

/// Length of the field that holds the length of the header.
const PREFIX: u64 = 8;

/// A checked file: every tensor lies inside the data, none overlaps another, no byte is unused.
pub(super) struct Shard {
    pub(super) path: PathBuf,
    map: Mmap,
    metadata: Metadata,
    data_start: usize,
}

/// One tensor of a file.
#[derive(PartialEq)]
pub(super) struct Entry<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl Entry<'_> {
    /// The shape that the file states.
    pub(super) fn shape(&self) -> &[usize] {
        self.shape
    }
}

impl Shard {
    /// Maps and checks a file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path, "open"))?;
        // SAFETY: the map is only read. Another process that shortened or rewrote the file
        // meanwhile would break it; checkpoints are replaced by renaming, never in place.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path, "map"))?;
        refuse_other_formats(path, &map)?;
        let (header, metadata) =
            SafeTensors::read_metadata(&map).map_err(|error| explain(path, &map, error))?;
        Ok(Self {
            path: path.to_owned(),
            map,
            metadata,
            data_start: header + PREFIX as usize,
        })
    }

    /// The names of the tensors in the file.
    pub(super) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// A tensor as it is stored, or nothing if it is not there.
    pub(super) fn entry(&self, name: &str) -> Option<Entry<'_>> {
        let info = self.metadata.info(name)?;
        let (start, end) = info.data_offsets;
        Some(Entry {
            dtype: info.dtype,
            shape: &info.shape,
            bytes: self
                .map
                .get(self.data_start + start..self.data_start + end)?,
        })
    }

    /// The values of a tensor in the given precision.
    pub(super) fn values(
        &self,
        name: &str,
        shape: &[usize],
        precision: Precision,
    ) -> Result<TensorData> {
        match precision {
            Precision::F32 => {
                let values = self.converted(name, shape, widen)?;
                Ok(TensorData::new(values, shape))
            }
            Precision::Bf16 => {
                let values = self.converted(name, shape, narrow)?;
                Ok(TensorData::new(values, shape))
            }
        }
    }

    /// The values of a tensor, widened to single precision.
    pub(super) fn wide(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.converted(name, shape, widen)
    }

    /// The values of a tensor by `convert`, which knows the three formats.
    fn converted<T>(
        &self,
        name: &str,
        shape: &[usize],
        convert: impl Fn(Dtype, &[u8]) -> Option<Vec<T>>,
    ) -> Result<Vec<T>> {
        let Some(entry) = self.entry(name) else {
            return Err(Error::MissingTensors {
                path: self.path.clone(),
                names: vec![name.to_owned()],
                found: Vec::new(),
            });
        };
        if entry.shape != shape {
            return Err(Error::WrongShape {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: entry.shape.to_vec(),
            });
        }
        let converted = convert(entry.dtype, entry.bytes);
        self.release(entry.bytes);
        converted.ok_or_else(|| Error::WrongDtype {
            path: self.path.clone(),
            name: name.to_owned(),
            found: entry.dtype.to_string(),
        })
    }

    /// Gives back the memory of bytes that will not be read again. They would be read from the file anew.
    #[cfg(unix)]
    fn release(&self, bytes: &[u8]) {
        let offset = bytes.as_ptr() as usize - self.map.as_ptr() as usize;
        // SAFETY: the map is a read-only view of a file, so dropping its pages changes no byte of it. Failure only
        // means that the memory is kept.
        let released = unsafe {
            self.map
                .unchecked_advise_range(UncheckedAdvice::DontNeed, offset, bytes.len())
        };
        drop(released);
    }

    /// Other systems take the memory back when they need it.
    #[cfg(not(unix))]
    fn release(&self, _: &[u8]) {}
}

/// Little-endian numbers as single precision, or nothing for other formats than the three.
fn widen(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || bytes.as_chunks::<2>().0.iter();
    match dtype {
        Dtype::F32 => Some(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&x| f32::from_le_bytes(x))
                .collect(),
        ),
        Dtype::F16 => Some(halves().map(|&x| f16::from_le_bytes(x).to_f32()).collect()),
        Dtype::BF16 => Some(halves().map(|&x| bf16::from_le_bytes(x).to_f32()).collect()),
        _ => None,
    }
}

/// Little-endian numbers as BF16, rounded to the nearest, or nothing for other formats than the three.
fn narrow(dtype: Dtype, bytes: &[u8]) -> Option<Vec<bf16>> {
    match dtype {
        Dtype::BF16 => {
            let halves = bytes.as_chunks::<2>().0.iter();
            Some(halves.map(|&x| bf16::from_le_bytes(x)).collect())
        }
        _ => widen(dtype, bytes).map(|wide| wide.into_iter().map(bf16::from_f32).collect()),
    }
}

/// The format has no magic number, but the files that people mistake for it have.
fn refuse_other_formats(path: &Path, map: &[u8]) -> Result<()> {
    const OTHERS: [(&[u8], &str); 4] = [
        (
            b"version https://git-lfs",
            "a Git LFS pointer; fetch the file itself, `git lfs pull`",
        ),
        (b"PK\x03\x04", "a zip archive, as `torch.save` writes"),
        (b"GGUF", "a GGUF file, as llama.cpp reads"),
        (b"<", "markup; perhaps the error page of a download"),
    ];
    // A safetensors file has an opening brace as its ninth byte, whatever the first eight say.
    if map.get(PREFIX as usize) == Some(&b'{') {
        return Ok(());
    }
    match OTHERS.iter().find(|(magic, _)| map.starts_with(magic)) {
        Some((_, found)) => Err(not_safetensors(path, format!("found {found}"))),
        None => Ok(()),
    }
}

fn not_safetensors(path: &Path, found: String) -> Error {
    Error::NotSafetensors {
        path: path.to_owned(),
        found,
    }
}

/// Says what is wrong in terms of the file, from what the parser says.
fn explain(path: &Path, map: &[u8], error: SafeTensorError) -> Error {
    let found = map.len() as u64;
    let header = map.first_chunk().map(|&prefix| u64::from_le_bytes(prefix));
    match (error, header) {
        (SafeTensorError::HeaderTooSmall, _) | (_, None) => {
            truncated(path, "header", PREFIX, found)
        }
        (SafeTensorError::HeaderTooLarge, Some(length)) => not_safetensors(
            path,
            format!("its first eight bytes announce a header of {length} bytes"),
        ),
        (SafeTensorError::InvalidHeaderLength, Some(length)) => {
            truncated(path, "header", length.saturating_add(PREFIX), found)
        }
        (SafeTensorError::InvalidHeader(error), _) => {
            not_safetensors(path, format!("the header is not UTF-8: {error}"))
        }
        (SafeTensorError::InvalidHeaderDeserialization(error), _) => not_safetensors(
            path,
            format!("the header is not the expected JSON: {error}"),
        ),
        (SafeTensorError::MetadataIncompleteBuffer, Some(length)) => {
            wrong_length(path, map, length)
        }
        (SafeTensorError::InvalidOffset(name), _) => bad_header(
            path,
            format!(
                "the data of tensor `{name}` overlaps another, leaves a gap or ends before it begins"
            ),
        ),
        (SafeTensorError::TensorInvalidInfo, _) => bad_header(
            path,
            "a tensor's shape and type do not match the length of its data".to_owned(),
        ),
        (error, _) => bad_header(path, error.to_string()),
    }
}

/// The tensors end elsewhere than the file does.
fn wrong_length(path: &Path, map: &[u8], header: u64) -> Error {
    let found = (map.len() as u64).saturating_sub(PREFIX + header);
    match announced_data(map, header) {
        Some(expected) if expected > found => truncated(path, "data", expected, found),
        Some(expected) => bad_header(
            path,
            format!("the tensors take {expected} bytes of data, the file has {found}"),
        ),
        None => bad_header(
            path,
            format!("the tensors do not cover the {found} bytes of data"),
        ),
    }
}

/// The end of the last tensor by a header that the parser has already read once.
fn announced_data(map: &[u8], header: u64) -> Option<u64> {
    let end = usize::try_from(PREFIX.checked_add(header)?).ok()?;
    let json: serde_json::Value = serde_json::from_slice(map.get(PREFIX as usize..end)?).ok()?;
    let ends = json
        .as_object()?
        .values()
        .filter_map(|tensor| tensor["data_offsets"][1].as_u64());
    ends.max()
}

fn truncated(path: &Path, part: &'static str, expected: u64, found: u64) -> Error {
    Error::Truncated {
        path: path.to_owned(),
        part,
        expected,
        found,
    }
}

fn bad_header(path: &Path, reason: String) -> Error {
    Error::BadHeader {
        path: path.to_owned(),
        reason,
    }
}
