/**
 * What the workers of a server and their primary process tell each other.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * From a worker: how many of its connections have not logged in, of one block of addresses where `block` is given; a
 * question whether one more may log in; and that it has gone.
 *
 * @internal
 */
export const FromWorker = Schema.TaggedUnion({
  Startups: { block: Schema.optionalKey(Schema.String), count: Schema.Int },
  Login: { id: Schema.Int, block: Schema.optionalKey(Schema.String), username: Schema.String },
  Logout: { id: Schema.Int }
})

/**
 * @internal
 */
export type FromWorker = typeof FromWorker.Type

/**
 * From the primary: the same count over all other workers, and its answer.
 *
 * @internal
 */
export const FromPrimary = Schema.TaggedUnion({
  Startups: { block: Schema.optionalKey(Schema.String), count: Schema.Int },
  Answer: {
    id: Schema.Int,
    /** What there are too many of, if anything, and the limit. */
    refused: Schema.optionalKey(Schema.Literals(["TooManyConnectionsOfAddress", "TooManyConnectionsOfUser"])),
    limit: Schema.Int
  }
})

/**
 * @internal
 */
export type FromPrimary = typeof FromPrimary.Type
