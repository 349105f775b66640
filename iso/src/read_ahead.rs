//! Reading a file from start to end while another thread reads ahead.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::image::ReadAt;
use crate::{Error, Result};

/// Bytes that are read at a time: they stay in the processor's cache.
const CHUNK: usize = 1 << 18;
/// Chunks in flight.
const CHUNKS: usize = 4;

/// Hands the first `end` bytes of `source` to `visit`, chunk by chunk with their position, until it breaks or the source
/// ends.
pub(crate) fn each_chunk(
    source: &dyn ReadAt,
    path: &Path,
    end: u64,
    mut visit: impl FnMut(u64, &mut [u8]) -> ControlFlow<()>,
) -> Result<()> {
    let (to_visitor, read) = sync_channel::<(Vec<u8>, usize)>(CHUNKS);
    let (to_reader, recycled) = sync_channel(CHUNKS);
    for _ in 0..CHUNKS {
        // The channel has room for all of them.
        let _ = to_reader.send(vec![0; CHUNK]);
    }
    let reader = move || -> io::Result<()> {
        let mut position = 0;
        while let Ok(mut chunk) = recycled.recv() {
            let most = usize::try_from(end - position).map_or(CHUNK, |rest| rest.min(CHUNK));
            let room = chunk.get_mut(..most).unwrap_or_default();
            let length = loop {
                match source.read_at(room, position) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    length => break length?,
                }
            };
            position += length as u64;
            if length == 0 || to_visitor.send((chunk, length)).is_err() {
                break;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let reader = scope.spawn(reader);
        let mut position = 0;
        for (mut chunk, length) in read {
            if visit(position, chunk.get_mut(..length).unwrap_or_default()).is_break() {
                break;
            }
            position += length as u64;
            // The reader may be at the end and gone.
            let _ = to_reader.send(chunk);
        }
        drop(to_reader);
        match reader.join() {
            Ok(result) => result.map_err(Error::io("read", path)),
            Err(_) => Err(Error::io("read", path)(io::Error::other("the reading thread panicked"))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_order() {
        let source: Vec<u8> = (0..3 * CHUNK as u32 + 7).map(|n| (n % 251) as u8).collect();
        for end in [0, 1, CHUNK as u64, 2 * CHUNK as u64 + 1, u64::from(u32::MAX)] {
            let mut seen = Vec::new();
            each_chunk(&source, Path::new("x"), end, |position, chunk| {
                assert_eq!(position, seen.len() as u64);
                seen.extend_from_slice(chunk);
                ControlFlow::Continue(())
            })
            .unwrap();
            let expected = usize::try_from(end).unwrap().min(source.len());
            assert!(seen == source[..expected], "{end}");
        }
    }

    #[test]
    fn the_visitor_may_stop() {
        let mut calls = 0;
        each_chunk(&vec![0; 20 * CHUNK], Path::new("x"), u64::MAX, |_, _| {
            calls += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(calls, 1);
    }
}
