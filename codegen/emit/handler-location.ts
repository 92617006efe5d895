/** The file and export of a task's handler. */
export interface HandlerLocation {
  /** Relative to the project, with `/`. */
  readonly file: string;
  /** `default`, or the name of the exported constant. */
  readonly exportName: string;
}

/** The existing handlers, by task name. */
export type HandlerMap = ReadonlyMap<string, HandlerLocation>;
