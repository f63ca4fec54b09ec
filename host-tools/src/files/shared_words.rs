//! Words of a checked file that a backend uses where they lie. The map lives as long as a buffer uses the words.

use super::Mapped;
use std::{ops::Range, sync::Arc};

/// Words that stay where they lie in a map, which they keep alive.
#[derive(Debug)]
pub struct SharedWords {
    map: Arc<Mapped>,
    place: Range<usize>,
}

impl SharedWords {
    /// `None` if `part` is not in the map.
    pub fn of(map: &Arc<Mapped>, part: &[u32]) -> Option<Self> {
        Some(Self { map: map.clone(), place: map.place(bytemuck::cast_slice(part))? })
    }
}

impl AsRef<[u32]> for SharedWords {
    fn as_ref(&self) -> &[u32] {
        bytemuck::cast_slice(self.map.bytes().get(self.place.clone()).unwrap_or(&[])) // aligned: it was words before
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapped, SharedWords};
    use std::{fs, sync::Arc};

    #[test]
    fn words_outlive_every_other_use_of_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let words: Vec<u32> = (0..3000).collect();
        fs::write(&path, bytemuck::cast_slice(&words)).unwrap();
        let map = Arc::new(Mapped::open(&path).unwrap());
        let shared = SharedWords::of(&map, &bytemuck::cast_slice(map.bytes())[1000..2000]).unwrap();
        assert!(SharedWords::of(&map, &words).is_none());
        drop(map);
        fs::remove_file(&path).unwrap();
        assert_eq!(shared.as_ref(), &words[1000..2000]);
    }
}
