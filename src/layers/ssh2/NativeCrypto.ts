/**
 * What runs the encryption. Nothing here names a type of ssh2: the declarations of this file are public.
 */
import { createRequire } from "node:module"
import type { SshCrypto } from "../../services/SshServer.ts"

/**
 * ssh2 loads its addon once, and falls back to JavaScript without a word, for example when the addon was built for
 * another version of Node. Loading it here tells which of the two it was.
 */
export const detectCrypto = (): SshCrypto => {
  try {
    createRequire(import.meta.url)("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node")
    return "native"
  } catch {
    return "javascript"
  }
}
