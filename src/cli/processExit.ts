/** What ends the process at once, for the commands that may have to. */
import * as Effect from "effect/Effect"
import { ProcessExit } from "../services/Shutdown.ts"

export const withProcessExit = (exit: (code: number) => void) => Effect.provideService(ProcessExit, exit)
