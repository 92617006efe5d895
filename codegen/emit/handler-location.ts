/** Where a task's handler is exported. */
export interface HandlerLocation {
  /** Relative to the project, with `/`. */
  readonly file: string;
  /** `default`, or the name of the exported constant. */
  readonly exportName: string;
}

/** The handlers that exist, by task name. */
export type HandlerMap = ReadonlyMap<string, HandlerLocation>;
