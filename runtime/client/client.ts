// placeholder while the runtime is being written
export interface TaskweftClient {
  close(): Promise<void>;
}
