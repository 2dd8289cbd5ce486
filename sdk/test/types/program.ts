// Compiled, never run: what programs rely on in the types.

import type { Identity } from '@icp-sdk/core/agent';
import {
  BudgetExceededError,
  FileQueue,
  IndexedDbQueue,
  Keepsake,
  MemoryQueue,
  processImageDerivatives,
  visitShareLink,
  type AssetContent,
  type CapsuleHandle,
  type Derivative,
  type MadeShareLink,
  type MemorySummary,
  type ProcessingResult,
  type Share,
  type ShareLinkVisit,
  type StoredBlob,
  type UploadProgress,
} from '@keepsake/sdk';
import type { Memory, UploadStatus } from '@keepsake/sdk/bindings';

export async function program(identity: Identity, file: File): Promise<void> {
  const keepsake = await Keepsake.connect({ canisterId: 'aaaaa-aa', identity, queue: new MemoryQueue() });

  const capsuleId: string = (await keepsake.calls.capsules_create([])).id;
  const session: bigint = await keepsake.calls.uploads_begin(capsuleId, 1, 'key');
  const status: UploadStatus = await keepsake.calls.uploads_status(session);
  const nothing: null = await keepsake.calls.uploads_abort(status.session);
  const mine: string = (await keepsake.calls.whoami()).toText();
  const memory: Memory = await keepsake.memory('id');

  const upload = keepsake.upload(file, { onProgress: (progress: UploadProgress) => void progress.remainingSeconds });
  const blob: StoredBlob = await upload.done;
  const kept: ProcessingResult = await keepsake.uploadWithProcessing(file, { capsuleId });
  for (const outcome of kept.derivatives) {
    const told: string = outcome.status === 'failed' ? outcome.error.message : outcome.assetId;
    void told;
  }
  for await (const summary of keepsake.memories()) {
    const found: MemorySummary = summary;
    void found.placeholder?.length;
  }
  const asset: AssetContent = await keepsake.asset(kept.memoryId, 'display');
  const stream: ReadableStream<Uint8Array> = asset.stream();
  const derivatives: Derivative[] = await processImageDerivatives(file, { kinds: ['thumbnail'] });
  const capsule: CapsuleHandle = await keepsake.createCapsule({ name: 'Grandmother' });
  await capsule.addOwner('aaaaa-aa');
  const shares: Share[] = await keepsake.shares(kept.memoryId);
  const until: Date | undefined = shares[0]?.until;
  for await (const { memory: trashed, reclaimedAt } of keepsake.trash.list({ capsuleId: capsule.id })) {
    const gone: Date = reclaimedAt;
    void [trashed.title, gone];
  }
  const made: MadeShareLink = await keepsake.links.create({ memories: [kept.memoryId] });
  const visit: ShareLinkVisit = await visitShareLink(made.secret, { canisterId: 'aaaaa-aa' });
  const days: number = (await keepsake.status()).cycles.daysLeft;
  void [until, visit, days];
  try {
    await keepsake.share(kept.memoryId, { with: 'public', permission: 'view' });
  } catch (error) {
    if (error instanceof BudgetExceededError) {
      void error.method;
    }
  }
  void [new FileQueue('uploads.json'), new IndexedDbQueue({ keptUpTo: 0 })];
  // @ts-expect-error: there is no such method
  void keepsake.calls.memories_eat;
  // @ts-expect-error: a session is a 64-bit number
  void keepsake.calls.uploads_abort(1);
  void [nothing, mine, memory, blob, stream, derivatives];
}
