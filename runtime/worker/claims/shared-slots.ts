/**
 * The slots of one worker, shared by its parts. Each part serves a shard, with a lease and a connection of
 * its own. A worker of one shard has a single part, which may always use all slots.
 *
 * Parts that look for work get equal shares. When a shard has no jobs, the other parts may use its share. A
 * share is kept free for every part that looks for work, so that a shard with many jobs never starves one
 * with few.
 */

/** What a part reports to the others, and what they ask of it. */
export interface SlotUser {
  /** Slots in use. */
  readonly running: () => number;
  /**
   * Jobs that will need a slot: claimed and not started, or requested in calls that Redis is about to answer.
   */
  readonly coming: () => number;
  /** True while the part claims and has not been told that its queues are empty. */
  readonly hungry: () => boolean;
  /**
   * Running jobs, beside which no suspect may run. Jobs that are claimed but not started do not count: they
   * may be waiting for an unreachable Redis, and then wait for the suspect instead.
   */
  readonly busy: () => number;
  /** A slot may be free for a job or a suspect. */
  readonly look: () => void;
  /**
   * Another part has a suspect, which must run alone in the whole process: claim nothing and let nothing
   * gather.
   */
  readonly close: () => void;
  readonly open: () => void;
}

export class SharedSlots {
  readonly concurrency: number;
  readonly #users: SlotUser[] = [];
  /** Grows with each job that ends, so that slots which cannot be divided evenly go round. */
  #turn = 0;
  /** The part that has the suspect. */
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

  /** Most jobs that this part may have running, claimed and requested, without those claimed ahead. */
  claimable(user: SlotUser): number {
    if (this.isUndivided) return this.concurrency;
    return this.#leftFor(user, (other) => other.running() + other.coming());
  }

  /** Most jobs that this part may have running. */
  startable(user: SlotUser): number {
    if (this.isUndivided) return this.concurrency;
    return this.#leftFor(user, (other) => other.running());
  }

  /**
   * For a part that looks for work only its share counts, or its running jobs if there are more: jobs that it
   * has claimed ahead must wait.
   * @param loadOf the slots that count for a part that does not look for work.
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

  /** A job of this part has ended, or its shard has no more jobs: other parts may start jobs. */
  freed(user: SlotUser): void {
    if (this.isUndivided) return;
    this.#turn += 1;
    for (const other of this.#users) if (other !== user) other.look();
  }

  /** Acquires the right to run a suspect alone; false while another part has it. */
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

/** The slots as one part sees them. */
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

  /** What suspects need to know of the other parts, which must not run anything beside a suspect. */
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
