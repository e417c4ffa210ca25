/**
 * What the test world says when it, and not the thing under test, cannot go on: a deadline that passed, a program that
 * is missing, an engine that does not answer.
 */
import * as Schema from "effect/Schema"

export class HarnessError extends Schema.TaggedError<HarnessError>()("HarnessError", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.operation}: ${this.detail}`
  }
}

/** Turns what a Node API threw into a failure that names what was being tried. */
export const harnessError =
  (operation: string) =>
  (cause: unknown): HarnessError =>
    new HarnessError({ operation, detail: cause instanceof Error ? cause.message : String(cause) })
