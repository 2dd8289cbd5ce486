//! The vault's figures in the text format of Prometheus ("Exposition formats", version 0.0.4). Everybody may read them, so they say what
//! an operator is woken for and nothing more (I6): who reads exact figures again and again learns when somebody stores or deletes something
//! and how large it is, from memory and from the cycles that each received byte costs. Sizes come in steps of [`SIZE_STEP`], cycles in
//! steps of [`CYCLES_STEP`]; `vault_status` has them exactly, for whom they concern.

use std::fmt::{Display, Write};

use keepsake_api::VaultStatus;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bytes by which a public size of memory grows at the least.
const SIZE_STEP: u64 = 64 << 20;

/// Cycles by which a public amount of them changes at the least: what receiving 50 MB costs.
const CYCLES_STEP: u128 = 100_000_000_000;

/// Cycles by which the public cost of a day changes at the least: about what [`SIZE_STEP`] at rest costs.
const AT_REST_STEP: u128 = 1_000_000_000;

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
        "Stable memory that the canister has, rounded up to 64 MiB.",
        memory.stable_allocated.next_multiple_of(SIZE_STEP),
    );
    text.gauge(
        "keepsake_stable_memory_obtainable_bytes",
        "By how much stable memory may grow at the most, rounded down to 64 MiB.",
        memory.stable_obtainable / SIZE_STEP * SIZE_STEP,
    );
    text.gauge("keepsake_heap_bytes", "Heap of the canister.", memory.heap);
    text.metric(
        "keepsake_region_allocated_bytes",
        "gauge",
        "What each region of stable memory takes up, rounded up to 64 MiB.",
        memory.regions.iter().map(|region| {
            let allocated = region.allocated.next_multiple_of(SIZE_STEP);
            (label("region", &region.name), allocated)
        }),
    );
}

fn cycles(text: &mut Text, status: &VaultStatus) {
    let cycles = &status.cycles;
    let down = |cycles: u128| cycles / CYCLES_STEP * CYCLES_STEP;
    text.gauge(
        "keepsake_cycles",
        "Balance of cycles, rounded down to 100 billion.",
        down(cycles.balance),
    );
    text.gauge(
        "keepsake_cycles_liquid",
        "Cycles above the freezing threshold, rounded down to 100 billion.",
        down(cycles.liquid),
    );
    text.gauge(
        "keepsake_cycles_at_rest_per_day",
        "Cycles that a day at rest costs at the present size, rounded up to a billion.",
        cycles.at_rest_per_day.next_multiple_of(AT_REST_STEP),
    );
    text.gauge(
        "keepsake_cycles_reserve",
        "New content is refused while fewer cycles than these are above the freezing threshold, rounded up to 100 billion.",
        cycles.reserve.next_multiple_of(CYCLES_STEP),
    );
    text.gauge(
        "keepsake_refuses_content",
        "1 while new content is refused because cycles are low.",
        u8::from(status.refuses_content.is_some()),
    );
}

fn maintenance(text: &mut Text, status: &VaultStatus) {
    // Nanoseconds on the wire, seconds by the conventions of metrics; 0: never.
    text.gauge(
        "keepsake_maintenance_last_run_timestamp_seconds",
        "When the vault last looked for what nobody needs.",
        status.maintenance.last_run.unwrap_or(0) / 1_000_000_000,
    );
}
