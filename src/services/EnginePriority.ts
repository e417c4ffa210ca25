/**
 * For whom the engine is asked to do something: for a person who waits, or for later.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * `live` for a connection or a program that somebody waits for, `background` for what is only made ready, `urgent` for
 * what ends something, such as the delivery of a signal, and must never wait behind what begins.
 *
 * @since 0.1.0
 * @category models
 */
export type Priority = "live" | "background" | "urgent"

/**
 * The priority of what is asked of the engine: where starts have to wait for one another, `live` ones go
 * first, and `urgent` ones do not wait.
 *
 * @example
 * ```ts
 * const warm = docker.startContainer(id).pipe(Effect.provideService(EnginePriority, "background"))
 * ```
 *
 * @since 0.1.0
 * @category references
 */
export const EnginePriority = Context.Reference<Priority>("dockerrun/services/EnginePriority", {
  defaultValue: () => "live"
})
