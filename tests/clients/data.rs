//! The bytes that large transfers carry, and temporary folders for them.

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

/// A temporary folder, removed when dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("keirin-clients-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of that many bytes of [`Pattern`].
    pub(crate) fn pattern_file(&self, name: &str, length: u64) -> PathBuf {
        let path = self.path(name);
        let mut file = fs::File::create(&path).unwrap();
        io::copy(&mut Pattern::new(length), &mut file).unwrap();
        file.flush().unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The bytes that the `stream` example sends: byte `i` is `i % 251`.
pub(crate) struct Pattern {
    position: u64,
    length: u64,
}

impl Pattern {
    const PERIOD: u64 = 251;

    pub(crate) fn new(length: u64) -> Self {
        Self {
            position: 0,
            length,
        }
    }

    /// Many periods, so that copies are long.
    fn block() -> &'static [u8] {
        static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
        BLOCK.get_or_init(|| (0..Self::PERIOD as u8).collect::<Vec<_>>().repeat(1024))
    }
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        let source = &Self::block()[(self.position % Self::PERIOD) as usize..];
        let count = buffer.len().min(source.len()).min(left);
        buffer[..count].copy_from_slice(&source[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

/// SHA-256 in lower-case hexadecimal, and the number of bytes.
pub(crate) fn sha256(mut bytes: impl Read) -> (String, u64) {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let count = bytes.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        total += count as u64;
    }
    let hex = hash
        .finalize()
        .into_iter()
        .map(|byte| format!("{byte:02x}"));
    (hex.collect(), total)
}
