/**
 * Host keys from files, from the configuration itself, or made once and kept.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { HostKeyError } from "../schema/HostKeyError.ts"
import { type HostKey, HostKeys } from "../services/HostKeys.ts"
import type { Logger } from "../services/Logger.ts"
import { SshConfig } from "../services/SshConfig.ts"
import * as HostKeyFile from "./hostkeys/HostKeyFile.ts"
import * as HostKeyText from "./hostkeys/HostKeyText.ts"
import * as KeptHostKeys from "./hostkeys/KeptHostKeys.ts"

/** An RSA key signs with either of two hashes. */
const signaturesOf = (algorithm: string): ReadonlyArray<string> =>
  algorithm === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [algorithm]

/** With none that is allowed no client would come further than the key exchange. */
const checkAllowed = (
  keys: readonly [HostKey, ...ReadonlyArray<HostKey>],
  allowed: ReadonlyArray<string>
): Effect.Effect<void, HostKeyError> =>
  keys.some(({ algorithm }) => signaturesOf(algorithm).some((name) => allowed.includes(name)))
    ? Effect.void
    : Effect.fail(
        new HostKeyError({
          path: keys[0].source,
          problem: `ssh.hostKeyAlgorithms allows none of the host keys (${keys.map(({ algorithm }) => algorithm).join(", ")})`,
          remedy: "add an algorithm to it, or a key of another type to ssh.hostkeys"
        })
      )

const make = Effect.gen(function* () {
  const { hostKeyAlgorithms, hostkeyDirectory, hostkeys } = yield* SshConfig
  const [first, ...others] = yield* Effect.forEach(hostkeys, (source, index) =>
    source._tag === "File"
      ? HostKeyFile.read(source.path)
      : Effect.fromResult(HostKeyText.parse(Redacted.value(source.pem), `ssh.hostkeys[${index}]`))
  )
  const keys = first === undefined ? yield* KeptHostKeys.inDirectory(hostkeyDirectory) : ([first, ...others] as const)
  yield* checkAllowed(keys, hostKeyAlgorithms)
  return HostKeys.of({ keys })
})

/**
 * The keys of `ssh.hostkeys`, in their order; or, when there are none, an Ed25519 key that is made once and kept in
 * `ssh.hostkeyDirectory`. Servers that start with the same directory at the same time get the same key.
 *
 * Fails with `HostKeyError` when a key cannot be read, is encrypted, damaged or too weak, can be read by others than
 * its owner, or cannot be made.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HostKeys, HostKeyError, FileSystem.FileSystem | Logger | SshConfig> = Layer.effect(
  HostKeys,
  make
)

/**
 * The names of the files that a server makes in `ssh.hostkeyDirectory` when no keys are configured.
 *
 * @since 0.1.0
 * @category constants
 */
export const keptFiles: ReadonlyArray<string> = [KeptHostKeys.file]
