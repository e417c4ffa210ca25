/** The parts of an SSH message (RFC 4251, section 5), for clients that write their messages themselves. */

export const uint32 = (...values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index)
  return bytes
}

export const payload = (number: number, ...parts: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat([Buffer.from([number]), ...parts])
