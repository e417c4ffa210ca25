/**
 * Images, and what registries offer.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ProgramNotStarted } from "../../schema/DockerError.ts"
import { ImageReferenceFromString } from "../../schema/ImageReference.ts"
import type { SimulatedProgram } from "./SimulatedProgram.ts"

/**
 * An image: the programs in it, and what it sets for them.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatedImage {
  /** Path or name → program. A program with a path is found by its name, too. */
  readonly programs?: Readonly<Record<string, SimulatedProgram>>
  /**
   * What `/bin/sh -c TEXT` does for a text. A text that is not here is run by a small shell, which knows simple commands
   * joined by `;` and `&&`, quotes, `>&2` and `exit`.
   */
  readonly scripts?: Readonly<Record<string, SimulatedProgram>>
  /**
   * Finds the program for a command at the moment when it is to be started, instead of `programs` and the shell: for
   * images whose programs come and go.
   */
  readonly find?: (command: string, workingDirectory: string) => Effect.Effect<SimulatedProgram | ProgramNotStarted>
  /** Whether the image has a shell and the usual small programs (`cat`, `echo`, `sleep`, …). Default: it has. */
  readonly shell?: boolean
  /** Paths that are there and cannot be executed. Default: `/`, `/bin`, `/etc`, `/etc/passwd`, `/tmp`. */
  readonly notExecutable?: ReadonlyArray<string>
  /** Path → content. Only the engine's archives show them: programs are Effects and have their own. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** `NAME=value`. Default: a `PATH`. */
  readonly env?: ReadonlyArray<string>
  readonly entrypoint?: ReadonlyArray<string>
  /** Default: `/bin/sh`, if the image has a shell. */
  readonly command?: ReadonlyArray<string>
  /** Default: `/`. */
  readonly workingDirectory?: string
  /** Default: `root`. */
  readonly user?: string
  readonly labels?: Readonly<Record<string, string>>
  /** Paths at which each container has an anonymous volume. */
  readonly volumes?: ReadonlyArray<string>
  /** Bytes. Default: the layers' together, or 0. */
  readonly size?: number
  /** By which it can be named, too: `sha256:…`. */
  readonly digest?: string
}

/**
 * An image in a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface RegistryImage extends SimulatedImage {
  /** Layers with their sizes in bytes. Default: one of 1 MiB. */
  readonly layers?: ReadonlyArray<{ readonly id: string; readonly size: number }>
  /** How long the whole download takes; it is shared out by size. Default: no time. */
  readonly downloadTime?: Duration.Input
  /** `os/architecture` for which it is made. Default: `linux/amd64`. */
  readonly platform?: string
  /** The registry shows it to nobody without credentials, and the engine has none. */
  readonly denied?: boolean
}

const decode = Schema.decodeOption(ImageReferenceFromString)

/**
 * The canonical form of a reference, with `latest` where there is neither tag nor digest. None for what is no reference.
 *
 * @internal
 */
export const canonical = (reference: string): string | undefined =>
  Option.match(decode(reference), {
    onNone: () => undefined,
    onSome: (parsed) =>
      parsed.tag === undefined && parsed.digest === undefined ? `${parsed.canonical}:latest` : parsed.canonical
  })

/**
 * The registry of a reference, such as `docker.io`.
 *
 * @internal
 */
export const registryOf = (reference: string): string | undefined =>
  Option.getOrUndefined(Option.map(decode(reference), (parsed) => parsed.registry))

/**
 * The canonical form that names the image by its digest, whatever tag the reference has.
 *
 * @internal
 */
export const byDigest = (reference: string, digest: string): string | undefined =>
  Option.getOrUndefined(Option.map(decode(reference), (parsed) => `${parsed.name}@${digest}`))
