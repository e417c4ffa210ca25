/**
 * The engine's answers, as far as they are read here (Engine API 1.41 and later). Everything else in them is passed over.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ContainerId, ExecId } from "../../schema/Identifiers.ts"

/** Go writes an empty slice or map as `null`. */
const listOf = <S extends Schema.Top>(item: S) => Schema.optionalKey(Schema.NullOr(Schema.Array(item)))
const labels = Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.String)))

/**
 * `cause` is Podman's: the error at the bottom, in words that are the same for each of its kind.
 *
 * @internal
 */
export const ErrorAnswer = Schema.fromJsonString(
  Schema.Struct({ message: Schema.String, cause: Schema.optionalKey(Schema.String) })
)

/**
 * @internal
 */
export const Version = Schema.Struct({
  Version: Schema.String,
  ApiVersion: Schema.String,
  MinAPIVersion: Schema.optionalKey(Schema.String),
  Os: Schema.String
})

/**
 * @internal
 */
export const ImageInspect = Schema.Struct({
  Id: Schema.String,
  RepoTags: listOf(Schema.String),
  Size: Schema.optionalKey(Schema.Finite),
  Config: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        User: Schema.optionalKey(Schema.String),
        Env: listOf(Schema.String),
        Volumes: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
      })
    )
  )
})

/**
 * @internal
 */
export const ContainerCreated = Schema.Struct({ Id: ContainerId })

/**
 * @internal
 */
export const ContainerInspect = Schema.Struct({
  Id: ContainerId,
  Name: Schema.String,
  State: Schema.Struct({
    Status: Schema.String,
    Running: Schema.Boolean,
    ExitCode: Schema.Int,
    OOMKilled: Schema.optionalKey(Schema.Boolean)
  }),
  ExecIDs: Schema.optionalKey(Schema.NullOr(Schema.Array(ExecId))),
  Config: Schema.Struct({
    Labels: labels,
    User: Schema.optionalKey(Schema.String),
    WorkingDir: Schema.optionalKey(Schema.String),
    Env: listOf(Schema.String)
  })
})

/**
 * @internal
 */
export const ContainerList = Schema.Array(
  Schema.Struct({
    Id: ContainerId,
    Names: listOf(Schema.String),
    Image: Schema.String,
    State: Schema.String,
    Labels: labels,
    Created: Schema.Finite
  })
)

/**
 * @internal
 */
export const VolumeList = Schema.Struct({ Volumes: listOf(Schema.Struct({ Name: Schema.String, Labels: labels })) })

/**
 * @internal
 */
export const ContainerWait = Schema.Struct({
  StatusCode: Schema.Int,
  Error: Schema.optionalKey(Schema.NullOr(Schema.Struct({ Message: Schema.optionalKey(Schema.String) })))
})

/**
 * @internal
 */
export const ExecCreated = Schema.Struct({ Id: ExecId })

/**
 * @internal
 */
export const ExecInspect = Schema.Struct({
  Running: Schema.Boolean,
  ExitCode: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  Pid: Schema.optionalKey(Schema.Int),
  CanRemove: Schema.optionalKey(Schema.Boolean)
})

/**
 * One line of the answer to a pull.
 *
 * @internal
 */
export const PullLine = Schema.fromJsonString(
  Schema.Struct({
    status: Schema.optionalKey(Schema.String),
    id: Schema.optionalKey(Schema.String),
    progressDetail: Schema.optionalKey(
      Schema.NullOr(
        Schema.Struct({ current: Schema.optionalKey(Schema.Finite), total: Schema.optionalKey(Schema.Finite) })
      )
    ),
    error: Schema.optionalKey(Schema.String),
    errorDetail: Schema.optionalKey(Schema.NullOr(Schema.Struct({ message: Schema.optionalKey(Schema.String) })))
  })
)

/**
 * One line of the answer to a request for events.
 *
 * @internal
 */
export const EventLine = Schema.fromJsonString(
  Schema.Struct({
    Action: Schema.String,
    Actor: Schema.Struct({ ID: ContainerId, Attributes: labels })
  })
)

/**
 * What the header `X-Docker-Container-Path-Stat` holds, in Base64. `mode` is Go's `os.FileMode`.
 *
 * @internal
 */
export const PathStat = Schema.StringFromBase64.pipe(
  Schema.decodeTo(
    Schema.fromJsonString(
      Schema.Struct({
        name: Schema.String,
        size: Schema.Finite,
        mode: Schema.Int,
        mtime: Schema.String,
        linkTarget: Schema.optionalKey(Schema.String)
      })
    )
  )
)
