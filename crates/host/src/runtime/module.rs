//! Canister modules: checked, rewritten so that their state can be kept and restored, and compiled.
//!
//! The rewriting exports every mutable global, the memory and the first table under names of the host's own, and turns the start
//! function into an export: the host runs it once at installation, and never when it makes another instance. What the host
//! could not restore after a trap is refused: instructions that change tables or drop segments, and mutable globals
//! that hold references. Whoever changes the rewriting changes the version of it in [`super::code`].

use super::{Host, Runtime, code};
use crate::message::MetadataSection;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use wasm_encoder::{ExportKind, ExportSection, RawSection};
use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef, ValType};
use wasmtime::{ExternType, InstancePre};

/// The largest module accepted, in bytes, both as handed in and decompressed: the Internet Computer's bound.
pub const MAX_MODULE_BYTES: usize = 100 * 1024 * 1024;

/// Elements a table may have, so that instances stay small.
const MAX_TABLE_ELEMENTS: u64 = 1_000_000;

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

pub const MEMORY_EXPORT: &str = "keepsake:memory";
pub const TABLE_EXPORT: &str = "keepsake:table";
pub const START_EXPORT: &str = "keepsake:start";
const GLOBAL_EXPORT: &str = "keepsake:global:";

/// Why a module cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error("the wasm module has more than {MAX_MODULE_BYTES} bytes")]
    TooLarge,
    #[error("the wasm module cannot be decompressed: {0}")]
    Gzip(std::io::Error),
    #[error("not a valid wasm module: {0}")]
    Invalid(String),
    #[error("the wasm module imports what is not part of the System API: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    #[error("the wasm module exports {0}, which is not a function without parameters and results")]
    BadExport(String),
    #[error("the wasm module uses {0}, which this host cannot undo after a trap")]
    NotRestorable(String),
}

/// How a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodKind {
    Update,
    Query,
    CompositeQuery,
}

/// A global that is exported or mutable, and so part of a snapshot: those that are exported first, in the order of the exports, then
/// the other mutable ones, in the order of the module. It is the order of the Internet Computer's snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VisibleGlobal {
    /// The name it is exported under by the rewritten module.
    pub name: String,
    /// Which of the mutable globals it is; `None` for one that never changes.
    pub mutable: Option<usize>,
}

/// A module ready to be instantiated.
pub struct CompiledModule {
    pub(super) pre: InstancePre<Host>,
    /// SHA-256 of the module as handed in.
    pub hash: [u8; 32],
    /// Bytes of the module as handed in.
    pub size: usize,
    /// Custom sections `icp:public …` and `icp:private …`.
    pub metadata: Vec<MetadataSection>,
    /// Names under which mutable globals are exported.
    pub(super) globals: Vec<String>,
    /// The globals that snapshots hold, in the order they hold them.
    pub(super) visible_globals: Vec<VisibleGlobal>,
    methods: BTreeMap<String, MethodKind>,
    entry_points: BTreeSet<String>,
    /// Whether queries may ask for the certificate of the certified data.
    pub uses_data_certificate: bool,
}

impl CompiledModule {
    /// Checks and compiles `wasm`, which may be compressed with gzip. Compiled code is looked for, and left, in the folder `cache`, and where the
    /// runtime says ([`super::CodeCache`]).
    pub fn new(
        runtime: &Runtime,
        wasm: &[u8],
        cache: &Path,
    ) -> Result<CompiledModule, ModuleError> {
        if wasm.len() > MAX_MODULE_BYTES {
            return Err(ModuleError::TooLarge);
        }
        let hash: [u8; 32] = Sha256::digest(wasm).into();
        let plain = decompress(wasm)?;
        let parts = Parts::read(plain.as_deref().unwrap_or(wasm))?;
        let module = code::compiled(runtime, &hash, &parts.rewritten, cache)
            .map_err(|error| ModuleError::Invalid(format!("{error:#}")))?;
        let unknown = runtime.unknown_imports(&module);
        if !unknown.is_empty() {
            return Err(ModuleError::UnknownImports(unknown));
        }
        let mut methods = BTreeMap::new();
        let mut entry_points = BTreeSet::new();
        for export in module.exports() {
            let name = export.name();
            if !name.starts_with("canister_") {
                continue;
            }
            match export.ty() {
                ExternType::Func(ty) if ty.params().len() == 0 && ty.results().len() == 0 => {}
                _ => return Err(ModuleError::BadExport(name.into())),
            }
            let kinds = [
                ("canister_update ", MethodKind::Update),
                ("canister_query ", MethodKind::Query),
                ("canister_composite_query ", MethodKind::CompositeQuery),
            ];
            match kinds
                .iter()
                .find_map(|(prefix, kind)| Some((name.strip_prefix(prefix)?, *kind)))
            {
                Some((method, kind)) => {
                    if methods.insert(method.to_owned(), kind).is_some() {
                        return Err(ModuleError::Invalid(format!(
                            "the method {method} is exported more than once"
                        )));
                    }
                }
                None => {
                    entry_points.insert(name.to_owned());
                }
            }
        }
        for ignored in ["canister_heartbeat", "canister_on_low_wasm_memory"] {
            if entry_points.contains(ignored) {
                tracing::warn!("the canister exports {ignored}, which this host does not run");
            }
        }
        if parts.start {
            entry_points.insert(START_EXPORT.into());
        }
        let uses_data_certificate = module
            .imports()
            .any(|import| import.name() == "data_certificate_copy");
        let pre = runtime
            .linker
            .instantiate_pre(&module)
            .map_err(|error| ModuleError::Invalid(format!("{error:#}")))?;
        Ok(CompiledModule {
            pre,
            hash,
            size: wasm.len(),
            metadata: parts.metadata,
            globals: parts.globals,
            visible_globals: parts.visible_globals,
            methods,
            entry_points,
            uses_data_certificate,
        })
    }

    /// How `method` is called; `None` where the canister has no such method.
    pub fn method(&self, method: &str) -> Option<MethodKind> {
        self.methods.get(method).copied()
    }

    /// How many globals a snapshot of it has.
    pub fn visible_globals_count(&self) -> usize {
        self.visible_globals.len()
    }

    /// Whether the module exports the entry point, such as `canister_init`.
    pub fn has(&self, entry_point: &str) -> bool {
        self.entry_points.contains(entry_point)
    }
}

/// The module without compression; `None` where it has none.
fn decompress(wasm: &[u8]) -> Result<Option<Vec<u8>>, ModuleError> {
    if !wasm.starts_with(&GZIP_MAGIC) {
        return Ok(None);
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(wasm)
        .take(MAX_MODULE_BYTES as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(ModuleError::Gzip)?;
    if plain.len() > MAX_MODULE_BYTES {
        return Err(ModuleError::TooLarge);
    }
    Ok(Some(plain))
}

/// What the rewriting finds in a module.
struct Parts {
    rewritten: Vec<u8>,
    globals: Vec<String>,
    visible_globals: Vec<VisibleGlobal>,
    metadata: Vec<MetadataSection>,
    start: bool,
}

impl Parts {
    fn read(wasm: &[u8]) -> Result<Parts, ModuleError> {
        let invalid =
            |error: wasmparser::BinaryReaderError| ModuleError::Invalid(error.to_string());
        let mut exports = ExportSection::new();
        let mut globals = Vec::new();
        let (mut mutable_indices, mut visible_globals) = (Vec::new(), Vec::new());
        let mut exported_globals = BTreeSet::new();
        let mut metadata = Vec::new();
        let (mut start, mut has_memory, mut has_table) = (None, false, false);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(invalid)? {
                Payload::Version { encoding, .. } if encoding != wasmparser::Encoding::Module => {
                    return Err(ModuleError::Invalid("a component, not a module".into()));
                }
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        let import = import.map_err(invalid)?;
                        // Checked here, as indices below count the module's own definitions only.
                        if !matches!(import.ty, TypeRef::Func(_)) {
                            return Err(ModuleError::UnknownImports(vec![format!(
                                "{}.{}",
                                import.module, import.name
                            )]));
                        }
                    }
                }
                Payload::TableSection(reader) => {
                    has_table = reader.count() > 0;
                    for table in reader {
                        if table.map_err(invalid)?.ty.initial > MAX_TABLE_ELEMENTS {
                            return Err(ModuleError::Invalid(format!(
                                "a table has more than {MAX_TABLE_ELEMENTS} elements"
                            )));
                        }
                    }
                }
                Payload::MemorySection(reader) => has_memory = reader.count() > 0,
                Payload::GlobalSection(reader) => {
                    for (index, global) in (0..).zip(reader) {
                        let ty = global.map_err(invalid)?.ty;
                        if !ty.mutable {
                            continue;
                        }
                        if matches!(ty.content_type, ValType::Ref(_)) {
                            return Err(ModuleError::NotRestorable(
                                "a mutable global that holds a reference".into(),
                            ));
                        }
                        let name = format!("{GLOBAL_EXPORT}{index}");
                        exports.export(&name, ExportKind::Global, index);
                        globals.push(name);
                        mutable_indices.push(index);
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export.map_err(invalid)?;
                        let kind = match export.kind {
                            ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
                            ExternalKind::Table => ExportKind::Table,
                            ExternalKind::Memory => ExportKind::Memory,
                            ExternalKind::Global => {
                                exported_globals.insert(export.index);
                                visible_globals.push(VisibleGlobal {
                                    name: export.name.into(),
                                    mutable: mutable_indices.binary_search(&export.index).ok(),
                                });
                                ExportKind::Global
                            }
                            ExternalKind::Tag => ExportKind::Tag,
                        };
                        exports.export(export.name, kind, export.index);
                    }
                }
                Payload::StartSection { func, .. } => start = Some(func),
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader().map_err(invalid)? {
                        refuse_unrestorable(&operator.map_err(invalid)?)?;
                    }
                }
                Payload::CustomSection(section) => {
                    let public = section.name().strip_prefix("icp:public ");
                    let private = section.name().strip_prefix("icp:private ");
                    if let Some(name) = public.or(private) {
                        metadata.push(MetadataSection {
                            name: name.into(),
                            public: public.is_some(),
                            content: section.data().to_vec(),
                        });
                    }
                }
                _ => {}
            }
        }
        if has_memory {
            exports.export(MEMORY_EXPORT, ExportKind::Memory, 0);
        }
        if has_table {
            exports.export(TABLE_EXPORT, ExportKind::Table, 0);
        }
        if let Some(start) = start {
            exports.export(START_EXPORT, ExportKind::Func, start);
        }
        for (position, (index, name)) in mutable_indices.iter().zip(&globals).enumerate() {
            if !exported_globals.contains(index) {
                visible_globals.push(VisibleGlobal {
                    name: name.clone(),
                    mutable: Some(position),
                });
            }
        }
        Ok(Parts {
            rewritten: with_exports(wasm, &exports)?,
            globals,
            visible_globals,
            metadata,
            start: start.is_some(),
        })
    }
}

/// The module with its export section replaced, and without its start section.
fn with_exports(wasm: &[u8], exports: &ExportSection) -> Result<Vec<u8>, ModuleError> {
    const EXPORT: u8 = 7;
    /// The sections that follow the exports: start, element, code, data and data count.
    const LATER: [u8; 5] = [8, 9, 10, 11, 12];
    const START: u8 = 8;
    let mut module = wasm_encoder::Module::new();
    let mut written = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| ModuleError::Invalid(error.to_string()))?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        if !written && (id == EXPORT || LATER.contains(&id)) {
            module.section(exports);
            written = true;
        }
        if id != EXPORT && id != START {
            let data = wasm
                .get(range)
                .ok_or_else(|| ModuleError::Invalid("a section ends beyond the module".into()))?;
            module.section(&RawSection { id, data });
        }
    }
    if !written {
        module.section(exports);
    }
    Ok(module.finish())
}

fn refuse_unrestorable(operator: &Operator<'_>) -> Result<(), ModuleError> {
    let name = match operator {
        Operator::TableSet { .. } => "table.set",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableFill { .. } => "table.fill",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::ElemDrop { .. } => "elem.drop",
        Operator::DataDrop { .. } => "data.drop",
        _ => return Ok(()),
    };
    Err(ModuleError::NotRestorable(name.into()))
}
