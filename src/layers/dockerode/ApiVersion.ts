/**
 * Versions of the Engine API.
 *
 * @since 0.1.0
 */
import { BadRequest, type DockerErrorReason, UnexpectedAnswer } from "../../schema/DockerError.ts"

/** The oldest version that this program speaks: that of Docker 20.10. */
const oldest = "1.41"

/** The newest version that this program knows. */
const newest = "1.47"

/** The number behind `1.`; there is no other major version. */
const minor = (version: string): number | undefined => {
  const digits = /^1\.(\d+)$/u.exec(version)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * Whether a version is at least another.
 *
 * @internal
 */
export const isAtLeast = (version: string, other: string): boolean => (minor(version) ?? 0) >= (minor(other) ?? 0)

/**
 * The version to speak with an engine that speaks all from `minimum` to `maximum`: the newest that both know.
 *
 * @internal
 */
export const negotiate = (engine: {
  readonly minimum: string | undefined
  readonly maximum: string
}): string | DockerErrorReason => {
  if (minor(engine.maximum) === undefined) {
    return new UnexpectedAnswer({
      message: `the engine's API version ${JSON.stringify(engine.maximum)} is not a version`
    })
  }
  if (!isAtLeast(engine.maximum, oldest)) {
    return new BadRequest({
      message: `the engine speaks API ${engine.maximum} at most; ${oldest} (Docker 20.10) or later is needed`
    })
  }
  if (engine.minimum !== undefined && !isAtLeast(newest, engine.minimum)) {
    return new BadRequest({
      message: `the engine speaks API ${engine.minimum} at least; this program knows ${newest} at most`
    })
  }
  return isAtLeast(engine.maximum, newest) ? newest : engine.maximum
}
