/**
 * The header with which a load balancer tells who its client is (The PROXY protocol, versions 1 and 2).
 *
 * It is the first thing on a connection, in front of the client's own first byte, and may come in any number of pieces.
 */
import * as Option from "effect/Option"
import * as NetAddress from "effect/net/NetAddress"
import { parseAddress } from "../../schema/Network.ts"

/** Who the client is. */
export interface ProxySource {
  readonly address: string
  readonly port: number
}

export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly _tag: "Incomplete" }
  /** No header of this protocol, or one that breaks its rules. */
  | { readonly _tag: "Invalid"; readonly detail: string }
  /**
   * The whole header, and how many bytes it had. Without a source the load balancer speaks for itself, such as in a
   * health check, or does not know: the connection's own address is the client's.
   */
  | { readonly _tag: "Complete"; readonly length: number; readonly source?: ProxySource }

/** Version 1 has at most 107 bytes, its CRLF included. */
const longestLine = 107

/** Version 2 may say that it has up to 65,535 bytes more; what is sent in fact are addresses and a few short values. */
const longestHeader = 4_096

const lineStart = Buffer.from("PROXY ")
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n")
const fixedLength = 16

const incomplete: ProxyHeader = { _tag: "Incomplete" }
const invalid = (detail: string): ProxyHeader => ({ _tag: "Invalid", detail })

const isBeginOf = (whole: Buffer, part: Buffer): boolean => whole.subarray(0, part.length).equals(part)

const port = (text: string): number | undefined =>
  /^(?:0|[1-9]\d{0,4})$/u.test(text) && Number(text) <= 65_535 ? Number(text) : undefined

const parseLine = (bytes: Buffer): ProxyHeader => {
  const end = bytes.subarray(0, longestLine).indexOf("\r\n")
  if (end === -1) {
    return bytes.length < longestLine ? incomplete : invalid(`a line of more than ${longestLine} bytes`)
  }
  const length = end + 2
  const words = bytes.toString("latin1", lineStart.length, end).split(" ")
  const [protocol = "", source = "", destination = "", sourcePort = "", destinationPort = ""] = words
  // What follows this word is to be ignored.
  if (protocol === "UNKNOWN") return { _tag: "Complete", length }
  if (protocol !== "TCP4" && protocol !== "TCP6") return invalid("neither TCP4, TCP6 nor UNKNOWN")
  const isRightFamily = protocol === "TCP4" ? NetAddress.isIpv4Address : NetAddress.isIpv6Address
  const isAddress = (text: string) => {
    const address = NetAddress.ipFromString(text)
    return address._tag === "Success" && isRightFamily(address.success)
  }
  const from = port(sourcePort)
  if (words.length !== 5 || !isAddress(source) || !isAddress(destination)) return invalid("addresses that are none")
  if (from === undefined || port(destinationPort) === undefined) return invalid("ports that are none")
  return { _tag: "Complete", length, source: { address: canonical(source), port: from } }
}

/** As everything else here names an address: `::ffff:192.0.2.1` is 192.0.2.1. */
const canonical = (address: string): string =>
  Option.match(parseAddress(address), { onNone: () => address, onSome: NetAddress.formatIp })

const parseBinary = (bytes: Buffer): ProxyHeader => {
  if (bytes.length < fixedLength) return incomplete
  const [versionAndCommand = 0, familyAndProtocol = 0] = bytes.subarray(12)
  const length = fixedLength + bytes.readUInt16BE(14)
  if (versionAndCommand >> 4 !== 2) return invalid(`version ${versionAndCommand >> 4}`)
  const command = versionAndCommand & 0xf
  if (command > 1) return invalid(`command ${command}`)
  if (length > longestHeader) return invalid(`a header of ${length} bytes`)
  if (bytes.length < length) return incomplete
  const source = command === 0 ? undefined : binarySource(familyAndProtocol, bytes.subarray(fixedLength, length))
  if (source === "too short") return invalid("addresses that are cut off")
  return source === undefined ? { _tag: "Complete", length } : { _tag: "Complete", length, source }
}

/** TCP alone has a source: what came by anything else is treated as unknown. */
const binarySource = (familyAndProtocol: number, block: Buffer): ProxySource | "too short" | undefined => {
  const size = familyAndProtocol === 0x11 ? 4 : familyAndProtocol === 0x21 ? 16 : undefined
  if (size === undefined) return undefined
  // Source, destination, and a port for each.
  if (block.length < 2 * size + 4) return "too short"
  const bytes = block.subarray(0, size)
  const address = NetAddress.toCanonical(
    size === 4 ? NetAddress.ipv4FromBytesUnsafe(bytes) : NetAddress.ipv6FromBytesUnsafe(bytes)
  )
  return { address: NetAddress.formatIp(address), port: block.readUInt16BE(2 * size) }
}

/** Reads the header from what has come so far, from its first byte. */
export const parse = (bytes: Buffer): ProxyHeader => {
  const first = bytes[0]
  if (first === undefined) return incomplete
  if (first === signature[0]) {
    if (bytes.length < signature.length) return isBeginOf(signature, bytes) ? incomplete : invalid("something else")
    return isBeginOf(bytes, signature) ? parseBinary(bytes) : invalid("something else")
  }
  if (bytes.length < lineStart.length) return isBeginOf(lineStart, bytes) ? incomplete : invalid("something else")
  return isBeginOf(bytes, lineStart) ? parseLine(bytes) : invalid("something else")
}
