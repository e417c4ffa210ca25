/**
 * What a virtual container and its engine say to each other across the border of their threads.
 *
 * @since 0.1.0
 */

/** The two outputs of a program. */
export type OutputName = "stdout" | "stderr"

/** Size of a terminal, in characters. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

/** How much of its input a program reads: what there is now, a line, or all until the end. */
export type Amount = "some" | "line" | "all"

/** A program to run. */
export interface Run {
  readonly _tag: "Run"
  readonly id: number
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  /** Absent: no terminal. */
  readonly size?: Size
  /** One word, by which a program learns that it is to stop also while it is too busy to take messages. */
  readonly control: SharedArrayBuffer
}

/** What `Run.control` says. */
export const control = { go: 0, interrupt: 1, overtime: 2, overflow: 3, end: 4 } as const

/**
 * @since 0.1.0
 */
export type Stop = Exclude<keyof typeof control, "go">

/** To the container. */
export type ToContainer =
  | Run
  /** The commands that `Prompt` asked for: one line; `end` at the end of the input; `cancel` when it was given up. */
  | { readonly _tag: "Line"; readonly id: number; readonly line: string }
  | { readonly _tag: "LineEnd"; readonly id: number; readonly reason: "end" | "cancel" }
  /** A part of what `Wants` asked for, and whether it is the last. */
  | { readonly _tag: "Input"; readonly id: number; readonly bytes: Uint8Array; readonly isLast: boolean }
  /** The reader has taken so many bytes of output. */
  | { readonly _tag: "Taken"; readonly id: number; readonly bytes: number }
  | { readonly _tag: "Resize"; readonly id: number; readonly size: Size }
  /** `control` has changed. */
  | { readonly _tag: "Stop"; readonly id: number }
  /** Is there such a program? */
  | { readonly _tag: "Find"; readonly request: number; readonly command: string; readonly workingDirectory: string }
  /** What could the last word of this line become? */
  | { readonly _tag: "Complete"; readonly request: number; readonly id: number; readonly line: string }

/** Whether there is a program, and, if not, the exit status that a shell would give. */
export type Found = "found" | 126 | 127

/** From the container. */
export type FromContainer =
  | { readonly _tag: "Ready"; readonly programs: ReadonlyArray<string> }
  /** The shell waits for commands. `text` is empty without a terminal. */
  | { readonly _tag: "Prompt"; readonly id: number; readonly text: string }
  /** The program reads its input. */
  | { readonly _tag: "Wants"; readonly id: number; readonly amount: Amount }
  | { readonly _tag: "Output"; readonly id: number; readonly output: OutputName; readonly bytes: Uint8Array }
  | { readonly _tag: "Exited"; readonly id: number; readonly status: number }
  | { readonly _tag: "FindAnswer"; readonly request: number; readonly found: Found }
  | { readonly _tag: "CompleteAnswer"; readonly request: number; readonly candidates: ReadonlyArray<string> }

/** What a container may use. */
export interface Limits {
  /** Bytes that its files may take. */
  readonly files: number
  /** Bytes of output that one command line, or one program that is not a shell, may write. */
  readonly output: number
}

/** Who the person in it is, and what it is called. */
export interface Identity {
  readonly user: string
  readonly home: string
  readonly hostname: string
}

/** What a container is made from. */
export interface Setup {
  readonly identity: Identity
  readonly limits: Limits
}
