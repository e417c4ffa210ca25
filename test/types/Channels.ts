/** What may go wrong, and what is needed, in a word that can be compared: the type-level part of the tests. */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"

/** Fails with `E`; needs the services `R`. */
export interface Channels<E = never, R = never> {
  fails: E
  needs: R
}

/** A layer that gives the services `A`. */
export interface Gives<A, E = never, R = never> extends Channels<E, R> {
  gives: A
}

/**
 * The channels of an Effect, Stream, Sink or Layer, or of a function that gives one. `never` for anything else, service
 * classes included: those say nothing about what can go wrong.
 */
export type ChannelsOf<T> = T extends abstract new (...args: never) => unknown
  ? never
  : T extends Layer.Layer<infer A, infer E, infer R>
    ? Gives<A, E, R>
    : T extends Effect.Effect<infer _A, infer E, infer R>
      ? Channels<E, R>
      : T extends Stream.Stream<infer _A, infer E, infer R>
        ? Channels<E, R>
        : T extends Sink.Sink<infer _A, infer _In, infer _L, infer E, infer R>
          ? Channels<E, R>
          : T extends (...args: never) => infer Result
            ? ChannelsOf<Result>
            : never

/** Each member of a service, of a model or of a module that can fail or needs something, and how. No member is left out. */
export type Surface<T> = {
  -readonly [K in keyof T as [ChannelsOf<T[K]>] extends [never] ? never : K]: ChannelsOf<T[K]>
}
