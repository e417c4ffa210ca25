/** An agent that offers one key and signs with another. */
import ssh2, { type IdentityCallback, type ParsedKey, type SignCallback, type SigningRequestOptions } from "ssh2"

const parse = (text: string | Buffer): ParsedKey => {
  const key = ssh2.utils.parseKey(text)
  if (key instanceof Error) throw key
  return key
}

export class ForgingAgent extends ssh2.BaseAgent<ParsedKey> {
  readonly #offered: ParsedKey
  readonly #used: ParsedKey
  #hasSigned = false

  constructor(offeredPublicKey: string, usedPrivateKey: Buffer) {
    super()
    this.#offered = parse(offeredPublicKey)
    this.#used = parse(usedPrivateKey)
  }

  /** Whether the server asked for a signature, and got one. */
  hasSigned(): boolean {
    return this.#hasSigned
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    callback(undefined, [this.#offered])
  }

  override sign(_key: ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, callback?: SignCallback) {
    const answer = typeof options === "function" ? options : callback
    const hash = typeof options === "function" ? undefined : options.hash
    this.#hasSigned = true
    answer?.(undefined, this.#used.sign(data, hash))
  }
}
