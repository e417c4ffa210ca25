/** A client of SFTP that asks one thing after the other: for tests of a server without SSH around it. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { ByteSink } from "../../src/services/ByteSink.ts"

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const text = (value: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(value)), Buffer.from(value)])

interface Answer {
  readonly type: number
  readonly body: Buffer
}

export const sftpClient = Effect.fnUntraced(function* (input: ByteSink, output: Stream.Stream<Uint8Array>) {
  const answers = yield* Queue.unbounded<Answer>()
  let rest = Buffer.alloc(0)
  yield* Effect.forkScoped(
    Stream.runForEach(output, (chunk) =>
      Effect.sync(() => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
          const length = rest.readUInt32BE(0)
          // Behind the type stands the number of the request.
          Queue.offerUnsafe(answers, { type: rest.readUInt8(4), body: rest.subarray(9, 4 + length) })
          rest = rest.subarray(4 + length)
        }
      })
    )
  )
  const ask = (type: number, ...parts: ReadonlyArray<Buffer>) =>
    Effect.suspend(() => {
      const packet = Buffer.concat([Buffer.from([type]), uint32(1), ...parts])
      input.write(Buffer.concat([uint32(packet.length), packet]))
      return Queue.take(answers)
    })
  const offset = (value: number) => Buffer.concat([uint32(0), uint32(value)])
  /** The code of a status; -1 for any other answer. */
  const code = ({ body, type }: Answer) => (type === 101 ? body.readUInt32BE(0) : -1)

  return {
    /** The handle, or the status as the failure. `flags`: 1 read, 2 write, 8 create, 16 truncate. */
    open: (path: string, flags: number): Effect.Effect<string, number> =>
      Effect.flatMap(ask(3, text(path), uint32(flags), uint32(0)), (answer) =>
        answer.type === 102 ? Effect.succeed(answer.body.subarray(4).toString()) : Effect.fail(code(answer))
      ),
    /** The bytes, or the status. */
    read: (handle: string, at: number, length: number) =>
      Effect.map(ask(5, text(handle), offset(at), uint32(length)), (answer) =>
        answer.type === 103 ? answer.body.subarray(4).toString() : code(answer)
      ),
    write: (handle: string, at: number, data: string) => ask(6, text(handle), offset(at), text(data)),
    /** The status of a request with one text: a path or a handle. */
    status: (type: number, argument: string) => Effect.map(ask(type, text(argument)), code)
  }
})
