/**
 * Forgets a person's queue of uploads when they sign out. Small, because signing out has to work without loading anything.
 *
 * @module
 */

/** Name of the database of a person's queue. */
export function queueName(principal: string): string {
  return `keepsake-queue:${principal}`;
}

/** Deletes a person's queue with all copies of files. It never fails. */
export function forgetQueue(principal: string): Promise<void> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.deleteDatabase(queueName(principal));
      request.onsuccess = request.onerror = request.onblocked = () => resolve();
    } catch {
      resolve();
    }
  });
}
