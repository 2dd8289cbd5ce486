/**
 * How a vault and a capsule are, in plain values: bytes and counts as numbers, cycles as bigints.
 *
 * @module
 */

import type { CapsuleStatus as CapsuleRecord, VaultStatus as VaultRecord } from './bindings/vault.did.js';
import type { Keepsake } from './client.js';
import { dateOf } from './time.js';

/** How much of its quotas a capsule uses. An absent bound is no bound but the vault's own. */
export interface CapsuleStatus {
  /** Bytes that `bytesMax` bounds: blobs and inline assets, those of memories in the trash too. */
  bytes: number;
  bytesMax: number | undefined;
  /** Bytes of blobs; equal content counts once. */
  blobBytes: number;
  inlineBytes: number;
  inlineBytesMax: number;
  /** Those in the trash are not among them. */
  memories: number;
  memoriesMax: number | undefined;
  memoriesTrashed: number;
  uploadsOpen: number;
  uploadsOpenMax: number;
  /** Whether new content is refused now, whatever the capsule holds: the vault's cycles are low. */
  refusesContent: boolean;
}

/** State of a whole vault. */
export interface VaultStatus {
  /** Version of the build. */
  version: string;
  /** Why new content is refused now; undefined while it is taken. */
  refusesContent: string | undefined;
  holdings: {
    capsules: number;
    memories: number;
    memoriesTrashed: number;
    blobs: number;
    /** Bytes that content takes up; equal content of a capsule counts once. */
    contentBytes: number;
    uploadsOpen: number;
    externalDeletions: number;
  };
  /** Bytes. */
  memory: {
    heap: number;
    stableAllocated: number;
    stableUsed: number;
    stableReusable: number;
    stableObtainable: number;
    regions: { name: string; allocated: number; free: number }[];
  };
  /** What the canister lives on, in cycles. */
  cycles: {
    balance: bigint;
    /** What may be spent: the balance above the freezing threshold. */
    liquid: bigint;
    freezingThreshold: bigint;
    /** New content is refused while `liquid` is less. */
    reserve: bigint;
    /** Cost of a day at rest at the present size. */
    atRestPerDay: bigint;
    /** Days that `liquid` pays for at rest. */
    daysLeft: number;
  };
  quotas: {
    bytesPerCapsule: number | undefined;
    memoriesPerCapsule: number | undefined;
    inlineBudgetPerCapsule: number;
    openSessions: number;
    cyclesReserveDays: number;
  };
  /** When the vault last cleared something away. */
  lastMaintenance: Date | undefined;
  httpTokenKey: number;
}

/** Reads {@link CapsuleStatus}. */
export async function readCapsuleStatus(keepsake: Keepsake, capsuleId: string): Promise<CapsuleStatus> {
  return capsuleStatus(await keepsake.calls.capsule_status(capsuleId));
}

/** Reads {@link VaultStatus}. UnauthorizedError for who neither owns nor controls a capsule. */
export async function readVaultStatus(keepsake: Keepsake): Promise<VaultStatus> {
  return vaultStatus(await keepsake.calls.vault_status());
}

function capsuleStatus(status: CapsuleRecord): CapsuleStatus {
  return {
    bytes: Number(status.bytes),
    bytesMax: optional(status.bytes_max),
    blobBytes: Number(status.blob_bytes),
    inlineBytes: Number(status.inline_bytes),
    inlineBytesMax: Number(status.inline_bytes_max),
    memories: Number(status.memories),
    memoriesMax: optional(status.memories_max),
    memoriesTrashed: Number(status.memories_trashed),
    uploadsOpen: Number(status.uploads_open),
    uploadsOpenMax: Number(status.uploads_open_max),
    refusesContent: status.refuses_content,
  };
}

function vaultStatus(status: VaultRecord): VaultStatus {
  const { holdings, memory, cycles, quotas, maintenance } = status;
  const [lastRun] = maintenance.last_run;
  return {
    version: status.version,
    refusesContent: status.refuses_content[0],
    holdings: {
      capsules: Number(holdings.capsules),
      memories: Number(holdings.memories),
      memoriesTrashed: Number(holdings.memories_trashed),
      blobs: Number(holdings.blobs),
      contentBytes: Number(holdings.content_bytes),
      uploadsOpen: Number(holdings.uploads_open),
      externalDeletions: Number(holdings.external_deletions),
    },
    memory: {
      heap: Number(memory.heap),
      stableAllocated: Number(memory.stable_allocated),
      stableUsed: Number(memory.stable_used),
      stableReusable: Number(memory.stable_reusable),
      stableObtainable: Number(memory.stable_obtainable),
      regions: memory.regions.map(({ name, allocated, free }) => ({
        name,
        allocated: Number(allocated),
        free: Number(free),
      })),
    },
    cycles: {
      balance: cycles.balance,
      liquid: cycles.liquid,
      freezingThreshold: cycles.freezing_threshold,
      reserve: cycles.reserve,
      atRestPerDay: cycles.at_rest_per_day,
      daysLeft: Number(cycles.days_left),
    },
    quotas: {
      bytesPerCapsule: optional(quotas.bytes_per_capsule),
      memoriesPerCapsule: optional(quotas.memories_per_capsule),
      inlineBudgetPerCapsule: quotas.inline_budget_per_capsule,
      openSessions: quotas.open_sessions,
      cyclesReserveDays: quotas.cycles_reserve_days,
    },
    lastMaintenance: lastRun === undefined ? undefined : dateOf(lastRun),
    httpTokenKey: status.http_token_key,
  };
}

function optional(value: [] | [bigint]): number | undefined {
  return value[0] === undefined ? undefined : Number(value[0]);
}
