import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sftp from "../../src/services/SftpProtocol.ts"

const text = (value: string | Uint8Array) => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const packet = (type: number, ...parts: ReadonlyArray<Uint8Array>) =>
  text(Buffer.concat([Buffer.from([type]), ...parts]))

/** One of each kind, as a client writes them, and what it asks for. */
const requests: ReadonlyArray<readonly [packet: Buffer, request: Sftp.Request]> = [
  [packet(1, uint32(3)), { _tag: "Init", version: 3 }],
  [
    packet(3, uint32(7), text("/a b"), uint32(0x1a), uint32(4), uint32(0o644)),
    {
      _tag: "Open",
      id: 7,
      path: "/a b",
      flags: { read: false, write: true, append: false, create: true, truncate: true, exclusive: false },
      attributes: { mode: 0o644 }
    }
  ],
  [packet(4, uint32(8), text("1")), { _tag: "Close", id: 8, handle: "1" }],
  [
    packet(5, uint32(9), text("1"), uint32(1), uint32(2), uint32(32_768)),
    { _tag: "Read", id: 9, handle: "1", offset: 2 ** 32 + 2, length: 32_768 }
  ],
  [
    packet(6, uint32(10), text("1"), uint32(0), uint32(5), text("bytes")),
    { _tag: "Write", id: 10, handle: "1", offset: 5, data: new Uint8Array(Buffer.from("bytes")) }
  ],
  [packet(17, uint32(11), text("größe")), { _tag: "Stat", id: 11, path: "größe" }],
  [
    packet(
      9,
      uint32(12),
      text("f"),
      uint32(15),
      uint32(0),
      uint32(3),
      uint32(1),
      uint32(2),
      uint32(0o600),
      uint32(4),
      uint32(5)
    ),
    { _tag: "SetStat", id: 12, path: "f", attributes: { size: 3, uid: 1, gid: 2, mode: 0o600, mtime: 5 } }
  ],
  [packet(18, uint32(13), text("a"), text("b")), { _tag: "Rename", id: 13, from: "a", to: "b", replace: false }],
  [
    packet(200, uint32(14), text("posix-rename@openssh.com"), text("a"), text("b")),
    { _tag: "Rename", id: 14, from: "a", to: "b", replace: true }
  ],
  [packet(20, uint32(15), text("target"), text("/link")), { _tag: "SymLink", id: 15, target: "target", path: "/link" }],
  [packet(200, uint32(16), text("statvfs@openssh.com"), text("/")), { _tag: "Unsupported", id: 16 }],
  [packet(77, uint32(17)), { _tag: "Unsupported", id: 17 }],
  [packet(17, uint32(18), uint32(99)), { _tag: "Malformed", id: 18 }],
  [packet(17, uint32(19), text(Buffer.from([0xff, 0xfe]))), { _tag: "Malformed", id: 19 }]
]

const all = Buffer.concat(requests.map(([bytes]) => bytes))

describe("SFTP requests", () => {
  it.effect.prop(
    "are the same however the bytes are cut",
    { cuts: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))) },
    ({ cuts }) =>
      Effect.sync(() => {
        const decoder = Sftp.makeDecoder()
        const decoded: Array<Sftp.Request> = []
        let at = 0
        for (const cut of [...cuts, all.length]) {
          decoded.push(...(decoder.write(all.subarray(at, at + cut)) ?? []))
          at += cut
        }
        assert.deepStrictEqual(
          decoded,
          requests.map(([, request]) => request)
        )
      })
  )

  it.effect.prop(
    "that are nothing of the kind never do more harm than end the stream",
    { bytes: Schema.Uint8Array },
    ({ bytes }) =>
      Effect.sync(() => {
        const decoder = Sftp.makeDecoder()
        // A plausible length, so that what follows is read as a packet.
        decoder.write(uint32(bytes.length + 1))
        decoder.write(new Uint8Array([3]))
        const requests = decoder.write(bytes)
        assert.isTrue(requests === undefined || requests.every(({ _tag }) => _tag !== "Init"))
      })
  )

  it("longer than a packet may be, and empty ones, are no SFTP", () => {
    assert.isUndefined(Sftp.makeDecoder().write(uint32(Sftp.longestPacket + 1)))
    assert.isUndefined(Sftp.makeDecoder().write(uint32(0)))
    assert.isUndefined(Sftp.makeDecoder().write(Buffer.from("GET / HTTP/1.1\r\n")))
  })
})

describe("SFTP responses", () => {
  it("have their length in front, and what the draft puts into them", () => {
    assert.deepStrictEqual(
      Buffer.from(Sftp.encode({ _tag: "Status", id: 3, code: 2, message: "No such file" })),
      packet(101, uint32(3), uint32(2), text("No such file"), text("en"))
    )
    assert.deepStrictEqual(
      Buffer.from(Sftp.encode({ _tag: "Attributes", id: 4, attributes: { size: 5, mode: 0o100644, mtime: 6 } })),
      packet(105, uint32(4), uint32(13), uint32(0), uint32(5), uint32(0o100644), uint32(6), uint32(6))
    )
    assert.deepStrictEqual(
      Buffer.from(Sftp.encode({ _tag: "Names", id: 5, files: [{ filename: "a", longname: "-rw a", attributes: {} }] })),
      packet(104, uint32(5), uint32(1), text("a"), text("-rw a"), uint32(0))
    )
  })
})
