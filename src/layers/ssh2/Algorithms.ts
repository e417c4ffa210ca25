/**
 * Which algorithms are offered.
 */
import * as Predicate from "effect/Predicate"
import type { Algorithms, Connection } from "ssh2"
import { HostKeyAlgorithm } from "../../schema/SshAlgorithms.ts"
import type { SshSettings } from "../../schema/SshConfig.ts"
import * as HybridKeyExchange from "./HybridKeyExchange.ts"
import { protocolOf } from "./Ssh2Protocol.ts"

/** What a server may prove itself with, and a client too. */
export const signatures = HostKeyAlgorithm.literals

/** Tells the client that packets are numbered anew after each key exchange, against Terrapin (CVE-2023-48795). */
const strictKeyExchange = "kex-strict-s-v00@openssh.com"

type Offered = Pick<SshSettings, "ciphers" | "compression" | "hostKeyAlgorithms" | "kex" | "macs">

/** The key exchanges of the configuration that this Node.js has. */
export const keyExchanges = ({ kex }: Pick<SshSettings, "kex">) =>
  kex.filter((name) => name !== HybridKeyExchange.name || HybridKeyExchange.isAvailable)

/** What is offered, as far as ssh2 lets it be said: it knows no hybrid key exchange. */
export const make = (settings: Offered): Algorithms => {
  const kex = keyExchanges(settings).filter((name) => name !== HybridKeyExchange.name)
  return {
    kex: kex.length === 0 ? [HybridKeyExchange.standIn] : kex,
    serverHostKey: [...settings.hostKeyAlgorithms],
    cipher: [...settings.ciphers],
    hmac: [...settings.macs],
    compress: [...settings.compression]
  }
}

interface Offer {
  readonly constructor: new (lists: unknown) => unknown
  readonly lists: { readonly serverHostKey: { readonly array: ReadonlyArray<string> } }
}

const isOffer = (value: unknown): value is Offer =>
  Predicate.hasProperty(value, "constructor") &&
  Predicate.isFunction(value.constructor) &&
  value.constructor !== Object &&
  Predicate.hasProperty(value, "lists") &&
  Predicate.hasProperty(value.lists, "serverHostKey") &&
  Predicate.hasProperty(value.lists.serverHostKey, "array") &&
  Array.isArray(value.lists.serverHostKey.array)

/**
 * Puts the whole offer of the configuration in place of ssh2's, which lacks the hybrid key exchange, has `ssh-rsa`, that is
 * SHA-1, whenever there is an RSA key, and has host keys in the order of the keys. To be called before the key exchange;
 * says whether it could be done.
 */
export const offer = (client: Connection, settings: Offered): boolean => {
  const protocol = protocolOf(client)
  if (!Predicate.hasProperty(protocol, "_offer") || !isOffer(protocol._offer)) return false
  const { array: available } = protocol._offer.lists.serverHostKey
  const both = { cipher: settings.ciphers, mac: settings.macs, compress: settings.compression, lang: [] }
  protocol._offer = new protocol._offer.constructor({
    kex: [...keyExchanges(settings), strictKeyExchange],
    serverHostKey: settings.hostKeyAlgorithms.filter((name) => available.includes(name)),
    cs: both,
    sc: both
  })
  return true
}
