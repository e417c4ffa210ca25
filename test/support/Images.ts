/** Test images that are not on every engine, because they take long to make or need packages that few tests need. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { docker, engine } from "./Engine.ts"
import type { HarnessError } from "./HarnessError.ts"
import { output } from "./Program.ts"

/**
 * Makes `dockerrun-test/NAME:1` with `scripts/images/NAME`, once per engine, and gives its reference. `full` takes some
 * minutes: the deadline is in milliseconds, five minutes unless told.
 */
export const prepareImage = (name: string, deadline = 300_000): Effect.Effect<string, HarnessError> => {
  const reference = `dockerrun-test/${name}:1`
  return Effect.catch(docker("image", "inspect", reference), () =>
    output(join(import.meta.dirname, "../../scripts/images/load"), [name], {
      env: { DOCKER_HOST: engine().host },
      deadline
    })
  ).pipe(Effect.as(reference))
}
