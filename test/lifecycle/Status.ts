/** How servers with a state directory say they are, as the doctor would find it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FileStatus from "../../src/layers/FileStatus.ts"
import type { ServerStatus } from "../../src/schema/ServerStatus.ts"
import { LifecycleConfig } from "../../src/services/LifecycleConfig.ts"
import { RunningServers } from "../../src/services/RunningServers.ts"

export const statuses = (stateDirectory: string): Effect.Effect<ReadonlyArray<ServerStatus>> =>
  RunningServers.use(({ all }) => all).pipe(
    Effect.provide(FileStatus.layerRunning.pipe(Layer.provide(NodeServices.layer))),
    Effect.provideService(LifecycleConfig, {
      deadMansSwitch: true,
      reapInterval: Duration.minutes(1),
      stateDirectory
    })
  )
