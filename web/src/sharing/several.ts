/**
 * The same for many memories, some at a time: on the Internet Computer a call takes seconds, whatever it does.
 *
 * @module
 */

/** Calls under way at the same time. */
const AT_ONCE = 8;

/**
 * Does something for each item and tells how many are done. At the first failure nothing more is begun, and it is thrown once what was begun has ended.
 */
export async function forEach<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<unknown>,
  onDone: (done: number) => void = () => {},
): Promise<void> {
  let next = 0;
  let done = 0;
  let failure: { error: unknown } | undefined;
  const work = async () => {
    while (next < items.length && !failure) {
      const item = items[next] as Item;
      next += 1;
      try {
        await act(item);
        done += 1;
        onDone(done);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, work));
  if (failure) {
    throw failure.error;
  }
}
