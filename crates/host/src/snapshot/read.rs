//! Takes a canister's state from a directory.

use super::layout::{self, Layout, Metadata, Part};
use super::write::Meter;
use super::{SnapshotError, Watch};
use crate::runtime::{CompiledModule, HeapSnapshot, MAX_MODULE_BYTES, Runtime};
use crate::store::{MAX_STABLE_PAGES, Store, UNIT_BYTES, WASM_PAGE};
use ic_management_canister_types::{CanisterTimer, OnLowWasmMemoryHookStatus};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use wasmtime::Val;

/// Units written in one transaction: 64 MiB, so that a commit of the canister's in between does not wait for long.
const BATCH: usize = 16_384;

/// Bytes a chunk of the chunk store may have, and chunks there may be: the Internet Computer's bounds.
pub const MAX_CHUNK: usize = 1024 * 1024;
pub const MAX_CHUNKS: usize = 100;

/// Bytes of certified data at most.
const MAX_CERTIFIED_DATA: usize = 32;

const UNIT: u64 = UNIT_BYTES as u64;

/// A unit of stable memory, with its index.
type Unit = (u64, Box<[u8; UNIT_BYTES]>);

/// A snapshot that has been read and only has to be put in place. Its stable memory is in the store already, as a generation of its own.
pub struct Loaded {
    pub module: Arc<CompiledModule>,
    pub wasm: Vec<u8>,
    pub heap: HeapSnapshot,
    pub globals: Vec<Val>,
    pub generation: u64,
    /// WebAssembly pages.
    pub stable_pages: u64,
    pub certified_data: Vec<u8>,
    /// When the global timer is due, nanoseconds since 1970 UTC; 0 for never, `None` where the snapshot does not say.
    pub timer: Option<u64>,
}

/// Checks that a snapshot's metadata make sense, as far as can be told without its files.
///
/// # Errors
/// [`SnapshotError::Invalid`].
pub fn check_metadata(metadata: &Metadata, max_heap_bytes: u64) -> Result<(), SnapshotError> {
    let invalid = |what: String| Err(SnapshotError::Invalid(what));
    if metadata.wasm_module_size > MAX_MODULE_BYTES as u64 {
        return invalid(format!("its module has more than {MAX_MODULE_BYTES} bytes"));
    }
    if !metadata.wasm_memory_size.is_multiple_of(WASM_PAGE)
        || !metadata.stable_memory_size.is_multiple_of(WASM_PAGE)
    {
        return invalid("a memory's size is no multiple of a WebAssembly page".into());
    }
    if metadata.wasm_memory_size > max_heap_bytes {
        return invalid(format!("its heap has more than {max_heap_bytes} bytes"));
    }
    if metadata.stable_memory_size > MAX_STABLE_PAGES * WASM_PAGE {
        return invalid("its stable memory has more than 500 GiB".into());
    }
    if metadata.certified_data.len() > MAX_CERTIFIED_DATA {
        return invalid(format!(
            "its certified data have more than {MAX_CERTIFIED_DATA} bytes"
        ));
    }
    if matches!(
        metadata.on_low_wasm_memory_hook_status,
        Some(OnLowWasmMemoryHookStatus::Ready)
    ) {
        return invalid("its hook for low memory is due, which this host does not run".into());
    }
    Ok(())
}

/// Reads a snapshot, and writes its stable memory to a generation of the store that nobody uses. What an interrupted attempt has written there is used.
///
/// # Errors
/// [`SnapshotError`]; the present state is as it was.
pub fn load(
    from: &Layout,
    store: &Store,
    runtime: &Arc<Runtime>,
    cache: &Path,
    watch: &mut Watch<'_>,
) -> Result<Loaded, SnapshotError> {
    let Parts {
        metadata,
        wasm,
        heap,
        stable,
    } = Parts::open(from, runtime.max_heap_bytes() as u64)?;
    let module = Arc::new(CompiledModule::new(runtime, &wasm, cache)?);
    let globals = layout::globals_from_metadata(&metadata.globals, module.visible_globals_count())?;
    let mut meter = Meter {
        watch,
        total: metadata.wasm_memory_size + metadata.stable_memory_size,
        before: 0,
    };
    let size = metadata.wasm_memory_size as usize;
    let heap = HeapSnapshot::build(size, |offset, into| match &heap {
        Some(heap) => heap.get(offset, into),
        None => Ok(()),
    })?;
    meter.finish(metadata.wasm_memory_size)?;
    let present = store
        .view()?
        .canister()?
        .map_or(0, |record| record.generation);
    let generation = present + 1;
    if let Some(stable) = &stable {
        load_stable(
            stable,
            store,
            generation,
            metadata.stable_memory_size,
            &mut meter,
        )?;
    } else {
        store.remove_generation(generation)?;
    }
    meter.finish(metadata.stable_memory_size)?;
    Ok(Loaded {
        module,
        wasm,
        heap,
        globals,
        generation,
        stable_pages: metadata.stable_memory_size / WASM_PAGE,
        certified_data: metadata.certified_data,
        timer: metadata.global_timer.map(|timer| match timer {
            CanisterTimer::Inactive => 0,
            CanisterTimer::Active(due) => due,
        }),
    })
}

/// The files of a snapshot, each as long as its metadata say.
pub struct Parts {
    pub metadata: Metadata,
    pub wasm: Vec<u8>,
    /// `None` where it has none.
    pub heap: Option<Part>,
    /// `None` where it has none.
    pub stable: Option<Part>,
}

impl Parts {
    /// Opens a snapshot and checks everything of it that can be told without running it, but for the content of its memories.
    ///
    /// # Errors
    /// [`SnapshotError::NotASnapshot`], [`SnapshotError::Invalid`], [`SnapshotError::Io`].
    pub fn open(from: &Layout, max_heap_bytes: u64) -> Result<Parts, SnapshotError> {
        let metadata = from.read_metadata()?;
        check_metadata(&metadata, max_heap_bytes)?;
        let sized = |part: Part, size: u64, what: &str| match part.size() == size {
            true => Ok(part),
            false => Err(SnapshotError::Invalid(format!(
                "its {what} has {} bytes, and the metadata say {size}",
                part.size()
            ))),
        };
        let module = sized(
            Part::read(from.module())?,
            metadata.wasm_module_size,
            "module",
        )?;
        // A canister without memory may have no file for it.
        let heap = match metadata.wasm_memory_size {
            0 => None,
            size => Some(sized(Part::read(from.heap())?, size, "heap")?),
        };
        let stable = match metadata.stable_memory_size {
            0 => None,
            size => Some(sized(Part::read(from.stable())?, size, "stable memory")?),
        };
        if metadata.wasm_chunk_store.len() > MAX_CHUNKS {
            return Err(SnapshotError::Invalid(format!(
                "it has more than {MAX_CHUNKS} chunks"
            )));
        }
        for chunk in &metadata.wasm_chunk_store {
            check_chunk(from, &chunk.hash)?;
        }
        // Bounded by `check_metadata`.
        let mut wasm = vec![0; metadata.wasm_module_size as usize];
        module.get(0, &mut wasm)?;
        Ok(Parts {
            metadata,
            wasm,
            heap,
            stable,
        })
    }
}

fn check_chunk(from: &Layout, hash: &[u8]) -> Result<(), SnapshotError> {
    let path = from.chunk(hash);
    let part = Part::read(path)?;
    if part.size() > MAX_CHUNK as u64 {
        return Err(SnapshotError::Invalid(format!(
            "the chunk {} has more than {MAX_CHUNK} bytes",
            hex::encode(hash)
        )));
    }
    let mut chunk = vec![0; part.size() as usize];
    part.get(0, &mut chunk)?;
    match Sha256::digest(&chunk)[..] == *hash {
        true => Ok(()),
        false => Err(SnapshotError::Invalid(format!(
            "the chunk {} is not what its name says",
            hex::encode(hash)
        ))),
    }
}

fn load_stable(
    stable: &Part,
    store: &Store,
    generation: u64,
    size: u64,
    meter: &mut Meter<'_, '_>,
) -> Result<(), SnapshotError> {
    let mut units = Units::new(stable, size);
    if !skip_what_is_there(store, generation, &mut units, meter)? {
        store.remove_generation(generation)?;
        units = Units::new(stable, size);
    }
    let mut batch: Vec<Unit> = Vec::with_capacity(BATCH);
    loop {
        let unit = units.next()?;
        let ended = unit.is_none();
        batch.extend(unit);
        if batch.len() == BATCH || ended {
            let part = batch.iter().map(|(index, data)| (*index, &**data));
            store.write_generation(generation, part)?;
            if let Some((index, _)) = batch.last() {
                meter.at((index * UNIT).min(size))?;
            }
            batch.clear();
        }
        if ended {
            return Ok(());
        }
    }
}

/// Compares what an interrupted attempt has left with the first units of a snapshot, which it wrote in the same order. True where they
/// are the same; `units` goes on behind them then.
fn skip_what_is_there(
    store: &Store,
    generation: u64,
    units: &mut Units<'_>,
    meter: &mut Meter<'_, '_>,
) -> Result<bool, SnapshotError> {
    let view = store.view()?.in_generation(generation);
    for there in view.units()? {
        let (index, data) = there?;
        match units.next()? {
            Some((wanted, content)) if wanted == index && *content == *data => {}
            _ => return Ok(false),
        }
        meter.at((index * UNIT).min(units.size))?;
    }
    Ok(true)
}

/// The units of a stable memory in a file that are not zeros, ascending.
struct Units<'a> {
    part: &'a Part,
    size: u64,
    /// The unit that is next.
    index: u64,
    /// Where the data ends that the next unit is in.
    end: u64,
}

impl<'a> Units<'a> {
    fn new(part: &'a Part, size: u64) -> Units<'a> {
        Units {
            part,
            size,
            index: 0,
            end: 0,
        }
    }

    fn next(&mut self) -> Result<Option<Unit>, SnapshotError> {
        loop {
            let offset = self.index * UNIT;
            if offset >= self.size {
                return Ok(None);
            }
            if offset >= self.end {
                let Some(data) = self.part.next_data(offset)? else {
                    return Ok(None);
                };
                // The unit in which the data begins; not one that has been read, as those end before.
                self.index = data.start / UNIT;
                self.end = data.end;
                continue;
            }
            let mut content = Box::new([0; UNIT_BYTES]);
            // At most UNIT_BYTES.
            let len = UNIT.min(self.size - offset) as usize;
            self.part.get(offset, &mut content[..len])?;
            let index = self.index;
            self.index += 1;
            if content.iter().any(|byte| *byte != 0) {
                return Ok(Some((index, content)));
            }
        }
    }
}
