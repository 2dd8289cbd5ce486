/**
 * Asks before something that cannot be undone.
 *
 * @module
 */

export interface Question {
  title: string;
  text: string;
  /** What the button says that does it. */
  yes: string;
  danger?: boolean;
}

class Asker {
  question = $state.raw<Question>();
  #answer: ((yes: boolean) => void) | undefined;

  /** Resolves to whether the person agrees. */
  confirm(question: Question): Promise<boolean> {
    this.#answer?.(false);
    this.question = question;
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  settle(yes: boolean): void {
    this.question = undefined;
    this.#answer?.(yes);
    this.#answer = undefined;
  }
}

export const ask = new Asker();
