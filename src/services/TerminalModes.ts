/**
 * The modes of a terminal (RFC 4254, section 8), and what `stty` calls them.
 *
 * @since 0.1.0
 */

/**
 * The modes that a client asks for: opcode → argument.
 *
 * @since 0.1.0
 * @category models
 */
export type TerminalModes = ReadonlyMap<number, number>

/** Opcodes from here on have no argument that could be skipped, and end the list (RFC 4254, section 8). */
const firstUndefined = 160

/**
 * Reads encoded modes: pairs of an opcode, one byte, and an argument, four bytes, until the opcode 0. What is cut off is
 * left out.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array): TerminalModes => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const modes = new Map<number, number>()
  for (let at = 0; at + 5 <= bytes.byteLength; at += 5) {
    const opcode = view.getUint8(at)
    if (opcode === 0 || opcode >= firstUndefined) break
    modes.set(opcode, view.getUint32(at + 1))
  }
  return modes
}

/** Those that both BusyBox and the GNU coreutils know, and that Linux has. */
const characters: ReadonlyMap<number, string> = new Map([
  [1, "intr"],
  [2, "quit"],
  [3, "erase"],
  [4, "kill"],
  [5, "eof"],
  [6, "eol"],
  [7, "eol2"],
  [8, "start"],
  [9, "stop"],
  [10, "susp"],
  [12, "rprnt"],
  [13, "werase"],
  [14, "lnext"]
])

const flags: ReadonlyMap<number, string> = new Map([
  [30, "ignpar"],
  [31, "parmrk"],
  [32, "inpck"],
  [33, "istrip"],
  [34, "inlcr"],
  [35, "igncr"],
  [36, "icrnl"],
  [38, "ixon"],
  [39, "ixany"],
  [40, "ixoff"],
  [41, "imaxbel"],
  [42, "iutf8"],
  [50, "isig"],
  [51, "icanon"],
  [53, "echo"],
  [54, "echoe"],
  [55, "echok"],
  [56, "echonl"],
  [57, "noflsh"],
  [58, "tostop"],
  [59, "iexten"],
  [60, "echoctl"],
  [61, "echoke"],
  [70, "opost"],
  [72, "onlcr"],
  [73, "ocrnl"],
  [74, "onocr"],
  [75, "onlret"]
])

const speeds: ReadonlyMap<number, string> = new Map([
  [128, "ispeed"],
  [129, "ospeed"]
])

/** What a terminal of Linux can have. */
const knownSpeeds = new Set([
  50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400
])

/** 255 stands for none (RFC 4254, section 8); so does 0 on Linux. One digit alone would be taken for that character. */
const characterWord = (value: number): string => {
  if (value === 0 || value >= 255) return "undef"
  if (value < 32) return `^${String.fromCodePoint(value + 64)}`
  return value === 127 ? "^?" : String(value)
}

/**
 * The words with which `stty` sets these modes, each of letters, digits and `^?@[\\]_-` only. Modes that a Linux terminal
 * does not have are left out.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sttyArguments = (modes: TerminalModes): ReadonlyArray<string> =>
  Array.from(modes).flatMap(([opcode, value]) => {
    const character = characters.get(opcode)
    if (character !== undefined) return [character, characterWord(value)]
    const flag = flags.get(opcode)
    if (flag !== undefined) return [value === 0 ? `-${flag}` : flag]
    const speed = speeds.get(opcode)
    return speed !== undefined && knownSpeeds.has(value) ? [speed, String(value)] : []
  })
