use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Immutable bytes that share one buffer: cloning or slicing copies no data.
///
/// A reader decodes many payloads out of one page or one read buffer; each payload keeps the whole
/// buffer alive, so whoever retains single payloads for long should call [`SharedBytes::detached`].
#[derive(Clone, Default)]
pub struct SharedBytes {
    /// `None` only for the default, so that an empty value costs no allocation.
    buffer: Option<Arc<Vec<u8>>>,
    start: usize,
    end: usize,
}

impl SharedBytes {
    /// Returns the part `range` (in bytes) of these bytes, or `None` when it reaches outside.
    pub fn slice(&self, range: Range<usize>) -> Option<SharedBytes> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        Some(SharedBytes {
            buffer: self.buffer.clone(),
            start: self.start + range.start,
            end: self.start + range.end,
        })
    }

    /// Returns a copy that keeps nothing but its own bytes alive.
    pub fn detached(&self) -> SharedBytes {
        SharedBytes::from(self.to_vec())
    }

    /// Bytes of the whole shared buffer that this value keeps alive.
    pub fn held_bytes(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.capacity())
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        SharedBytes { buffer: Some(Arc::new(bytes)), start: 0, end }
    }
}

impl From<Arc<Vec<u8>>> for SharedBytes {
    fn from(buffer: Arc<Vec<u8>>) -> Self {
        let end = buffer.len();
        SharedBytes { buffer: Some(buffer), start: 0, end }
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> Self {
        SharedBytes::from(bytes.to_vec())
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let buffer = self.buffer.as_deref().map_or(&[][..], Vec::as_slice);
        buffer.get(self.start..self.end).unwrap_or_default()
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedBytes {}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::SharedBytes;

    #[test]
    fn slices_share_the_buffer_and_stay_inside_it() {
        let whole = SharedBytes::from(vec![1, 2, 3, 4, 5]);
        let part = whole.slice(1..4).expect("inside");
        assert_eq!(&*part, &[2, 3, 4]);
        assert_eq!(&*part.slice(1..2).expect("inside"), &[3]);
        assert!(part.slice(0..4).is_none());
        assert_eq!(part.held_bytes(), whole.held_bytes());
        assert_eq!(part.detached().held_bytes(), 3);
    }
}
