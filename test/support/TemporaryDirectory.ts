/** A directory that goes when the Scope closes. Its path is short: Unix sockets live in it. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type HarnessError, harnessError } from "./HarnessError.ts"

export const temporaryDirectory: Effect.Effect<string, HarnessError, Scope.Scope> = Effect.acquireRelease(
  Effect.tryPromise({
    try: () => mkdtemp(join(tmpdir(), "dr-")),
    catch: harnessError("making a temporary directory")
  }),
  (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
)
