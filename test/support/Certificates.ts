/** Certificates as `ssh-keygen -s` makes them. */
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { harnessError } from "./HarnessError.ts"
import type { KeyPair } from "./OpenSsh.ts"
import { output } from "./Program.ts"

export interface CertificateOptions {
  /** Of ssh-keygen: `-n`; none unless told. */
  readonly principals?: ReadonlyArray<string>
  /** `-V`. */
  readonly validity?: string
  /** `-O`, each. */
  readonly options?: ReadonlyArray<string>
  /** `-h`. */
  readonly host?: boolean
  readonly serial?: number
}

/** Certifies the key, in the file beside it in which ssh looks for a certificate; gives the certificate's blob. */
export const certify = Effect.fnUntraced(function* (
  authority: KeyPair,
  key: KeyPair,
  settings: CertificateOptions = {}
) {
  const { host, options = [], principals, serial = 7, validity } = settings
  yield* output("ssh-keygen", [
    "-q",
    "-s",
    authority.privateFile,
    "-I",
    "a test",
    "-z",
    String(serial),
    ...(host === true ? ["-h"] : []),
    ...(principals === undefined ? [] : ["-n", principals.join(",")]),
    ...(validity === undefined ? [] : ["-V", validity]),
    ...options.flatMap((option) => ["-O", option]),
    `${key.privateFile}.pub`
  ])
  const line = yield* Effect.tryPromise({
    try: () => readFile(`${key.privateFile}-cert.pub`, "utf8"),
    catch: harnessError("reading the certificate")
  })
  const [type = "", base64 = ""] = line.split(" ")
  return { algorithm: type, blob: new Uint8Array(Buffer.from(base64, "base64")) }
})
