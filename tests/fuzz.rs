//! Damaged files: every reader answers with an error that names the file, or with a result, and takes no more memory than a small
//! multiple of the file's size.
//!
//! Every truncation and two flipped bits in every byte of small files of each kind, and seeded splices of them; the same in every run.
#![allow(unsafe_code, reason = "an allocator that counts can only be written so")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use linregions::ErrorKind;
use linregions::network::{Network, ReadOptions};
use linregions::path::{PathLaw, StartLaw, read_paths};

/// The system's allocator, with the bytes in use and the most there were.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Bytes that reading a file may take at most; the constant part is the state of an unpacker, and buffers.
fn allowance(size: usize) -> usize {
    48 * size + (128 << 10)
}

/// A small generator (splitmix64): the same splices in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// A reader of files: what is wrong with the file, if anything.
type Reader = fn(&Path) -> linregions::Result<()>;

fn network(file: &Path) -> linregions::Result<()> {
    Network::read(file, None).map(drop)
}

/// A network with an architecture that has all kinds of maps.
fn image(file: &Path) -> linregions::Result<()> {
    let architecture = Some("2x5x5-c2k3-[c3k2s2g1]-avg-3".to_owned());
    Network::read_with(file, &ReadOptions { architecture, activation: None }).map(drop)
}

fn paths(file: &Path) -> linregions::Result<()> {
    read_paths(file).map(drop)
}

fn data(file: &Path) -> linregions::Result<()> {
    PathLaw::from_flags(&format!("data:{}", file.display()), StartLaw::Origin, 1.0, 3).map(drop)
}

fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn floats(n: usize) -> Vec<u8> {
    (0..n).flat_map(|k| (k as f32 - 2.5).to_le_bytes()).collect()
}

fn npz(tensors: &[(&str, &str, usize)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (ix, &(name, shape, n)) in tensors.iter().enumerate() {
        let packed = [zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored][ix % 2];
        let options = zip::write::SimpleFileOptions::default().compression_method(packed);
        zip.start_file(format!("{name}.npy"), options).expect("memory");
        zip.write_all(&npy("<f4", shape, &floats(n))).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

fn safetensors() -> Vec<u8> {
    let bytes = floats(24);
    let tensor = |shape: &[usize], n: usize| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes[..4 * n]).expect("sizes")
    };
    let tensors = [("0.weight", tensor(&[4, 3], 12)), ("0.bias", tensor(&[4], 4)), ("2.weight", tensor(&[2, 4], 8))];
    safetensors::serialize(tensors, None).expect("memory")
}

/// A state dict with the statistics of a normalisation.
fn state_dict() -> Vec<u8> {
    let bytes: Vec<u8> = (1..=40).flat_map(|k| (k as f32).to_le_bytes()).collect();
    let tensor = |shape: &[usize]| {
        let n: usize = shape.iter().product();
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes[..4 * n]).expect("sizes")
    };
    let tensors: [(&str, &[usize]); 10] = [
        ("0.weight", &[2, 2, 3, 3]),
        ("0.bias", &[2]),
        ("1.weight", &[2]),
        ("1.bias", &[2]),
        ("1.running_mean", &[2]),
        ("1.running_var", &[2]),
        ("3.conv1.weight", &[3, 2, 2, 2]),
        ("3.shortcut.weight", &[3, 2, 1, 1]),
        ("5.weight", &[3, 3]),
        ("7.weight", &[2, 3]),
    ];
    safetensors::serialize(tensors.map(|(name, shape)| (name, tensor(shape))), None).expect("memory")
}

fn idx() -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 3];
    bytes.extend((0..12).map(|k| 20 * k));
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn seeds() -> Vec<(String, Reader, Vec<u8>)> {
    let vectors = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/onnx");
    let models = ["gemm-9", "matmul-13", "column-11", "shapes-18", "half-17", "image-13", "line-17", "reshape-18"]
        .map(|name| format!("{name}.onnx"));
    let onnx = models.map(|name| {
        let bytes = std::fs::read(vectors.join(&name)).expect("readable");
        (name, network as Reader, bytes)
    });
    let points = "path,x0,x1,x2\na,0,0,0\na,1,2.5,-3\nb,1e3,2,3\nb,4,5,6\n";
    let dense = [("W0", "(4, 3)", 12), ("b0", "(4,)", 4), ("W1", "(2, 4)", 8)];
    let convolutional = [
        ("W0", "(2, 2, 3, 3)", 36),
        ("b0", "(2,)", 2),
        ("W1", "(3, 2, 2, 2)", 24),
        ("S1", "(3, 2, 1, 1)", 6),
        ("W2", "(3, 3)", 9),
        ("W3", "(2, 3)", 6),
    ];
    let others: [(&str, Reader, Vec<u8>); 12] = [
        ("network.npz", network, npz(&dense)),
        ("image.npz", image, npz(&convolutional)),
        ("image.safetensors", image, state_dict()),
        ("network.safetensors", network, safetensors()),
        ("paths.csv", paths, points.into()),
        ("paths.npy", paths, npy("<f4", "(2, 2, 3)", &floats(12))),
        ("data.csv", data, "x0,x1,x2\n0,0,0\n1,2.5,-3\n1e3,2,3\n".into()),
        ("data.npy", data, npy("<f8", "(4, 3)", &floats(24))),
        ("images.npy", data, npy("|u1", "(4, 1, 3)", &[7; 12])),
        ("images-idx3-ubyte", data, idx()),
        ("images-idx3-ubyte.gz", data, gzip(&idx())),
        ("data.csv.gz", data, gzip(b"x0,x1,x2\n0,0,0\n1,2.5,-3\n")),
    ];
    onnx.into_iter().chain(others.map(|(name, reader, bytes)| (name.to_owned(), reader, bytes))).collect()
}

/// ONNX files of nothing but empty messages, which are two bytes each on disk: of a field of the model, of its graph, of its only
/// node, its only constant and its input's shape; and the same behind a good model, of whose fields they then are.
fn empty_messages(good: &[u8]) -> Vec<Vec<u8>> {
    const N: usize = 20_000;
    let message = |tag: u8, content: &[u8]| {
        let (mut bytes, mut n) = (vec![tag << 3 | 2], content.len());
        while n > 0x7f {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        [&bytes, content].concat()
    };
    let empty = |tag: u8| [tag << 3 | 2, 0].repeat(N);
    let version = message(8, &[2 << 3, 17]);
    let graph = |content: &[u8]| [version.clone(), message(7, content)].concat();
    let in_graph = |tag: u8, fields: &[u8]| fields.iter().map(|&f| graph(&message(tag, &empty(f)))).collect::<Vec<_>>();
    let shape = |content: &[u8]| message(11, &message(2, &message(1, &message(2, content))));
    let mut files = vec![empty(7), empty(8), graph(&shape(&empty(1)))];
    files.extend([1, 5, 11, 12].map(|field| graph(&empty(field))));
    files.extend(in_graph(1, &[1, 2, 5]));
    files.extend(in_graph(5, &[1, 4, 13]));
    let behind: Vec<Vec<u8>> = files.iter().map(|bytes| [good, bytes].concat()).collect();
    files.extend(behind);
    files
}

/// Cuts out, repeats, moves in and overwrites pieces.
fn splice(seeds: &[(String, Reader, Vec<u8>)], bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut spliced = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(spliced.len().max(1)).min(spliced.len());
        let end = (at + 1 + random.below(24)).min(spliced.len());
        let donor = &seeds[random.below(seeds.len())].2;
        let from = random.below(donor.len());
        let piece = match random.below(4) {
            0 => Vec::new(),
            1 => vec![[0xff, 0x80, 0x7f, 0x00][random.below(4)]; 1 + random.below(10)],
            2 => donor[from..(from + 1 + random.below(64)).min(donor.len())].to_vec(),
            _ => [&spliced[at..end], &spliced[at..end]].concat(),
        };
        spliced.splice(at..end, piece);
    }
    spliced
}

#[test]
fn damaged_files_are_refused_in_little_memory() {
    const SPLICES: usize = 1000;
    let directory = tempfile::tempdir().expect("a directory");
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/onnx/half-17.data");
    std::fs::copy(data, directory.path().join("half-17.data")).expect("writable");
    let seeds = seeds();
    let mut random = Random(2024);
    let (mut n_refused, mut n_read) = (0, 0);
    for (name, reader, bytes) in &seeds {
        let file = directory.path().join(name);
        let mut check = |damaged: &[u8], what: &dyn Fn() -> String| {
            std::fs::write(&file, damaged).expect("writable");
            let before = USED.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let result = reader(&file);
            let peak = PEAK.load(Ordering::Relaxed) - before;
            assert!(peak <= allowance(damaged.len()), "{name}, {}: {peak} bytes for {}", what(), damaged.len());
            match result {
                Ok(()) => n_read += 1,
                Err(error) => {
                    n_refused += 1;
                    let text = error.to_string();
                    assert_eq!(error.kind(), ErrorKind::Usage, "{name}, {}: {text}", what());
                    assert!(text.contains(name.as_str()) && text.len() < 2000, "{name}, {}: {text}", what());
                }
            }
        };
        check(bytes, &|| "undamaged".to_owned());
        (0..bytes.len()).for_each(|n| check(&bytes[..n], &|| format!("the first {n} bytes")));
        // The highest bit of every byte, which makes numbers large, and one of the others.
        for (at, bit) in (0..bytes.len()).flat_map(|at| [(at, 7), (at, at % 7)]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            check(&flipped, &|| format!("bit {bit} of byte {at} flipped"));
        }
        for ix in 0..SPLICES {
            check(&splice(&seeds, bytes, &mut random), &|| format!("splice {ix}"));
        }
    }
    for (ix, bytes) in empty_messages(&seeds[0].2).into_iter().enumerate() {
        let file = directory.path().join(format!("empty-{ix}.onnx"));
        std::fs::write(&file, &bytes).expect("writable");
        let before = USED.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let result = network(&file);
        let peak = PEAK.load(Ordering::Relaxed) - before;
        assert!(peak <= allowance(bytes.len()), "empty messages {ix}: {peak} bytes for {}", bytes.len());
        assert!(result.err().is_none_or(|error| error.to_string().len() < 2000), "empty messages {ix}");
    }
    // Neither is the damage so great that readers see nothing but garbage, nor so small that they read everything.
    assert!(n_refused > 15_000 && n_read > 5_000, "{n_refused} refused, {n_read} read");
}
