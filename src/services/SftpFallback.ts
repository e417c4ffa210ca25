/**
 * What serves SFTP where the image brings no program for it: the server itself, over the engine's archives.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChannelId, ConnectionId, ContainerId } from "../schema/Identifiers.ts"
import { ProgramError, ProgramLost, ProgramNotLaunched, SftpNotServed } from "../schema/ProgramError.ts"
import type { ProgramOutput } from "./ByteSink.ts"
import * as ContainerFiles from "./ContainerFiles.ts"
import { Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { Logger } from "./Logger.ts"
import type { Program } from "./Program.ts"
import * as ProgramExit from "./ProgramExit.ts"
import * as Retry from "./Retry.ts"
import * as SftpServer from "./SftpServer.ts"

/**
 * The name of the subsystem.
 *
 * @since 0.1.0
 * @category constants
 */
export const subsystem = "sftp"

/** An engine's archives know no rights but root's, so nobody else's files are served with them. */
const isRoot = (user: string): boolean => /^(?:0|root)?(?::|$)/u.test(user)

/**
 * Serves SFTP if it is configured (`sftpFallback`) and the program that was to do it is not in the container; `undefined`
 * if it is there, or if that cannot be told because it is no path.
 *
 * @since 0.1.0
 * @category operations
 */
export const start = Effect.fn("SftpFallback.start")(function* (
  request: {
    readonly connectionId: ConnectionId
    readonly channelId: ChannelId
    readonly container: ContainerId
    /** The program that the configuration names. */
    readonly program: string
    /** Whose rights programs have, if not those that the container was configured with. */
    readonly user?: string | undefined
  },
  output: ProgramOutput
): Effect.fn.Return<Program | undefined, ProgramError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const { config } = yield* DockerRunConfig
  const { channelId, connectionId, container, program } = request
  if (!config.sftpFallback || !program.startsWith("/")) return undefined
  const docker = yield* Docker
  const logger = yield* Logger
  const fail = (reason: ProgramError["reason"], cause?: unknown) =>
    new ProgramError({ connectionId, channelId, reason, ...(cause === undefined ? {} : { cause }) })

  const found = yield* Effect.gen(function* () {
    const isMissing = yield* docker.statPath(container, program).pipe(
      Effect.as(false),
      Effect.catchReason("DockerError", "NotFound", () => Effect.succeed(true))
    )
    return isMissing ? yield* docker.inspectContainer(container) : undefined
  }).pipe(
    Retry.whileTransient,
    Effect.mapError((error) =>
      fail(error.reason._tag === "NotFound" ? new ProgramLost() : new ProgramNotLaunched(), error)
    ),
    Effect.timeoutOrElse({ duration: config.timeout, orElse: () => Effect.fail(fail(new ProgramNotLaunched())) })
  )
  if (found === undefined) return undefined
  const user = request.user ?? found.user
  if (!isRoot(user)) return yield* fail(new SftpNotServed({ user }))

  yield* logger.log({
    level: "debug",
    code: "SFTP_FALLBACK",
    message: `${program} is not in the container: SFTP is served over the engine's archives`
  })
  const files = yield* ContainerFiles.make(container, request.user)
  const server = yield* SftpServer.start(
    files,
    { directory: found.workingDirectory === "" ? "/" : found.workingDirectory, uid: 0, gid: 0 },
    output
  )
  return {
    stdin: server.stdin,
    exit: Effect.map(server.exit, ProgramExit.exited),
    resize: () => Effect.void,
    // What sshd's own server does with them is up to the system; here there is no process that could act on one.
    signal: () => Effect.void
  }
})
