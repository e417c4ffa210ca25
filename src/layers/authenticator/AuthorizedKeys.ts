/**
 * Lists of keys in the format of OpenSSH's authorized_keys files (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
 */
import * as Result from "effect/Result"
import * as KeyOptions from "./KeyOptions.ts"
import * as PublicKeyBlob from "./PublicKeyBlob.ts"

/** One key of a list. */
export interface AuthorizedKey {
  readonly blob: Uint8Array
  /** Where it is listed, for the log. */
  readonly place: string
  /** The conditions under which it is good, or why it is never good. */
  readonly options: Result.Result<KeyOptions.KeyOptions, string>
}

/** A list of keys, and what in it cannot be used. The problems name the place and quote no key. */
export interface AuthorizedKeys {
  /** By the blob in base64; lines with the same key in the order of the list. */
  readonly keys: ReadonlyMap<string, ReadonlyArray<AuthorizedKey>>
  readonly problems: ReadonlyArray<string>
}

/** No keys. */
export const empty: AuthorizedKeys = { keys: new Map(), problems: [] }

const blobId = (blob: Uint8Array): string => Buffer.from(blob).toString("base64")

/** The lists one after the other. */
export const concat = (lists: ReadonlyArray<AuthorizedKeys>): AuthorizedKeys => {
  const keys = new Map<string, ReadonlyArray<AuthorizedKey>>()
  for (const list of lists) for (const [id, same] of list.keys) keys.set(id, [...(keys.get(id) ?? []), ...same])
  return { keys, problems: lists.flatMap((list) => list.problems) }
}

/** The lines that list this key. */
export const find = (list: AuthorizedKeys, blob: Uint8Array): ReadonlyArray<AuthorizedKey> =>
  list.keys.get(blobId(blob)) ?? []

const words = (text: string): ReadonlyArray<string> => text.split(/[ \t]+/u)

/** What a line is that is no key, as far as that can be told without showing it. */
const notAKey = (line: string, type: string, rest: ReadonlyArray<string>): string => {
  if (/^-{4,5} ?BEGIN /u.test(line)) {
    return line.includes("PRIVATE")
      ? "this is a private key; list the public key, one line that begins with its type"
      : "this is a key in another format; `ssh-keygen -i -f FILE` converts it"
  }
  if (line.startsWith("AAAA")) return "the type of the key (such as ssh-ed25519) is missing before it"
  if (rest[0]?.startsWith("AAAA") === true && /^[\w@.-]{1,48}$/u.test(type)) {
    return `${type} is not a type of key that this server knows`
  }
  return "this is not a key: [OPTIONS] TYPE BASE64 [COMMENT] is expected"
}

const parseLine = (line: string, place: string): Result.Result<AuthorizedKey, string> => {
  const [first = ""] = words(line)
  const optionsEnd = PublicKeyBlob.isKeyType(first) ? 0 : KeyOptions.fieldEnd(line)
  const [type = "", base64 = "", ...rest] = words(line.slice(optionsEnd).trim())
  if (!PublicKeyBlob.isKeyType(type)) {
    return Result.fail(notAKey(line, optionsEnd === 0 ? type : first, [type, base64, ...rest]))
  }
  return Result.map(PublicKeyBlob.decode(type, base64), (blob) => ({
    blob,
    place,
    options: optionsEnd === 0 ? Result.succeed({}) : KeyOptions.parse(line.slice(0, optionsEnd))
  }))
}

/** Parses a list of keys. `place` names a line, given its number from 1. */
export const parse = (text: string, place: (line: number) => string): AuthorizedKeys => {
  const keys = new Map<string, Array<AuthorizedKey>>()
  const problems: Array<string> = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/u, "")
    .split(/\r\n|\n|\r/u)
    .entries()) {
    const line = raw.trim()
    if (line === "" || line.startsWith("#")) continue
    const where = place(index + 1)
    const key = parseLine(line, where)
    if (Result.isFailure(key)) {
      problems.push(`${where}: ${key.failure}`)
      continue
    }
    // A key whose options cannot be honoured stays in the list: were the line dropped, a second line with the same key
    // and fewer restrictions would let in whom sshd, which takes the first one, binds to the restrictions.
    if (Result.isFailure(key.success.options)) problems.push(`${where}: ${key.success.options.failure}`)
    const id = blobId(key.success.blob)
    const same = keys.get(id)
    if (same === undefined) keys.set(id, [key.success])
    else same.push(key.success)
  }
  return { keys, problems }
}
