//! The vault's figures in the text format of Prometheus ("Exposition formats", version 0.0.4). Everybody may read them: sizes of memory,
//! cycles, what was cleared away. How much a person keeps is not among them.

use std::fmt::{Display, Write};

use keepsake_api::VaultStatus;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Collects metrics, each with what it says and its type before its samples.
#[derive(Default)]
struct Text(String);

impl Text {
    /// A metric of one or more samples, each with its labels (`{…}`, or nothing) and its value.
    fn metric<V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.metric(name, "gauge", help, [(String::new(), value)]);
    }
}

fn label(name: &str, value: &str) -> String {
    format!("{{{name}=\"{value}\"}}")
}

/// The metrics of a vault in this state.
pub fn text(status: &VaultStatus) -> String {
    let mut text = Text::default();
    let build = format!(
        "{{version=\"{}\",layout=\"{}\"}}",
        status.version, status.layout_version
    );
    text.metric(
        "keepsake_build_info",
        "gauge",
        "Version of the build and of the stored layout.",
        [(build, 1)],
    );
    memory(&mut text, status);
    cycles(&mut text, status);
    maintenance(&mut text, status);
    text.0
}

fn memory(text: &mut Text, status: &VaultStatus) {
    let memory = &status.memory;
    text.gauge(
        "keepsake_stable_memory_allocated_bytes",
        "Stable memory that the canister has.",
        memory.stable_allocated,
    );
    text.gauge(
        "keepsake_stable_memory_used_bytes",
        "Stable memory that holds something.",
        memory.stable_used,
    );
    text.gauge(
        "keepsake_stable_memory_obtainable_bytes",
        "By how much stable memory may grow at the most.",
        memory.stable_obtainable,
    );
    text.gauge("keepsake_heap_bytes", "Heap of the canister.", memory.heap);
    let samples = |value: fn(&keepsake_api::RegionUse) -> u64| {
        memory
            .regions
            .iter()
            .map(move |region| (label("region", &region.name), value(region)))
    };
    text.metric(
        "keepsake_region_allocated_bytes",
        "gauge",
        "What each region of stable memory takes up.",
        samples(|region| region.allocated),
    );
    text.metric(
        "keepsake_region_free_bytes",
        "gauge",
        "What of each region is free.",
        samples(|region| region.free),
    );
}

fn cycles(text: &mut Text, status: &VaultStatus) {
    let cycles = &status.cycles;
    text.gauge("keepsake_cycles", "Balance of cycles.", cycles.balance);
    text.gauge(
        "keepsake_cycles_liquid",
        "Cycles above the freezing threshold.",
        cycles.liquid,
    );
    text.gauge(
        "keepsake_cycles_at_rest_per_day",
        "Cycles that a day at rest costs at the present size.",
        cycles.at_rest_per_day,
    );
    text.gauge(
        "keepsake_cycles_reserve",
        "New content is refused while fewer cycles than these are above the freezing threshold.",
        cycles.reserve,
    );
    text.gauge(
        "keepsake_refuses_content",
        "1 while new content is refused because cycles are low.",
        u8::from(status.refuses_content.is_some()),
    );
}

fn maintenance(text: &mut Text, status: &VaultStatus) {
    let maintenance = &status.maintenance;
    // Nanoseconds on the wire, seconds by the conventions of metrics; 0: never.
    text.gauge(
        "keepsake_maintenance_last_run_timestamp_seconds",
        "When the vault last looked for what nobody needs.",
        maintenance.last_run.unwrap_or(0) / 1_000_000_000,
    );
    let cleared = &maintenance.cleared;
    let kinds = [
        ("capsule", cleared.capsules),
        ("memory", cleared.memories),
        ("blob", cleared.blobs),
        ("upload", cleared.uploads),
    ];
    text.metric(
        "keepsake_cleared_total",
        "counter",
        "Things that the vault has cleared away by itself.",
        kinds.map(|(kind, count)| (label("kind", kind), count)),
    );
    text.metric(
        "keepsake_cleared_bytes_total",
        "counter",
        "Content that the vault has cleared away by itself.",
        [(String::new(), cleared.bytes)],
    );
}
