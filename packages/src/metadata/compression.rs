//! Metadata that are compressed with gzip, zstd, xz or bzip2, or not at all.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// KiB of memory that unpacking xz may take; its highest preset needs 65 MiB.
const XZ_MEMORY: u32 = 128 << 10;
/// Bytes of the window of zstd. `zstd --long` goes up to 128 MiB.
const ZSTD_WINDOW: u64 = 128 << 20;

/// The content of a file, unpacked; its first bytes say how it is compressed. More than `max` bytes are an error while
/// reading.
///
/// # Errors
///
/// The reader's, and zchunk, which is not read: a repository that has it also has the same file in another form.
pub fn unpacked<'a>(
    mut input: impl BufRead + Send + 'a,
    max: u64,
) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let start = input.fill_buf()?;
    let unpacked: Box<dyn Read + Send + 'a> = match start {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(input)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Zstd { input: Some(input), decoder: None }),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY))
        }
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        [0, b'Z', b'C', b'K', b'1', ..] => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "zchunk is not supported"));
        }
        _ => Box::new(input),
    };
    Ok(Box::new(BufReader::with_capacity(128 << 10, Bounded { inner: unpacked, left: max, max })))
}

/// Frames of zstd one after the other.
struct Zstd<R: BufRead> {
    input: Option<R>,
    decoder: Option<ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                let read = decoder.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.input = self.decoder.take().map(ruzstd::decoding::StreamingDecoder::into_inner);
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            if input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(input, ZSTD_WINDOW);
            self.decoder = Some(decoder.map_err(io::Error::other)?);
        }
    }
}

/// A reader that ends with an error after `max` bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
    max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {} bytes", self.max))
        })?;
        Ok(read)
    }
}
