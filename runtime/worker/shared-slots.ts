/**
 * The slots of one worker, used by its parts: each part serves a shard, with a lease and a connection of its own. A worker of one
 * shard has one part, and then all of this says what the part knows already.
 *
 * Parts that look for work get equal shares; what one does not use, because its shard has nothing, the others may. A share is
 * kept free for whoever looks, so that a shard with many jobs never starves one with few.
 */

/** What a part tells the others, and what they ask of it. */
export interface SlotUser {
  /** Slots in use. */
  readonly running: () => number;
  /** Jobs that will want a slot: claimed and not started, or asked for in calls that Redis is about to answer. */
  readonly coming: () => number;
  /** True while it claims, and has not heard that there is nothing. */
  readonly hungry: () => boolean;
  /**
   * Jobs that run, beside which no suspect may. What has been claimed and has not started is none: it may wait for a Redis that is away, and
   * waits for the suspect then.
   */
  readonly busy: () => number;
  /** A slot may be free, here or for a suspect. */
  readonly look: () => void;
  /** Another part has a suspect, which must run alone in the whole process: claim nothing, let nothing gather. */
  readonly close: () => void;
  readonly open: () => void;
}

export class SharedSlots {
  readonly concurrency: number;
  readonly #users: SlotUser[] = [];
  /** Grows with each job that ends, so that a slot that cannot be divided goes round. */
  #turn = 0;
  /** The part with the suspect. */
  #holder: SlotUser | undefined;
  #isAlone = false;

  constructor(concurrency: number) {
    this.concurrency = concurrency;
  }

  join(user: SlotUser): Share {
    this.#users.push(user);
    return new Share(this, user);
  }

  /** True for a worker of one shard. */
  get isUndivided(): boolean {
    return this.#users.length === 1;
  }

  othersOf(user: SlotUser): readonly SlotUser[] {
    return this.#users.filter((other) => other !== user);
  }

  /** Most that this part may have running, claimed and asked for, but for what it claims ahead. */
  claimable(user: SlotUser): number {
    if (this.isUndivided) return this.concurrency;
    return this.#leftFor(user, (other) => other.running() + other.coming());
  }

  /** Most that this part may have running. */
  startable(user: SlotUser): number {
    if (this.isUndivided) return this.concurrency;
    return this.#leftFor(user, (other) => other.running());
  }

  /**
   * Of a part that looks for work only its share counts, or what runs already: what it has claimed ahead waits for that.
   * @param loadOf what counts of a part that looks for nothing.
   */
  #leftFor(user: SlotUser, loadOf: (other: SlotUser) => number): number {
    const hungry = this.#users.filter((other) => other === user || other.hungry());
    let left = this.concurrency;
    for (const other of this.#users) {
      if (other === user) continue;
      const place = hungry.indexOf(other);
      left -= place < 0 ? loadOf(other) : Math.max(other.running(), this.#shareAt(place, hungry.length));
    }
    return Math.max(0, left);
  }

  #shareAt(place: number, hungry: number): number {
    const rest = this.concurrency % hungry;
    return Math.floor(this.concurrency / hungry) + ((place + this.#turn) % hungry < rest ? 1 : 0);
  }

  /** A job of this part has ended, or its shard has nothing more: others may go on. */
  freed(user: SlotUser): void {
    if (this.isUndivided) return;
    this.#turn += 1;
    for (const other of this.#users) if (other !== user) other.look();
  }

  /** Takes the right to run a suspect alone; false while another part has it. */
  hold(user: SlotUser): boolean {
    if (this.#holder !== undefined && this.#holder !== user) return false;
    this.#holder = user;
    for (const other of this.othersOf(user)) other.close();
    return true;
  }

  alone(user: SlotUser): void {
    if (this.#holder === user) this.#isAlone = true;
  }

  release(user: SlotUser): void {
    if (this.#holder !== user) return;
    this.#holder = undefined;
    this.#isAlone = false;
    for (const other of this.othersOf(user)) other.open();
  }

  /** What another part does with a suspect. */
  elsewhere(user: SlotUser): "alone" | "draining" | undefined {
    if (this.#holder === undefined || this.#holder === user) return undefined;
    return this.#isAlone ? "alone" : "draining";
  }
}

/** What one part sees of the slots. */
export class Share {
  readonly #slots: SharedSlots;
  readonly #user: SlotUser;

  constructor(slots: SharedSlots, user: SlotUser) {
    this.#slots = slots;
    this.#user = user;
  }

  readonly startable = (): number => this.#slots.startable(this.#user);
  readonly claimable = (): number => this.#slots.claimable(this.#user);
  readonly freed = (): void => this.#slots.freed(this.#user);

  /** For suspects: the other parts count as they do, and run none beside it. */
  readonly suspects = {
    busyElsewhere: (): number =>
      this.#slots.othersOf(this.#user).reduce((sum, other) => sum + other.busy(), 0),
    elsewhere: (): "alone" | "draining" | undefined => this.#slots.elsewhere(this.#user),
    hold: (): boolean => this.#slots.hold(this.#user),
    alone: (): void => this.#slots.alone(this.#user),
    release: (): void => this.#slots.release(this.#user),
  };
}

export type SharedSuspects = Share["suspects"];
