/**
 * Asks which content a capsule holds already, many uploads in one query.
 *
 * @module
 */

import type { HeldBlob } from '../bindings/vault.did.js';
import type { VaultCalls } from '../calls.js';

/** Most hashes of one query (`blobs_by_hash`). */
const MOST = 1_000;

/** Milliseconds that a question waits for others to come along. */
const GATHER = 5;

interface Question {
  sha256: Uint8Array;
  resolve(held: HeldBlob | undefined): void;
  reject(error: unknown): void;
}

/** Questions about one vault. */
export class HeldContent {
  readonly #calls: VaultCalls;
  readonly #questions = new Map<string, Question[]>();

  constructor(calls: VaultCalls) {
    this.#calls = calls;
  }

  /** A blob of the capsule with this content, where it has one. */
  find(capsuleId: string, sha256: Uint8Array): Promise<HeldBlob | undefined> {
    return new Promise((resolve, reject) => {
      const question = { sha256, resolve, reject };
      const others = this.#questions.get(capsuleId);
      if (others && others.length < MOST) {
        others.push(question);
        return;
      }
      const questions = [question] as Question[];
      this.#questions.set(capsuleId, questions);
      setTimeout(() => {
        if (this.#questions.get(capsuleId) === questions) {
          this.#questions.delete(capsuleId);
        }
        void this.#ask(capsuleId, questions);
      }, GATHER);
    });
  }

  async #ask(capsuleId: string, questions: Question[]): Promise<void> {
    try {
      const hashes = questions.map(({ sha256 }) => sha256);
      const held = await this.#calls.blobs_by_hash(capsuleId, hashes);
      questions.forEach((question, index) => question.resolve(held[index]?.[0]));
    } catch (error) {
      questions.forEach((question) => question.reject(error));
    }
  }
}
