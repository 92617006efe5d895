/**
 * What must not be seen of jobs while they run: what is sensitive in their payloads, and in the events that their handlers have heard. Payloads are
 * looked through when the first line is logged, so jobs that log nothing pay nothing.
 */
import { type AnyTaskContract, secretsAt } from "../definition/index.js";

export class AttemptSecrets {
  readonly #contract: AnyTaskContract;
  readonly #payloads: () => readonly unknown[];
  #inPayloads: readonly string[] | undefined;
  #all: readonly string[] | undefined;
  #heard: readonly string[] = [];

  /** `undefined` where there can be none. */
  static of(contract: AnyTaskContract, payloads: () => readonly unknown[]): AttemptSecrets | undefined {
    if (contract.sensitive === undefined && contract.sensitiveEvents === undefined) return undefined;
    return new AttemptSecrets(contract, payloads);
  }

  private constructor(contract: AnyTaskContract, payloads: () => readonly unknown[]) {
    this.#contract = contract;
    this.#payloads = payloads;
  }

  readonly all = (): readonly string[] => {
    const { sensitive = [] } = this.#contract;
    this.#inPayloads ??= this.#payloads().flatMap((payload) => secretsAt(sensitive, payload));
    return (this.#all ??= [...new Set([...this.#inPayloads, ...this.#heard])]);
  };

  /** Those of events. */
  get heard(): readonly string[] {
    return this.#heard;
  }

  /** A wait has ended with this event. */
  hear(name: string, event: unknown): void {
    const paths = this.#contract.sensitiveEvents?.[name] ?? [];
    this.#heard = [...this.#heard, ...secretsAt(paths, event)];
    this.#all = undefined;
  }
}
