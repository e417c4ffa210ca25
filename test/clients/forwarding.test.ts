import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { containers, describeEngine, docker } from "../support/Engine.ts"
import { countingServer, enabled, freePort, serve, startAgent, stdio, talk, withAgent } from "../support/Forwarded.ts"
import { prepareImage } from "../support/Images.ts"
import { controlMaster, ssh } from "../support/OpenSsh.ts"
import { run } from "../support/Program.ts"
import { startServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const places = {
  "a container that was warm": { pool: { size: 1 } },
  "a persistent container": { mode: "persistent", persistent: { name: "matrix-{username}" } }
}

const atOnce = 20

describeEngine("what OpenSSH forwards", () => {
  it.live.each(Object.entries(places))(
    "to and from %s",
    ([place, backend]) =>
      Effect.gen(function* () {
        const label = { matrix: "mode" in backend ? "persistent" : "pool" }
        yield* Effect.addFinalizer(() =>
          Effect.ignore(
            Effect.flatMap(containers(`matrix=${label.matrix}`), (all) =>
              Effect.forEach(all, ({ Id }) => docker("rm", "--force", "--volumes", Id))
            )
          )
        )
        const user = `matrix-${label.matrix}`
        const server = yield* startServer({
          user,
          backend: { container: { Image: yield* prepareImage("full"), Labels: label }, ...backend },
          sections: { security: { forwarding: enabled } }
        })
        if ("pool" in backend) yield* server.waitForEvent("POOL_FILLED", undefined, 60_000)
        const agent = yield* startAgent
        const { target } = yield* controlMaster(withAgent(server.target, agent))
        if ("pool" in backend) yield* server.waitForEvent("POOL_TAKEN")
        yield* serve(target)
        const inside = (command: string) =>
          Effect.map(ssh({ ...target, command }), ({ stderr, stdout }) => {
            assert.strictEqual(stderr, "", command)
            return stdout
          })
        const forward = (option: "-D" | "-L" | "-R", what: string) =>
          Effect.map(ssh({ ...target, args: ["-O", "forward", option, what] }), ({ status, stderr, stdout }) => {
            assert.strictEqual(status, 0, stderr)
            return stdout.trim()
          })
        const directory = yield* temporaryDirectory

        // -L: many at once, and the end of each direction alone.
        const many = join(directory, "many")
        yield* forward("-L", `${many}:127.0.0.1:7002`)
        const sizes = Array.from({ length: atOnce }, (_, index) => 1_000 + index)
        const answers = yield* Effect.forEach(
          sizes,
          (size) => talk(many, (socket) => void socket.end("x".repeat(size))),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          answers,
          sizes.map((size) => `got ${size}\n`)
        )
        const half = join(directory, "half")
        yield* forward("-L", `${half}:127.0.0.1:7001`)
        yield* talk(half, (socket) => socket.once("end", () => socket.end(Buffer.alloc(300_000))))
        yield* waitFor(
          "all that came after the server's end",
          Effect.map(inside("cat /tmp/got"), (size) => size === "300000")
        )
        const echo = join(directory, "echo")
        yield* forward("-L", `${echo}:/tmp/echo`)
        assert.strictEqual(yield* talk(echo, (socket) => void socket.end("12345")), "got 5\n")

        // -W, and what nobody listens on.
        assert.strictEqual((yield* stdio(target, 7002, { text: "abc" })).stdout, "got 3\n")
        // Of a name's addresses the first one is refused, and another may be none that the container has.
        assert.strictEqual((yield* ssh({ ...target, args: ["-W", "localhost:7009"] })).status, 255)
        const refusal = yield* server.waitForEvent("DOCKERRUN_FORWARDING_FAILED")
        assert.match(String(refusal["message"]), /localhost:7009: connection refused/u)

        // -D
        const socks = `127.0.0.1:${yield* freePort}`
        yield* forward("-D", socks)
        const proxied = yield* run("nc", ["-N", "-X", "5", "-x", socks, "localhost", "7002"], {
          stdin: { text: "abcd" }
        })
        assert.strictEqual(proxied.stdout, "got 4\n", proxied.stderr)

        // -R: ports and sockets, many at once, and the end of each direction alone.
        const counting = `127.0.0.1:${yield* countingServer}`
        const port = yield* forward("-R", `0:${counting}`)
        const sends = `head -c 100000 /dev/zero | nc -N 127.0.0.1 ${port}`
        assert.strictEqual(
          yield* inside(`for n in $(seq ${atOnce}); do ${sends} & done; wait`),
          "got 100000\n".repeat(atOnce)
        )
        yield* forward("-R", `/tmp/back:${counting}`)
        assert.strictEqual(yield* inside("printf abc | nc -N -U /tmp/back"), "got 3\n")

        // -A
        assert.include(yield* inside("ssh-add -l"), agent.key.fingerprint)

        // -J: by a second connection, whose container is the first one's only if it stays.
        if (place !== "a persistent container") return
        const back = yield* forward("-R", `0:127.0.0.1:${server.port}`)
        const config = join(directory, "config")
        const lines = [
          "UserKnownHostsFile /dev/null",
          "StrictHostKeyChecking no",
          "LogLevel ERROR",
          `User ${user}`,
          `IdentityFile ${server.target.identityFile}`
        ]
        yield* Effect.promise(() => writeFile(config, lines.join("\n")))
        const jump = ["-F", config, "-J", `127.0.0.1:${server.port}`, "-p", back, "127.0.0.1", "echo through"]
        const through = yield* run("ssh", jump)
        assert.strictEqual(through.stdout, "through\n", through.stderr)
      }),
    // The image, too.
    400_000
  )
})
