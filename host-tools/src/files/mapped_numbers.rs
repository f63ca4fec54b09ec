//! Weights that stay where they lie in the map of a file: no copy, and the map lives as long as a matrix uses it.

use super::Mapped;
use polyformer_kernel::nn::{NumberSource, Numbers, Stored};
use std::{ops::Range, sync::Arc};

/// Numbers that stay where they lie in a map, which they keep alive.
#[derive(Debug)]
pub struct MappedNumbers {
    map: Arc<Mapped>,
    place: Range<usize>,
    form: Form,
}

/// The storage of numbers.
#[derive(Debug)]
enum Form {
    Single,
    Half,
    Int8 { scale: Vec<f32>, cols: usize },
}

impl MappedNumbers {
    fn of(map: &Arc<Mapped>, part: &[u8], form: Form) -> Option<Numbers<'static>> {
        let (map, place) = (map.clone(), map.place(part)?);
        Some(Numbers::Shared(Arc::new(Self { map, place, form })))
    }

    /// Half floats. `None` if `part` is not in the map.
    pub fn halves(map: &Arc<Mapped>, part: &[u8]) -> Option<Numbers<'static>> {
        Self::of(map, part, Form::Half)
    }

    /// Single floats. `None` if `part` is not in the map, or not aligned.
    pub fn singles(map: &Arc<Mapped>, part: &[u8]) -> Option<Numbers<'static>> {
        bytemuck::try_cast_slice::<u8, f32>(part).ok()?;
        Self::of(map, part, Form::Single)
    }

    /// Bytes, `cols` in a row, with a scale for each row. `None` if `part` is not in the map.
    pub fn int8(map: &Arc<Mapped>, part: &[u8], scale: Vec<f32>, cols: usize) -> Option<Numbers<'static>> {
        Self::of(map, part, Form::Int8 { scale, cols })
    }
}

impl NumberSource for MappedNumbers {
    fn numbers(&self) -> Numbers<'_> {
        let bytes = self.map.bytes().get(self.place.clone()).unwrap_or(&[]);
        match &self.form {
            Form::Single => Numbers::F32(Stored::Borrowed(bytemuck::try_cast_slice(bytes).unwrap_or(&[]))),
            Form::Half => Numbers::F16(Stored::Borrowed(bytes.as_chunks().0)),
            Form::Int8 { scale, cols } => Numbers::Int8 {
                values: Stored::Borrowed(bytemuck::cast_slice(bytes)),
                scale: Stored::Borrowed(scale),
                cols: *cols,
            },
        }
    }
}
