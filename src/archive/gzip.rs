use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::archive::BLOCK_BYTES;

/// More threads than this would hold more memory than they save time.
const THREADS_MAX: usize = 16;

/// The header of every gzip member: deflate, no name, no time, no hint of level or system.
pub(super) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// One block on its way: filled by the caller, compressed by a worker, written by the caller.
struct Job {
    input: Vec<u8>,
    output: Vec<u8>,
    done: SyncSender<io::Result<(Vec<u8>, Vec<u8>)>>,
}

type Pending = Receiver<io::Result<(Vec<u8>, Vec<u8>)>>;

/// Gzip on all cores: each MiB of input becomes a gzip member of its own, written in order. The
/// bytes do not depend on the number of cores. Holds about two MiB for each core.
pub(super) struct ParallelGzip<W: Write> {
    sink: W,
    block: Vec<u8>,
    jobs: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
    pending: VecDeque<Pending>,
    pending_max: usize,
    spare: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<W: Write> ParallelGzip<W> {
    /// Compresses at `level` (0 to 9) into `sink`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(sink: W, level: u8) -> io::Result<ParallelGzip<W>> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        ParallelGzip::with_threads(sink, level, threads)
    }

    fn with_threads(sink: W, level: u8, threads: usize) -> io::Result<ParallelGzip<W>> {
        let pending_max = threads + 2;
        let (jobs, queue) = sync_channel::<Job>(pending_max);
        let queue = Arc::new(Mutex::new(queue));
        let workers = (0..threads)
            .map(|_| {
                let queue = Arc::clone(&queue);
                let level = Compression::new(u32::from(level));
                thread::Builder::new().name("gzip".to_owned()).spawn(move || work(&queue, level))
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(ParallelGzip {
            sink,
            block: Vec::with_capacity(BLOCK_BYTES),
            jobs: Some(jobs),
            workers,
            pending: VecDeque::new(),
            pending_max,
            spare: Vec::new(),
        })
    }

    /// Compresses what is left, writes it, and returns the sink.
    ///
    /// # Errors
    /// What compressing or writing said.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.submit()?;
        }
        while !self.pending.is_empty() {
            self.write_oldest()?;
        }
        drop(self.jobs.take());
        for worker in mem::take(&mut self.workers) {
            worker.join().map_err(|_| stopped())?;
        }
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn submit(&mut self) -> io::Result<()> {
        if self.pending.len() >= self.pending_max {
            self.write_oldest()?;
        }
        let (block, output) = self.spare.pop().unwrap_or_default();
        let input = mem::replace(&mut self.block, block);
        self.block.reserve_exact(BLOCK_BYTES);
        let (done, pending) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Job { input, output, done }).map_err(|_| stopped())?;
        self.pending.push_back(pending);
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(pending) = self.pending.pop_front() else { return Ok(()) };
        let (mut input, mut output) = pending.recv().map_err(|_| stopped())??;
        self.sink.write_all(&output)?;
        input.clear();
        output.clear();
        self.spare.push((input, output));
        Ok(())
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.submit()?;
        }
        let room = BLOCK_BYTES - self.block.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Does nothing: a block is written when it is full, or at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A worker: compresses blocks until nobody sends any more.
fn work(queue: &Mutex<Receiver<Job>>, level: Compression) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { input, output, done }) = job else { return };
        let compressed = compress(&input, output, level).map(|output| (input, output));
        // The caller may have given up in the meantime; then nobody wants the block.
        let _unwanted = done.send(compressed);
    }
}

fn compress(input: &[u8], mut output: Vec<u8>, level: Compression) -> io::Result<Vec<u8>> {
    output.extend_from_slice(&GZIP_HEADER);
    let mut encoder = DeflateEncoder::new(output, level);
    encoder.write_all(input)?;
    let mut output = encoder.finish()?;
    let mut crc = Crc::new();
    crc.update(input);
    output.extend_from_slice(&crc.sum().to_le_bytes());
    output.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(output)
}

fn stopped() -> io::Error {
    io::Error::other("a compressing thread ended")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b"abcdefghijklmnop"[(state >> 60) as usize]
        })
        .take(bytes)
        .collect()
    }

    fn packed(input: &[u8], level: u8, threads: usize, step: usize) -> Vec<u8> {
        let mut gzip = ParallelGzip::with_threads(Vec::new(), level, threads).unwrap();
        for part in input.chunks(step) {
            gzip.write_all(part).unwrap();
        }
        gzip.finish().unwrap()
    }

    #[test]
    fn the_bytes_depend_on_input_and_level_only() {
        let input = noise(5 * BLOCK_BYTES + 17);
        for level in [0, 1, 6, 9] {
            let one = packed(&input, level, 1, input.len());
            assert_eq!(one, packed(&input, level, 7, 4096 + 1), "level {level}");
            let mut back = Vec::new();
            flate2::read::MultiGzDecoder::new(one.as_slice()).read_to_end(&mut back).unwrap();
            assert_eq!(back, input);
        }
    }

    #[test]
    fn gzip_members_carry_one_mib_each_and_no_time() {
        let input = noise(2 * BLOCK_BYTES + 1);
        let mut rest = packed(&input, 6, 3, input.len()).as_slice().to_vec();
        let mut sizes = Vec::new();
        while !rest.is_empty() {
            assert_eq!(rest[..10], GZIP_HEADER);
            let mut member = flate2::bufread::GzDecoder::new(rest.as_slice());
            sizes.push(member.read_to_end(&mut Vec::new()).unwrap());
            rest = member.into_inner().to_vec();
        }
        assert_eq!(sizes, [BLOCK_BYTES, BLOCK_BYTES, 1]);
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_and_no_thread_is_left_waiting() {
        let mut gzip = ParallelGzip::with_threads(Full, 1, 2).unwrap();
        let said = (0..20).find_map(|_| gzip.write_all(&noise(BLOCK_BYTES)).err());
        assert_eq!(said.unwrap().kind(), io::ErrorKind::StorageFull);
        drop(gzip.jobs.take());
        for worker in mem::take(&mut gzip.workers) {
            worker.join().unwrap();
        }
    }
}
