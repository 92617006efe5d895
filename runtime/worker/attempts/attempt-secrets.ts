/**
 * The sensitive values of the jobs that run here, from their payloads and from the events that their handlers
 * received, which must not appear in logs. A payload is searched when the first line is logged, so jobs that
 * log nothing pay nothing.
 */
import { type AnyTaskContract, secretsAt } from "../../definition/index.js";

export class AttemptSecrets {
  readonly #contract: AnyTaskContract;
  readonly #payloads: () => readonly unknown[];
  #inPayloads: readonly string[] | undefined;
  #all: readonly string[] | undefined;
  #heard: readonly string[] = [];

  /** `undefined` when the task declares nothing sensitive. */
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

  /** The sensitive values of events. */
  get heard(): readonly string[] {
    return this.#heard;
  }

  /** Adds the sensitive values of an event that ended a wait. */
  hear(name: string, event: unknown): void {
    const paths = this.#contract.sensitiveEvents?.[name] ?? [];
    this.#heard = [...this.#heard, ...secretsAt(paths, event)];
    this.#all = undefined;
  }
}
